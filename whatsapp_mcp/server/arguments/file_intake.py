"""Files that an agent wants to send: from an allowed folder, from the web, or from the call itself.

Whatever their origin they are copied into the account's folder first, so that they are still there when they
are sent, and what was looked at is what goes out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import Busy, Candidate, FileNotAllowed, InvalidArgument, TooLong
from whatsapp_mcp.files.allowed_files import open_allowed
from whatsapp_mcp.files.media_folder import require_room
from whatsapp_mcp.media import fetch
from whatsapp_mcp.models import Permit
from whatsapp_mcp.system import write_private

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import Services

_OFFERED: Final = 20
"""Files that are named when the one that was given is none."""
_SAFE: Final = re.compile(r"[^\w.\- ()]+")


@dataclass(frozen=True, slots=True)
class Taken:
    """A private copy of what is to be sent, its name, and where it is from: a path, a URL, or the call."""

    path: Path
    name: str
    origin: str = ""


class Origin(NamedTuple):
    """Where a file is: exactly one of the path, the URL, and the content in base64."""

    path: str | None = None
    url: str | None = None
    data: str | None = None


def origin_of(given: str) -> Origin:
    """A text that is a path, a URL of the web or a `data:` URL."""
    match given.partition(":")[0].lower():
        case "http" | "https" | "file":
            return Origin(url=given)
        case "data":
            return Origin(data=given)
        case _:
            return Origin(path=given)


async def take(services: Services, origins: Sequence[Origin]) -> list[Taken]:
    """Copy files to be sent into the account's folder; requests to all URLs are one question to a person.

    Raises:
        InvalidArgument: A file has no origin or several, or it cannot be read.
        FileNotAllowed: A path is outside the allowed folders or of a copy on its way out, or a URL leads into
            a private network.
        MediaUnavailable: A URL does not answer with a file.
        TooLong: One is larger than `media.max_megabytes`.
        Busy: It cannot be stored now, or there is no room for it.
        ApprovalRequired: A person has to allow the requests to the URLs first; nothing was requested.
    """
    if any(sum(given is not None for given in origin) != 1 for origin in origins):
        raise InvalidArgument("Give exactly one of path, url and data.")
    if urls := tuple(origin.url for origin in origins if origin.url is not None):
        async with services.device() as device:
            await device.permit(Permit("fetch", (), urls))
    return [await _taken(services, origin) for origin in origins]


async def _taken(services: Services, origin: Origin) -> Taken:
    limit = services.settings.media.max_megabytes * 1_000_000
    account = services.settings.account_folder(services.account)
    account.outgoing.mkdir(mode=0o700, parents=True, exist_ok=True)
    if origin.path is not None:
        named = await services.roots()
        content, source = await anyio.to_thread.run_sync(_read, services, origin.path, limit, named)
        name, whence = source.name, str(source)
    elif origin.url is not None:
        fetched = await fetch(origin.url, limit, proxy=services.settings.network.proxy_url)
        content, name, whence = fetched.content, fetched.name, origin.url
    else:
        content, name, whence = _decoded(origin.data or ""), "", ""
    _check_size(len(content), limit)
    if not content:
        raise InvalidArgument("The file is empty.")
    await anyio.to_thread.run_sync(require_room, account.media, len(content), services.settings.media)
    target = account.outgoing / (hashlib.sha256(content).hexdigest()[:24] + Path(name).suffix.lower()[:10])
    await anyio.to_thread.run_sync(store_file, target, content)
    return Taken(target, _SAFE.sub("_", name), whence)


def store_file(path: Path, content: bytes) -> None:
    """As `write_private`, with an error that a tool can answer.

    Raises:
        Busy: It cannot be written now.
    """
    try:
        write_private(path, content)
    except OSError as error:
        raise Busy(
            f"The file could not be stored: {error.strerror}.",
            "Tell the user to check the disk's free space.",
        ) from error


def _read(services: Services, given: str, limit: int, named: Sequence[Path]) -> tuple[bytes, Path]:
    """Content and path of a file in an allowed folder, or in one that the application names."""
    settings = services.settings
    account = settings.account_folder(services.account)
    roots = [*settings.media.roots, *named, account.media]
    path = in_a_root(given, roots)
    if _is_in(path, account.outgoing):
        # Made smaller, it would be a file of which nobody can tell from which chat it is.
        raise FileNotAllowed("That is a copy of a file on its way out.", "Give the file itself.")
    try:
        with open_allowed(path, roots, settings.home) as file:
            _check_size(os.fstat(file.fileno()).st_size, limit)
            return file.read(limit + 1), path
    except FileNotAllowed as error:
        folders = ", ".join(map(str, roots))
        raise FileNotAllowed(error.message, f"Allowed: {folders} (setting media.roots).") from error
    except InvalidArgument as error:
        near = [Candidate(address=each) for each in _files_near(path.resolve())]
        raise InvalidArgument(error.message, error.action, candidates=near) from error


def _is_in(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, by whatever links or spelling."""
    with suppress(OSError, RuntimeError):
        return any(parent.exists() and parent.samefile(folder) for parent in path.resolve().parents)
    return False


def in_a_root(given: str, roots: Sequence[Path]) -> Path:
    """A path as it is, or, where it says no folder from the root on, in the first allowed one that has it."""
    path = Path(given)
    with suppress(OSError, RuntimeError):  # a name that is too long, an unknown `~user`
        path = path.expanduser()
        if not path.is_absolute():
            return next((there for root in roots if (there := root / path).exists()), path)
    return path


def _files_near(path: Path) -> list[str]:
    """The newest files of a folder, or of the folder in which a file was looked for."""
    folder = path if path.is_dir() else path.parent
    try:
        with os.scandir(folder) as entries:
            files = [(entry.stat().st_mtime, entry.path) for entry in entries if entry.is_file()]
    except OSError:
        return []
    return [name for _, name in sorted(files, reverse=True)[:_OFFERED]]


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        what = f"The file is larger than {limit // 1_000_000} MB."
        raise TooLong(what, "Send a smaller one (setting media.max_megabytes).")


def _decoded(data: str) -> bytes:
    body = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise InvalidArgument("data is not base64.") from error
