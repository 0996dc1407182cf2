"""Imports of what other programs have archived; a person is asked about each that an agent wants to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.models import ExportMatch
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.features.imports.importing import Imports


@has_effect(Effect.IMPORT, Audience.NOBODY, "request")
async def begin_import(queue: Imports, request: ImportRequest) -> int:
    """Put an import into the queue; answers the ticket by which it is followed and cancelled.

    Raises:
        InvalidArgument: There is nothing at its path that can be imported, or it is an exported chat
            without the chat that it is.
        FileNotAllowed: An agent names a file outside `media.roots`, or in the home folder.
        Busy: Too many wait.
    """
    return await queue.begin_import(request)


@has_effect(Effect.PERSON)
async def undo_import(queue: Imports, number: int) -> int:
    """Put the removal of what only this import brought into the queue; answers its ticket.

    Raises:
        InvalidArgument: There is no such import, or it was undone.
        Busy: It is running.
    """
    return await queue.undo_import(number)


@has_effect(Effect.PERSON)
async def cancel_import(queue: Imports, ticket: int) -> None:
    """End an import that waits or runs; what it has brought stays, and importing the file again goes on.

    Raises:
        InvalidArgument: None of this ticket waits or runs.
    """
    await queue.cancel_import(ticket)


@has_effect(Effect.READ)
async def imports(queue: Imports, ticket: int = 0) -> tuple[ImportProgress, ...]:
    """The last imports, newest first.

    Args:
        ticket: Only that one of the leader's; none if it has no such one.
    """
    return await queue.imports(ticket)


@has_effect(Effect.PERSON)
async def match_exports(queue: Imports, path: str) -> tuple[ExportMatch, ...]:
    """Which chat each exported one in a folder is; none for what is no folder of exports.

    Raises:
        InvalidArgument: There is no such folder.
        WhatsAppError: A file in it cannot be read.
    """
    return await queue.match_exports(path)
