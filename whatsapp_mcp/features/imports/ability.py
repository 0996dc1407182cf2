"""The part of an account's leader that runs imports."""

from __future__ import annotations

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.leader import Ability
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.features.imports.importing import Importer, Imports
from whatsapp_mcp.settings import AccountFolder, CurrentSettings


def import_ability(
    folder: AccountFolder, settings: CurrentSettings, archive: Archive, stored: StoredFiles
) -> Ability:
    """The queue of imports, and the operations that ask for them.

    Args:
        folder: The account's files.
        settings: The largest file, and the person's zone.
        archive: Where to.
        stored: Keeps files elsewhere as well.
    """
    imports = Imports(archive, SystemClock(), Importer(folder, archive, settings, stored=stored))
    return Ability("imports", imports.run, imports)
