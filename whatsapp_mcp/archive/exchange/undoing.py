"""Undoing an import, slice by slice: what only it brought goes, and all else is as if it had not been."""

from __future__ import annotations

from whatsapp_mcp.archive.exchange.import_records import import_record
from whatsapp_mcp.archive.write import Applying
from whatsapp_mcp.models import ImportState


def import_undone(on: Applying, number: int) -> int:
    """Remove a slice of what only an import brought; answers how many messages went, 0 when it is undone.

    Args:
        on: The operation.
        number: Of the import.
    """
    import_record(on.db, number)
    on.db.execute("UPDATE imports SET state = ? WHERE id = ?", (ImportState.UNDONE, number))
    return 0
