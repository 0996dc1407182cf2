"""The folders that the MCP application names as its own (`roots/list`): files may be sent from them as well.

They count only from an application on this computer, which started the server itself, and only as far as it
names folders of a project: one that contains the person's home folder would allow every key in it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio
from mcp.shared.exceptions import MCPError
from mcp.types import ListRootsRequest, ListRootsResult

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

_LIMIT: Final = 5.0
"""Seconds in which the application answers."""
_MOST: Final = 32

logger = logging.getLogger(__name__)


async def client_roots(context: Context[Any, Any], home: Path | None = None) -> tuple[Path, ...]:
    """The folders of the application that calls; none where it names none, or is not on this computer.

    Args:
        context: Of the call.
        home: The person's home folder, for tests.
    """
    offered = context.session.client_capabilities
    if context.headers is not None or offered is None or offered.roots is None:
        return ()
    answer = None
    with anyio.move_on_after(_LIMIT):
        try:
            # `list_roots` of the session does the same, with a warning that roots are deprecated.
            answer = await context.session.send_request(ListRootsRequest(), ListRootsResult)
        except MCPError as error:
            logger.info("roots: the application does not name its folders: %s", type(error).__name__)
    if answer is None:
        return ()
    folders = (_folder(str(root.uri)) for root in answer.roots[:_MOST])
    return tuple(each for each in folders if each is not None and _is_narrow(each, home or Path.home()))


def _folder(uri: str) -> Path | None:
    """The folder of a `file:` URI; None for any other."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = Path(url2pathname(parts.path))
    return path if path.is_absolute() and "\0" not in str(path) else None


def _is_narrow(folder: Path, home: Path) -> bool:
    try:
        return not home.resolve().is_relative_to(folder.resolve())
    except OSError:
        return False
