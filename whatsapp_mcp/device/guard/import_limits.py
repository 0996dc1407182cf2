"""What an agent may have imported: files of allowed folders, named by their paths alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.allowed_files import importable, refuse_own
from whatsapp_mcp.errors import Denied
from whatsapp_mcp.models import Caller, ImportRequest
from whatsapp_mcp.settings import Settings

_BY_A_PERSON: Final = "Tell the user to run `whatsapp-mcp archive import`, or to use the page."


async def limited(request: ImportRequest, caller: Caller, settings: Settings) -> ImportRequest:
    """What is imported; where an agent asks, by a path on which no link is left to be changed.

    A person names any file but those that this process may have open.

    Raises:
        FileNotAllowed: It is a file of an account itself.
        Denied: An agent gives a key, or names more than one place: keys and other folders are a person's.
        FileNotAllowed, InvalidArgument: As `importable`.
    """
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
