"""The archive as every server holds it: what can be asked, answered from `archive.db`.

Each method is a function that reads from a connection, run by `Readers`: its arguments, its answer and
its errors are the function's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import exchange, read, state, write
from whatsapp_mcp.archive.database import Readers, raw_form
from whatsapp_mcp.archive.read import history_progress
from whatsapp_mcp.decoding import original_of, thumbnail_of
from whatsapp_mcp.models import MessageKey, Statistics
from whatsapp_mcp.settings import AccountFolder

P = ParamSpec("P")
R = TypeVar("R")
if TYPE_CHECKING:
    from datetime import datetime
    from types import CoroutineType

    from google.protobuf.message import Message as Proto

    _Read = Callable[Concatenate[sqlite3.Connection, P], R]
    _Method = Callable[Concatenate["ReadingArchive", P], CoroutineType[Any, Any, R]]

_POLL_SECONDS = 0.05
"""Seconds between two looks at the feed: what another process commits sends no signal."""


def in_thread(query: _Read[P, R]) -> _Method[P, R]:
    """The method that runs a read in a worker thread."""

    @wraps(query)
    async def method(self: ReadingArchive, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.readers.run(lambda db: query(db, *args, **kwargs))

    return method


def at_once(query: _Read[P, R]) -> _Method[P, R]:
    """The method that runs a read that is mostly short, without a change of threads where it is."""

    @wraps(query)
    async def method(self: ReadingArchive, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.readers.at_once(lambda db: query(db, *args, **kwargs))

    return method


class ReadingArchive:
    """Read access to the archive.

    Every method is safe to call from many tasks at once. Reads answer from the file as it is at that moment,
    see what another process has just committed, and end within two seconds or raise `DeadlineExceeded`. An
    archive that does not exist yet reads as an empty one.

    Chats and contacts are named by jid in either form: the PN and the LID of one person are the same chat.
    Messages are named by ref (`1042`, `"#1042"`) or by WhatsApp's id.
    """

    def __init__(self, folder: AccountFolder) -> None:
        self.folder = folder
        self.readers = Readers(folder)

    def close(self) -> None:
        """Close the connections."""
        self.readers.close()

    # Messages and chats.
    chats = at_once(read.chats)
    chat = at_once(read.chat)
    chat_names = at_once(read.chat_names)
    communities = at_once(read.communities)
    digest = in_thread(read.digest)
    expires_in = at_once(read.expires_in)
    messages = at_once(read.messages)
    message = at_once(read.message)
    context = at_once(read.context)
    preceding = at_once(read.preceding)
    edits = in_thread(read.edits)
    media_source = in_thread(read.media_source)
    search = at_once(read.search)
    search_hints = in_thread(read.search_hints)

    # The files of messages.
    reading = in_thread(read.reading)
    files_to_fetch = in_thread(read.files_to_fetch)
    files_to_read = in_thread(read.files_to_read)
    file_counts = in_thread(read.file_counts)
    kept_bytes = in_thread(read.kept_bytes)
    kept_to_drop = in_thread(read.kept_to_drop)

    # People.
    contacts = at_once(read.contacts)
    contact = at_once(read.contact)
    confirmed = in_thread(read.confirmed)
    members = in_thread(read.members)
    without_vote = in_thread(read.without_vote)
    common_groups = in_thread(read.common_groups)
    chats_named_alike = at_once(read.chats_named_alike)
    likelier_chats = at_once(read.likelier_chats)
    unnamed_chats = at_once(read.unnamed_chats)
    chat_facts = at_once(read.chat_facts)
    distrust = at_once(read.distrust)
    is_new_chat = at_once(read.is_new_chat)
    reassigned_since = at_once(read.reassigned_since)
    chat_shown_as = at_once(read.chat_shown_as)
    resolve_chat = at_once(read.resolve_chat)

    # What is known of sends, of the account and of the archive itself.
    send_report = in_thread(read.send_report)
    repeated_sources = at_once(read.repeated_sources)
    scheduled_sends = at_once(read.scheduled_sends)
    next_due = at_once(read.next_due)
    outbox_get = in_thread(read.outbox_get)
    outbox_album = in_thread(read.outbox_album)
    outbox_with_id = at_once(read.outbox_with_id)
    sent_before = at_once(read.sent_before)
    open_sends = in_thread(read.open_sends)
    own = in_thread(read.own)
    meta_get = in_thread(read.meta_get)
    last_written = in_thread(read.last_written)
    position = in_thread(write.position)
    arrived = in_thread(read.arrived)
    cut_short = in_thread(read.cut_short)
    addons_dropped = in_thread(read.addons_dropped)
    coverage = in_thread(read.coverage)
    gaps = at_once(read.gaps)
    silent_groups = at_once(read.silent_groups)
    history_progress = in_thread(history_progress)
    imports = in_thread(exchange.imports)
    address_of_import = in_thread(exchange.address_of_import)
    match_exports = in_thread(exchange.match_exports)

    # The change feed.
    last_change = at_once(state.last_change)
    resume = at_once(state.resume)
    last_send = in_thread(state.last_send)
    changes = at_once(state.changes)

    async def statistics(self) -> Statistics:
        """Count what is archived; for a big archive on a slow disk it takes longer than other reads."""
        return await self.readers.whole(read.statistics)

    async def thumbnail(self, key: MessageKey) -> bytes | None:
        """The small picture that came with a message: a JPEG that its sender made; None: it has none.

        Raises:
            MessageNotFound: No such message.
        """
        raw = await self._raw(key)
        return None if raw is None else thumbnail_of(*raw)

    async def original(self, key: MessageKey) -> Proto | None:
        """The `E2E.Message` that a message was, as it came or was sent first; None: it is not kept.

        Raises:
            MessageNotFound: No such message.
        """
        raw = await self._raw(key)
        return None if raw is None else original_of(*raw)

    async def _raw(self, key: MessageKey) -> tuple[int, bytes] | None:
        message = await self.readers.run(read.find, key)
        return await anyio.to_thread.run_sync(raw_form, self.folder, message)

    async def repeats_another_chat(self, text: str, chat: str, before: str = "") -> int | None:
        """The ref of the newest message in another chat that shares twelve words in a row with a text.

        It may share them together with `before`, what was sent there just before. What this companion sent
        elsewhere does not count. A text of a hundred words takes some hundredths of
        a second, the longest that WhatsApp takes some seconds.
        """
        return await self.readers.whole(read.repeats_another_chat, text, chat, before)

    async def files_elsewhere(
        self, path: str, digest: bytes, sizes: Collection[int], chat: str
    ) -> tuple[read.FileElsewhere, ...]:
        """Return the newest messages of other chats that carry a file, as `read.files_elsewhere` does."""
        return await self.readers.whole(read.files_elsewhere, path, digest, sizes, chat)

    async def forwards_since(self, since: datetime) -> int:
        """Count the forwards accepted since a time, as `read.forwards_since` does."""
        return await self.readers.whole(read.forwards_since, since)

    async def wait_change(self, after: int, timeout: float) -> int:
        """Wait until the feed goes beyond `after` or `timeout` seconds are over; answers `last_change`."""
        last = await self.last_change()
        with anyio.move_on_after(timeout):
            while last <= after:
                await anyio.sleep(_POLL_SECONDS)
                last = await self.last_change()
        return last
