"""The archive as the other rooms see it: what can be asked of it, what can be put into it.

`ReadingArchive` is what every server holds; `Archive` adds what only the account's host may do, the outbox
(`sends.py`) among it. Every method is safe to call from many tasks at once. Reads answer from the file as it
is at that moment, see what another process has just committed, and end within two seconds or raise
`DeadlineExceeded`. An archive that does not exist yet reads as an empty one.

Chats and contacts are named by jid in either form: the phone-number form and the hidden form of one person
are the same chat. Messages are named by ref (`1042`, `"#1042"`) or by WhatsApp's id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, Protocol

from whatsapp_mcp.archive.records import (
    EVERYTHING,
    Change,
    ChatCandidate,
    ContactUpdate,
    Coverage,
    GroupMember,
    GroupUpdate,
    HistoryProgress,
    ImportedChat,
    ImportResult,
    IngestResult,
    JournalEvent,
    MediaSource,
    MessageFilter,
    MessageKey,
    Statistics,
)
from whatsapp_mcp.archive.sends import Outbox
from whatsapp_mcp.archive.write_operations import WriteOperation
from whatsapp_mcp.models import (
    Actor,
    BridgePage,
    Chat,
    ChatKind,
    Contact,
    ExportedMessage,
    Message,
    Page,
    SendReport,
)


class ReadingArchive(Protocol):
    """What can be asked."""

    async def position(self) -> int:
        """Journal sequence number up to which everything is archived; 0 for a new archive."""
        ...

    async def meta_get(self, key: str) -> str | None:
        """A small value kept for the account (`meta_set`)."""
        ...

    async def own(self) -> tuple[str | None, str | None, str | None]:
        """The account's own PN jid, LID jid and name, as far as they are known."""
        ...

    async def chats(
        self,
        *,
        query: str | None = None,
        kind: ChatKind | None = None,
        unread: bool | None = None,
        unanswered: bool | None = None,
        archived: bool | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Chat]:
        """Chats, the one with the newest message first.

        Args:
            query: Beginnings of words of the name or number, accents and case aside; where no chat has them,
                parts of words.
            unread: Only chats with (or without) unread messages.
            unanswered: Only direct chats and groups in which somebody else had the last word (or all where we
                had it).

        Raises:
            InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
        """
        ...

    async def chat(self, jid: str) -> Chat | None:
        """One chat by jid."""
        ...

    async def expires_in(self, chat: str) -> int:
        """Seconds after which new messages of a chat disappear; 0: never, or it was never told."""
        ...

    async def messages(
        self,
        where: MessageFilter = EVERYTHING,
        *,
        oldest_first: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Messages, newest first; the notes tell of gaps that the page touches.

        Raises:
            InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
        """
        ...

    async def search(
        self,
        query: str,
        where: MessageFilter = EVERYTHING,
        *,
        order: Literal["newest", "relevance"] = "newest",
        mode: Literal["words", "any", "substring"] = "words",
        zone: tzinfo = UTC,
        now: datetime | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Messages that match, each with a `snippet`; the hit stands between `**`.

        The query knows words, `"phrases"`, `prefix*`, `-exclusion`, `from:`, `in:`, `has:`, `is:`, `before:`,
        `until:` and `after:`. What cannot be read as syntax is searched as text; no query is an error.

        Args:
            order: By time, or by relevance among the newest matches (no cursor then).
            zone: In which zone the times of `before:`, `until:` and `after:` are meant.
            now: The moment from which ages and weekdays in the query count; else the clock's.
            mode: `any` takes one of the words, or what begins so, for all; `substring` also finds the inside
                of words, slower.

        Raises:
            InvalidArgument: The cursor is not one of this search, or the limit is not 1–500.
        """
        ...

    async def context(self, key: MessageKey, *, before: int = 5, after: int = 5) -> Page[Message]:
        """A message and its neighbours in the chat, oldest first.

        Raises:
            MessageNotFound: No such message.
        """
        ...

    async def preceding(self, keys: Sequence[MessageKey], count: int) -> dict[int, tuple[Message, ...]]:
        """By ref, up to `count` messages before each in its chat, oldest first; each message once.

        Those before the last messages are left out where they would be too much for a page.

        Raises:
            MessageNotFound: One of the messages is not there.
        """
        ...

    async def message(self, key: MessageKey, *, chat: str | None = None) -> Message:
        """One message; `chat` narrows a WhatsApp id.

        Raises:
            MessageNotFound: No such message.
        """
        ...

    async def edits(self, key: MessageKey) -> tuple[tuple[datetime, str], ...]:
        """The earlier texts of an edited message, oldest first, each with the time it was written."""
        ...

    async def media_source(self, key: MessageKey) -> MediaSource:
        """What a download needs.

        Raises:
            MessageNotFound: No such message.
            MediaUnavailable: It carries no file, or its keys were never received.
        """
        ...

    async def contacts(
        self, query: str | None = None, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Contact]:
        """People by name or number: exact, beginning, anywhere, with a typo; without a query all by name."""
        ...

    async def contact(self, jid: str) -> Contact | None:
        """One person by either form of their jid."""
        ...

    async def members(self, group: str) -> tuple[GroupMember, ...]:
        """The participants of a group as far as they are known."""
        ...

    async def without_vote(self, poll: MessageKey) -> tuple[Actor, ...]:
        """Members of the poll's group, as far as they are known, who have not voted or took their vote back.

        Raises:
            MessageNotFound: No such message.
        """
        ...

    async def common_groups(self, jid: str) -> tuple[Chat, ...]:
        """The groups that the account's owner and this person are both in, the most recently used first."""
        ...

    async def chats_named_alike(self, jid: str, *, limit: int = 3) -> tuple[Chat, ...]:
        """Other people and groups whose shown name is that of a chat, or differs by a letter or two.

        Names that differ in the first letter are not looked at.
        """
        ...

    async def unnamed_chats(self) -> tuple[str, ...]:
        """Jids of groups and people without a known name, of the 200 newest chats, newest first."""
        ...

    async def chat_shown_as(self, name: str) -> Chat | None:
        """The only chat that lists show under this name, whatever its case and accents, if there is one.

        A number is no name. Unlike `resolve_chat` it does not ask what else may be meant.
        """
        ...

    async def resolve_chat(self, text: str, *, limit: int = 8) -> tuple[ChatCandidate, ...]:
        """What a text (jid, number or name) may mean, best first.

        A jid or number that was never seen gives one candidate without messages. When the first candidate
        matched by `jid`, `number` or as the only one by `name`, it is the answer. `me` is the owner.
        """
        ...

    async def last_change(self) -> int:
        """Newest number of the change feed; 0 when nothing ever changed."""
        ...

    async def last_send(self, since: datetime, *, chat: str | None = None) -> int | None:
        """The change that accepted the newest send since a time, to this chat if one is given; else None."""
        ...

    async def changes(self, after: int, *, limit: int = 100) -> tuple[Change, ...]:
        """The change feed after a number, oldest first. Old entries are dropped after some weeks."""
        ...

    async def wait_change(self, after: int, timeout: float) -> int:
        """Wait until the feed goes beyond `after` or `timeout` seconds are over; answers `last_change`."""
        ...

    async def statistics(self) -> Statistics:
        """How much is archived; of a big archive on a slow disk it takes longer than other reads."""
        ...

    async def arrived(self) -> tuple[datetime | None, int]:
        """When the newest message was sent, and how many events this version cannot decode."""
        ...

    async def coverage(self, chat: str) -> Coverage:
        """From when to when a chat is archived, and where messages may be missing.

        Raises:
            ChatNotFound: No such chat.
        """
        ...

    async def history_progress(self) -> HistoryProgress:
        """How far the phone's transfer of the past has come."""
        ...

    async def send_report(
        self, key: MessageKey, *, send_id: bool = False, cursor: str | None = None, limit: int = 100
    ) -> SendReport:
        """What is known of a sent message, person by person.

        Args:
            key: Ref or WhatsApp's id; the outbox number when `send_id` is true.
            send_id: See `key`.
            cursor: `next_cursor` of the page before.
            limit: People on a page, 1 to 500.

        Raises:
            MessageNotFound: No such send.
            InvalidArgument: The cursor is not one of this message.
        """
        ...


class Archive(ReadingArchive, Outbox, Protocol):
    """What only the account's leader may do. Every method is one committed, durable transaction.

    What changes an answer is an operation (`write_operations.py`), with the time of the archive's clock.
    """

    async def apply(self, operation: WriteOperation) -> Any:
        """Apply an operation that was made elsewhere; answers, or raises, what it did there.

        It and those before it must come in the order in which they were applied there.
        """
        ...

    async def ingest(self, events: Sequence[JournalEvent]) -> IngestResult:
        """Archive a batch of journal events and their position; events up to `position()` are skipped.

        An event that cannot be decoded is kept aside and counted; it never stops the others.
        """
        ...

    async def meta_set(self, key: str, value: str | None) -> None:
        """Keep a small value for the account; None forgets it."""
        ...

    async def set_own(self, jid: str | None, lid: str | None, name: str | None) -> None:
        """Say who the account's owner is."""
        ...

    async def record_contacts(self, contacts: Sequence[ContactUpdate]) -> None:
        """Take over names from the device's contact store."""
        ...

    async def record_identities(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Learn that a PN jid and a LID jid are one person; what was two chats becomes one."""
        ...

    async def record_groups(self, groups: Sequence[GroupUpdate]) -> None:
        """Take over names and participants of groups."""
        ...

    async def record_departure(self, group: str) -> None:
        """Learn that the account's owner has left a group."""
        ...

    async def record_channels(self, names: Mapping[str, str]) -> None:
        """Take over names of channels, by jid."""
        ...

    async def record_chat_settings(
        self, chat: str, *, archived: bool, pinned: bool, muted_until: datetime | None
    ) -> None:
        """Take over a chat's settings from the device."""
        ...

    async def record_timer(self, chat: str, seconds: int) -> None:
        """Take over after how many seconds new messages of a chat disappear; 0: never."""
        ...

    async def record_read(self, chat: str, up_to: MessageKey) -> None:
        """Remember that the chat was read up to a message."""
        ...

    async def record_gap(self, since: datetime, until: datetime | None, reason: str) -> None:
        """Remember a stretch in which messages may be missing from every chat."""
        ...

    async def record_media_path(self, key: MessageKey, path: str) -> None:
        """Remember where a file was downloaded to."""
        ...

    async def redecode(self) -> int:
        """Decode again what was put aside or unknown; answers how many became known."""
        ...

    async def check(self) -> tuple[str, ...]:
        """Integrity of file and index; empty when all is well."""
        ...

    async def optimize(self) -> None:
        """Merge the index, give free pages back, shrink the write-ahead log (seconds for a million)."""
        ...

    async def merge_index(self) -> bool:
        """One short step of merging the search index into one piece; False when it is done.

        Writing and reading go on between two steps.
        """
        ...

    async def rebuild(self) -> None:
        """Build the search index anew from the messages."""
        ...

    async def purge(
        self, *, chat: str | None = None, before: datetime | None = None, keep_quarantined: bool = False
    ) -> int:
        """Delete messages for good (a chat's, those before a time, both together, or all); answers how many.

        Nothing of them stays in any file of the account's folder: not in the index, in free pages or in the
        journal, nor in downloaded media, copies of sent files, exports or quarantined databases.

        Args:
            chat: Jid of the chat.
            before: Only what is older.
            keep_quarantined: Whether a damaged database that was last written after `before` stays: it holds
                older messages too, and younger ones that may be nowhere else.

        Raises:
            Busy: They are deleted, but a process that stands still in a read keeps old pages in a log.
        """
        ...

    async def clear_sent_files(self, now: datetime) -> int:
        """Delete copies of files that no send needs, an hour after they were made; answers how many."""
        ...

    async def import_chat_export(
        self,
        messages: Sequence[ExportedMessage],
        chat: str,
        *,
        title: str = "",
        me: str | None = None,
        zone: tzinfo = UTC,
    ) -> ImportedChat:
        """Take over a chat that WhatsApp exported.

        Args:
            messages: What it says.
            chat: Jid of the chat it is.
            title: What its file is called, which may tell who the other one is.
            me: Our own name in the export, where it is not the name on WhatsApp.
            zone: The zone of its times.

        Raises:
            InvalidArgument: It cannot be told who of two is the owner.
        """
        ...

    async def store_imported_file(self, chat: str, message_id: str, name: str, content: bytes) -> None:
        """Keep the file of an imported message.

        Args:
            chat: Jid of the chat.
            message_id: Id of the message, one of `ImportedChat.files`.
            name: What the file is called there.
            content: The file.
        """
        ...

    async def import_bridge(
        self, page: BridgePage, *, chats: Collection[str] = (), zone: tzinfo = UTC
    ) -> ImportResult:
        """Take over rows of the `messages.db` of the bridge of lharries/whatsapp-mcp.

        Args:
            page: The rows.
            chats: Jids of all its chats, which tell numbers from LIDs.
            zone: The zone of times that tell none.
        """
        ...
