"""Which messages of the archive carry a file of this computer, and what a file is.

A file that came with a message stays that message's, wherever a copy of it lies and however it is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.files.media_folder import recorded_file
from whatsapp_mcp.media import format_of
from whatsapp_mcp.models import Media
from whatsapp_mcp.policy import SCANNED_BYTES, quoted, text_of_file

_MARKS: Final = (b"{\\rtf", b"<")
"""Prefixes of text that is markup, not what a person sees."""
_CHATS: Final = 3
"""Chats that a question names in which a file came."""


class Looked(NamedTuple):
    """A file of this computer.

    Attributes:
        digest: SHA-256 of its content.
        sizes: Its bytes, and those of the files beside it from which it was made.
        text: Its content as text; None if it is none or too large.
        is_plain: Whether that is what a person sees: markup and formats have to be read.
        size: Its bytes.
        label: What people call its format, with the article; None where it is not known.
    """

    digest: bytes
    sizes: frozenset[int]
    text: str | None
    is_plain: bool
    size: int
    label: str | None

    @property
    def told(self) -> str:
        """Kind and size of the file: `a PDF document, 120 kB`."""
        kind = self.label or ("text" if self.text is not None else "a file of no known kind")
        return f"{kind}, {_in_bytes(self.size)}"


def look_at(path: Path) -> Looked | None:
    """The file; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            size = file.tell()
            file.seek(0)
            content = file.read(SCANNED_BYTES)
        text = text_of_file(content) if size <= SCANNED_BYTES else None
        known = format_of(content)
        is_plain = text is not None and not content.startswith(_MARKS) and known is None
        beside = path.parent.glob(f"{escape(_origin(path))}.*")
        sizes = frozenset({size, *(one.stat().st_size for one in beside)})
        return Looked(digest, sizes, text, is_plain, size, known.label if known else None)
    except OSError:
        return None


async def messages_with(archive: Archive, path: Path, looked: Looked, not_in: str = "") -> AsyncIterator[int]:
    """The refs of the newest messages that carry a file, but for what this companion sent.

    Args:
        archive: Has them.
        path: Of the file: a copy on its way out is named after what it was made of.
        looked: What it is.
        not_in: Jid of a chat whose messages do not count.
    """
    for ref, recorded in await archive.files_elsewhere(str(path), looked.digest, looked.sizes, not_in):
        if recorded is None:
            yield ref
            continue
        there = recorded_file(archive.folder.media, recorded)
        other = await anyio.to_thread.run_sync(look_at, there)
        if other is not None and (other.digest == looked.digest or other.digest.hex()[:24] == _origin(path)):
            yield ref


async def message_with(archive: Archive, path: Path, looked: Looked, not_in: str = "") -> int | None:
    """The first of `messages_with`; None if there is none."""
    async for ref in messages_with(archive, path, looked, not_in):
        return ref
    return None


async def described_files(archive: Archive, paths: Iterable[str]) -> dict[str, str]:
    """Return a description of each file, by path: kind, size, and the messages that it came with."""
    return {path: await _described(archive, Path(path)) for path in paths}


async def _described(archive: Archive, path: Path) -> str:
    looked = await anyio.to_thread.run_sync(look_at, path)
    if looked is None:
        return "it cannot be read"
    refs = [ref async for ref in messages_with(archive, path, looked)]
    chats: dict[str, str] = {}
    # The oldest first: who sends later what somebody else sent before does not take the place of that chat.
    for ref in reversed(refs):
        message = await archive.message(ref)
        chats.setdefault(message.chat, f"message #{ref} in the chat {quoted(message.chat_name)}")
    if not chats:
        return looked.told
    more = ["messages in other chats"] if len(chats) > _CHATS else []
    return f"{looked.told}, which came with {' and '.join([*islice(chats.values(), _CHATS), *more])}"


def described_media(media: Media) -> str:
    """Describe the file of a message, as far as its sender says."""
    named = f"named {quoted(media.file_name)}" if media.file_name else "without a name"
    return f"{named}: {quoted(media.mime_type or '')}, {_in_bytes(media.size or 0)}, as its sender says"


def _in_bytes(size: int) -> str:
    return f"{size:,} bytes" if size < 10_000 else f"{size / 1000:,.0f} kB"


def _origin(path: Path) -> str:
    """Return what copies of one outgoing file share: the beginning of its SHA-256, in hex."""
    return path.name.partition(".")[0]
