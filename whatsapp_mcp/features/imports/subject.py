"""The guard's view of an import: what an agent may have imported, and what a person reads before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.device.guard import Asked
from whatsapp_mcp.errors import Denied
from whatsapp_mcp.features.imports.importing import described, identity_of
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.files.allowed_files import importable, refuse_own
from whatsapp_mcp.models import Caller
from whatsapp_mcp.policy import whole
from whatsapp_mcp.settings import Settings

_BY_A_PERSON: Final = "Tell the user to run `whatsapp-mcp archive import`, or to use the page."


def import_subject(request: object) -> ImportSubject | None:
    """Return the subject of an import's request; None for any other request."""
    return ImportSubject(request) if isinstance(request, ImportRequest) else None


@dataclass(frozen=True, slots=True)
class ImportSubject:
    """The subject of an import, as the guard sees it (`Subject`)."""

    request: ImportRequest

    @property
    def chats(self) -> list[str]:
        """The jid of the chat that an exported one is."""
        return [self.request.chat] if self.request.chat else []

    async def limited(self, caller: Caller, settings: Settings) -> ImportRequest:
        """Return the request; an agent's has a path on which no link is left to be changed.

        A person names any file but those that this process may have open.

        Raises:
            FileNotAllowed: It is a file of an account itself.
            Denied: An agent gives a key, or names more than one place: keys and other folders are a person's.
            FileNotAllowed, InvalidArgument: As `importable`.
        """
        request = self.request
        for given in filter(None, (request.path, request.key_file, request.names)):
            await anyio.to_thread.run_sync(refuse_own, Path(given), settings.home)
        if caller.is_trusted:
            return request
        plain = ImportRequest(request.path, request.chat, request.me, dry_run=request.dry_run)
        if plain != request:
            raise Denied("Only a person gives keys, or further files, for an import.", _BY_A_PERSON)
        path = Path(request.path)
        allowed = await anyio.to_thread.run_sync(importable, path, settings.media.roots, settings.home)
        return replace(request, path=str(allowed))

    async def asked(self) -> Asked:
        """Return the question to a person about the import.

        Raises:
            InvalidArgument: There is nothing at its path that can be imported.
        """
        place = await anyio.to_thread.run_sync(described, Path(self.request.path))
        me = whole("your name in it", self.request.me) if self.request.me else []
        lines = (*whole("Import this into the archive", self.request.path), *place, *me)
        return Asked(lines, "It is the chat with", place)

    async def digests(self) -> dict[str, str]:
        """Return the digest of the file or folder (`identity_of`), under its path."""
        path = Path(self.request.path)
        return {self.request.path: await anyio.to_thread.run_sync(identity_of, path)}
