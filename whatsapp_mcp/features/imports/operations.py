"""Taking over what other programs have archived."""

from __future__ import annotations

from typing import Protocol

from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.models import ExportMatch
from whatsapp_mcp.policy import Audience, Effect, has_effect


class ImportOperations(Protocol):
    """Operations about imports; a person is asked about each that an agent wants to begin."""

    @has_effect(Effect.IMPORT, Audience.NOBODY, "request")
    async def begin_import(self, request: ImportRequest) -> int:
        """Put an import into the queue; answers the ticket by which it is followed and cancelled.

        Raises:
            InvalidArgument: There is nothing at its path that can be imported, or it is an exported chat
                without the chat that it is.
            FileNotAllowed: An agent names a file outside `media.roots`, or in the home folder.
            Busy: Too many wait.
        """
        ...

    @has_effect(Effect.READ)
    async def imports(self, ticket: int = 0) -> tuple[ImportProgress, ...]:
        """The last imports, newest first.

        Args:
            ticket: Only that one of the leader's; none if it has no such one.
        """
        ...

    @has_effect(Effect.PERSON)
    async def cancel_import(self, ticket: int) -> None:
        """End an import that waits or runs; what it has brought stays, and importing the file again goes on.

        Raises:
            InvalidArgument: None of this ticket waits or runs.
        """
        ...

    @has_effect(Effect.PERSON)
    async def undo_import(self, number: int) -> int:
        """Put the removal of what only this import brought into the queue; answers its ticket.

        Raises:
            InvalidArgument: There is no such import, or it was undone.
            Busy: It is running.
        """
        ...

    @has_effect(Effect.PERSON)
    async def match_exports(self, path: str) -> tuple[ExportMatch, ...]:
        """Which chat each exported one in a folder is; none for what is no folder of exports.

        Raises:
            InvalidArgument: There is no such folder.
            WhatsAppError: A file in it cannot be read.
        """
        ...
