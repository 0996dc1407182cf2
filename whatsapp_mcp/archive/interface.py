"""The archive as the other rooms see it: what can be asked of it, what can be put into it.

`ReadingArchive` is what every server holds; `Archive` adds what only the account's host may do. Every method
is safe to call from many tasks at once. Reads answer from the file as it is at that moment, see what another
process has just committed, and end within two seconds or raise `DeadlineExceeded`. An archive that does not
exist yet reads as an empty one.

Chats and contacts are named by jid in either form: the phone-number form and the hidden form of one person
are the same chat. Messages are named by ref (`1042`, `"#1042"`) or by WhatsApp's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, Literal, Protocol

from whatsapp_mcp.models import (
    Chat,
    ChatKind,
    Contact,
    Message,
    MessageKind,
    Page,
    SendReport,
    SendRequest,
    SendResult,
    SendStatus,
)

CALL_KEY: Final = "call:"
"""Begins an idempotency key that names one call, not one message: twins are refused as without a key."""

MessageKey = int | str
"""A ref (`1042`, `"#1042"`, `"1042"`) or WhatsApp's id of a message."""


class JournalEvent(Protocol):
    """One row of the journal: an event of the client library as it came.

    `received_at` is milliseconds since 1970, `code` one of `client.protocol.EventCode`, `payload` its
    protobuf.
    """

    @property
    def seq(self) -> int:
        """Its number; only grows."""
        ...

    @property
    def generation(self) -> int:
        """Number of the client process it came through."""
        ...

    @property
    def received_at(self) -> int:
        """Milliseconds since 1970."""
        ...

    @property
    def code(self) -> int:
        """Number of the event."""
        ...

    @property
    def payload(self) -> bytes:
        """Its protobuf."""
        ...


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of a batch of journal events.

    Attributes:
        position: Journal sequence number up to which everything is archived.
        messages: Messages that were new.
        duplicates: Messages that were there already.
        undecoded: Events put aside because this version cannot decode them.
        last_change: Newest number of the change feed.
    """

    position: int
    messages: int = 0
    duplicates: int = 0
    undecoded: int = 0
    last_change: int = 0


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import brought: messages that are new, those that were there, those that could not be read."""

    messages: int
    duplicates: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages; everything that is given must hold.

    Attributes:
        chat: Jid of the chat.
        sender: Jid of the sender.
        kinds: Any of these kinds.
        media: Whether a file is attached.
        links: Whether the text holds a link.
        since: At or after this time.
        until: Before this time.
        from_me: Sent by the account itself.
        mentions_me: The account's owner is mentioned.
        unread: Incoming and not yet read on any device.
        starred: Starred on the phone.
    """

    chat: str | None = None
    sender: str | None = None
    kinds: tuple[MessageKind, ...] = ()
    media: bool | None = None
    links: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    from_me: bool | None = None
    mentions_me: bool | None = None
    unread: bool | None = None
    starred: bool | None = None


@dataclass(frozen=True, slots=True)
class ChatCandidate:
    """A chat that a text may mean, and why: `jid`, `number`, `name`, `prefix`, `contains` or `similar`.

    The chat of a known contact with whom nothing was said yet is a candidate too.
    """

    chat: Chat
    matched: Literal["jid", "number", "name", "prefix", "contains", "similar"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change feed.

    Attributes:
        kind: `message`, `edit`, `revoke`, `reaction`, `vote`, `receipt`, `send`, `chat` or `contact`.
        actor: Jid of who did it, where one is known.
        detail: The emoji of a reaction, the state of a send; else None.
    """

    seq: int
    at: datetime
    kind: str
    chat: str | None = None
    ref: int | None = None
    message_id: str | None = None
    actor: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time in which messages may be missing; `until` is None while it lasts."""

    since: datetime
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """From when to when a chat is archived.

    Attributes:
        complete: The phone said that it has nothing older.
    """

    chat: str
    messages: int
    first: datetime | None
    last: datetime | None
    complete: bool
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """How far the first history sync is: `percent` as the phone reports it, None before its first word."""

    percent: int | None
    messages: int
    done: bool
    last_chunk_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sizes of the archive; bytes are those of the file."""

    messages: int
    chats: int
    contacts: int
    media: int
    unread_chats: int
    undecoded: int
    first: datetime | None
    last: datetime | None
    bytes: int


@dataclass(frozen=True, slots=True)
class MediaSource:
    """What a download of a message's file needs, as WhatsApp sent it.

    Attributes:
        media_type: `image`, `video`, `audio`, `document` or `sticker`: it is part of the key derivation.
        path: Where the file was already downloaded to.
    """

    ref: int
    media_type: str
    mime_type: str | None
    file_name: str | None
    size: int | None
    direct_path: str | None
    url: str | None
    media_key: bytes | None
    sha256: bytes | None
    enc_sha256: bytes | None
    path: str | None


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One participant of a group."""

    contact: Contact
    admin: bool = False
    superadmin: bool = False


@dataclass(frozen=True, slots=True)
class ContactUpdate:
    """Names of one person as the device's contact store knows them; None leaves what is known."""

    jid: str
    saved_name: str | None = None
    push_name: str | None = None
    business_name: str | None = None


@dataclass(frozen=True, slots=True)
class GroupUpdate:
    """A group as WhatsApp describes it; `participants` are (jid, other form or None, admin, superadmin)."""

    jid: str
    name: str
    topic: str = ""
    participants: tuple[tuple[str, str | None, bool, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One accepted send."""

    send_id: int
    request: SendRequest
    status: SendStatus
    created_at: datetime
    expires_at: datetime | None
    message_id: str | None = None
    timestamp: datetime | None = None
    reason: str | None = None
    ref: int | None = None

    @property
    def result(self) -> SendResult:
        """The entry as the sender is told."""
        return SendResult(
            self.send_id,
            self.request.chat,
            self.status,
            self.message_id,
            self.ref,
            self.timestamp,
            self.reason,
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
            query: Words that the name or number holds, accents and case aside.
            unread: Only chats with (or without) unread messages.
            unanswered: Only chats whose last message is not ours (or is).

        Raises:
            InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
        """
        ...

    async def chat(self, jid: str) -> Chat | None:
        """One chat by jid."""
        ...

    async def messages(
        self,
        where: MessageFilter = MessageFilter(),
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
        where: MessageFilter = MessageFilter(),
        *,
        order: Literal["newest", "relevance"] = "newest",
        mode: Literal["words", "substring"] = "words",
        zone: tzinfo = UTC,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Messages that match, each with a `snippet`; the hit stands between `**`.

        The query knows words, `"phrases"`, `prefix*`, `-exclusion`, `from:`, `in:`, `has:`, `is:`, `before:`
        and `after:`. What cannot be read as syntax is searched as text; no query is an error.

        Args:
            order: By time, or by relevance among the newest matches (no cursor then).
            zone: In which zone the days of `before:` and `after:` begin.
            mode: `substring` also finds the inside of words, slower.

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

    async def resolve_chat(self, text: str, *, limit: int = 8) -> tuple[ChatCandidate, ...]:
        """What a text (jid, number or name) may mean, best first.

        A jid or number that was never seen gives one candidate without messages. When the first candidate
        matched by `jid`, `number` or as the only one by `name`, it is the answer.
        """
        ...

    async def last_change(self) -> int:
        """Newest number of the change feed; 0 when nothing ever changed."""
        ...

    async def changes(self, after: int, *, limit: int = 100) -> tuple[Change, ...]:
        """The change feed after a number, oldest first. Old entries are dropped after some weeks."""
        ...

    async def wait_change(self, after: int, timeout: float) -> int:
        """Wait until the feed goes beyond `after` or `timeout` seconds are over; answers `last_change`."""
        ...

    async def statistics(self) -> Statistics:
        """How much is archived."""
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

    async def send_report(self, key: MessageKey, *, send_id: bool = False) -> SendReport:
        """What is known of a sent message, person by person.

        Args:
            key: Ref or WhatsApp's id; the outbox number when `send_id` is true.

        Raises:
            MessageNotFound: No such send.
        """
        ...


class Archive(ReadingArchive, Protocol):
    """What only the account's host may do. Every method is one committed, durable transaction."""

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

    async def record_chat_settings(
        self, chat: str, *, archived: bool, pinned: bool, muted_until: datetime | None
    ) -> None:
        """Take over a chat's settings from the device."""
        ...

    async def record_read(self, chat: str, up_to: MessageKey) -> None:
        """Remember that the chat was read up to a message."""
        ...

    async def record_gap(self, since: datetime, until: datetime | None, reason: str) -> None:
        """Remember a stretch in which messages may be missing from every chat."""
        ...

    async def record_own(
        self, request: SendRequest, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> Message:
        """Store a message that the account sent outside the outbox.

        Args:
            message: The `E2E.Message` that was sent, where the client library tells it.
        """
        ...

    async def record_media_path(self, key: MessageKey, path: str) -> None:
        """Remember where a file was downloaded to."""
        ...

    async def outbox_add(
        self, request: SendRequest, *, expires_at: datetime | None = None
    ) -> tuple[OutboxEntry, bool]:
        """Accept a send as `queued`; with an idempotency key that was used before, answer the entry of then.

        Returns:
            The entry, and whether it is new.

        Raises:
            InvalidArgument: The key was used for another content or chat.
            SendUnknown: No key, and the same content to the same chat is unsettled.
        """
        ...

    async def outbox_get(self, send_id: int) -> OutboxEntry:
        """One entry, its status with what receipts say.

        Raises:
            MessageNotFound: No such send.
        """
        ...

    async def outbox_unsettled(self) -> tuple[OutboxEntry, ...]:
        """Entries that are `queued`, `sending` or `unknown`, in the order of acceptance."""
        ...

    async def outbox_sending(self, send_id: int) -> OutboxEntry:
        """`queued` becomes `sending`: about to be handed over.

        Raises:
            InvalidArgument: It is in another state.
        """
        ...

    async def outbox_sent(
        self, send_id: int, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> OutboxEntry:
        """WhatsApp took it: `sent`, and the own message is stored in the same transaction.

        Args:
            message: The `E2E.Message` that was sent, where the client library tells it.
        """
        ...

    async def outbox_queued(self, send_id: int) -> OutboxEntry:
        """`sending` goes back to `queued`: it is certain that it was not handed over."""
        ...

    async def outbox_failed(self, send_id: int, reason: str) -> OutboxEntry:
        """Refused or expired."""
        ...

    async def outbox_unknown(self, send_id: int, reason: str) -> OutboxEntry:
        """Handed over, and no answer came."""
        ...

    async def redecode(self) -> int:
        """Decode again what was put aside or unknown; answers how many became known."""
        ...

    async def check(self) -> tuple[str, ...]:
        """Integrity of file and index; empty when all is well."""
        ...

    async def optimize(self) -> None:
        """Merge the index, give free pages back, shrink the write-ahead log (seconds for a million messages)."""
        ...

    async def rebuild(self) -> None:
        """Build the search index anew from the messages."""
        ...

    async def purge(self, *, chat: str | None = None, before: datetime | None = None) -> int:
        """Delete messages for good (a chat's, those before a time, both together, or all); answers how many.

        Nothing of them stays in the index, in downloaded media or in free pages of the files.
        """
        ...

    async def import_chat_export(
        self, path: Path, chat: str, *, me: str | None = None, zone: tzinfo = UTC
    ) -> ImportResult:
        """Take over a chat that WhatsApp exported (`_chat.txt`, plain or in its zip with the files).

        Args:
            chat: Jid of the chat it is.
            me: Our own name in the export, where it is not the name on WhatsApp.
            zone: The zone of its times.

        Raises:
            InvalidArgument: It is not such an export.
        """
        ...

    async def import_bridge(self, path: Path) -> ImportResult:
        """Take over the `messages.db` of the bridge of lharries/whatsapp-mcp.

        Raises:
            InvalidArgument: It is not such a file.
        """
        ...
