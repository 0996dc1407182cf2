"""What an agent may have imported: files of allowed folders, named by their paths alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.errors import Denied, FileNotAllowed, InvalidArgument
from whatsapp_mcp.models import Caller, ImportRequest
from whatsapp_mcp.settings import Settings

_BY_A_PERSON: Final = "Tell the user to run `whatsapp-mcp archive import`, or to use the page."


async def limited(request: ImportRequest, caller: Caller, settings: Settings) -> ImportRequest:
    """What is imported, by a path on which no link is left to be changed.

    A person names any file. What lies in the home folder was never given by them: downloads come from
    strangers.

    Raises:
        Denied: An agent gives a key, or names more than one place: keys and other folders are a person's.
        FileNotAllowed: An agent names a file outside the allowed folders.
    """
    if caller.is_trusted:
        return request
    plain = ImportRequest(request.path, request.chat, request.me, dry_run=request.dry_run)
    if plain != request:
        raise Denied("Only a person gives keys, or further files, for an import.", _BY_A_PERSON)
    return replace(request, path=await anyio.to_thread.run_sync(_allowed, request.path, settings))


def _allowed(given: str, settings: Settings) -> str:
    try:
        path = Path(given).expanduser().resolve(strict=True)
        is_own = path.is_relative_to(settings.home.resolve()) or settings.home.resolve().is_relative_to(path)
        roots = [root.resolve() for root in settings.media.roots]
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidArgument("There is no such file or folder.", "Give the whole path of one.") from error
    if is_own or not any(path.is_relative_to(root) for root in roots):
        folders = ", ".join(map(str, roots)) or "none"
        raise FileNotAllowed(
            "The path is not that of a file in an allowed folder.",
            f"Allowed: {folders} (setting media.roots). {_BY_A_PERSON}",
        )
    return str(path)
