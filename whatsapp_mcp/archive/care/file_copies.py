"""Copies of what messages say beside the databases: exports, sent files, quarantined databases, drafts.

A purge deletes those that may hold what it deletes, and no more: an export says in its name of which chat it
is and from when on.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from whatsapp_mcp.files.sealed_files import SEALED
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import is_draft

SENT_FILES_KEPT: Final = 3600.0
"""Seconds that a copy of a sent file stays: longer than the way from the tool into the outbox takes."""
_EXPORT: Final = re.compile(r".*-(?P<chat>[0-9a-f]{10})-(?P<first>\d{14})-\d{8}-\d{6}(?:_files|\.\w+)")
"""Names that `export_path` gives: the hash of the chat, and the time of the first message."""


def export_path(
    folder: AccountFolder, chat: str, name: str, first: datetime, made: datetime, suffix: str
) -> Path:
    """Return the path for an export of a chat.

    Args:
        folder: The account's files.
        chat: Jid of the chat.
        name: What a person calls it, without what a file's name cannot have.
        first: Time of its first message.
        made: Now, in the person's zone.
        suffix: `txt`, `jsonl` or `html`.
    """
    return folder.exports / f"{name}-{_chat_hash(chat)}-{_written(first)}-{made:%Y%m%d-%H%M%S}.{suffix}"


def _written(first: datetime) -> str:
    return f"{first.astimezone(UTC):%Y%m%d%H%M%S}"


def _chat_hash(chat: str) -> str:
    # Ten digits are enough: of two chats with one hash an export too many is deleted, never one too few.
    return hashlib.sha256(chat.encode()).hexdigest()[:10]


def purge_exports(folder: AccountFolder, chats: Collection[str] | None, before: datetime | None) -> None:
    """Delete the exports that may hold something of these chats (None: of any) before a time (None: ever).

    One whose name does not say what it holds may hold anything.
    """
    hashes = None if chats is None else set(map(_chat_hash, chats))
    for path in _entries(folder.exports):
        said = _EXPORT.fullmatch(path.name.removesuffix(SEALED))
        if said is not None:
            if hashes is not None and said["chat"] not in hashes:
                continue
            # Both are fourteen digits, so their order as texts is that of the times.
            if before is not None and said["first"] >= _written(before):
                continue
        _delete(path)


def purge_sent_files(
    folder: AccountFolder, needed: Iterable[str], *, made_before: float | None, named: Iterable[str] = ()
) -> int:
    """Delete copies of sent files, with what they were made from; answers how many files.

    Args:
        folder: The account's files.
        needed: Paths that a send may still need.
        made_before: Those made before this time, in seconds since 1970; None: all.
        named: Paths that go whenever they were made.
    """
    kept = set(map(_content, needed))
    gone = set(map(_content, named))
    deleted = 0
    for path in _entries(folder.outgoing):
        with suppress(FileNotFoundError):  # another server may have made or taken it
            old = made_before is None or path.stat().st_mtime < made_before
            if _content(path) not in kept and (old or _content(path) in gone):
                _delete(path)
                deleted += 1
    return deleted


def _content(path: Path | str) -> str:
    """Return the name that copies of one content share: `5f1c….1600.jpg` is made of `5f1c….png`."""
    return Path(path).name.partition(".")[0]


def purge_quarantined(folder: AccountFolder, before: datetime | None) -> None:
    """Delete quarantined databases, and the backups made before upgrades.

    Args:
        folder: The account's files.
        before: Those last written before; None: all.
    """
    for path in (path for each in folder.with_databases for path in _entries(each)):
        with suppress(FileNotFoundError):
            kept = ".db.damaged" in path.name or ".db.version-" in path.name
            if kept and (before is None or path.stat().st_mtime < before.timestamp()):
                _delete(path)


def purge_drafts(folder: AccountFolder, made_before: float | None) -> None:
    """Delete what processes that were killed had half written.

    Args:
        folder: The account's files.
        made_before: Those last written before this time, in seconds since 1970; None: all.
    """
    for path in folder.path.rglob("*.part"):
        with suppress(FileNotFoundError):
            # The suffix alone proves nothing: a person's own file may end so.
            if is_draft(path) and (made_before is None or path.stat().st_mtime < made_before):
                path.unlink()


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _delete(path: Path) -> None:
    # What a link points to lies elsewhere, and is not ours to delete.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
