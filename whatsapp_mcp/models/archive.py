"""Inputs and outputs of the archive, beside the models that all packages share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from whatsapp_mcp.models.file_readings import FileProblem
from whatsapp_mcp.models.imports import ImportReport, ImportSource
from whatsapp_mcp.models.messages import Chat, Contact, Left, MessageKind, SendStatus
from whatsapp_mcp.models.send_requests import Authorship, SendRequest, SendResult

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
        """Sequence number of the event; only grows."""
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
        """The event's protobuf."""
        ...


@dataclass(frozen=True, slots=True)
class IngestResult:
    """Result of archiving a batch of journal events.

    Attributes:
        position: Journal sequence number up to which everything is archived.
        messages: Messages that were new.
        duplicates: Messages that were there already.
        undecoded: Events that this version cannot decode, kept for a later one.
        last_change: Newest number of the change feed.
    """

    position: int
    messages: int = 0
    duplicates: int = 0
    undecoded: int = 0
    last_change: int = 0


@dataclass(frozen=True, slots=True)
class ImportedChat:
    """Result of importing an exported chat.

    Attributes:
        report: What it brought.
        files: Ids of its messages to the names of their files, which are still to be stored.
    """

    report: ImportReport
    files: Mapping[str, str]


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
        unreceipted: As `unread`, also where a send from here made it count as read: no read receipt went out.
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
    unreceipted: bool | None = None
    starred: bool | None = None


EVERYTHING: Final = MessageFilter()
"""The filter that lets every message pass."""


@dataclass(frozen=True, slots=True)
class ChatCandidate:
    """A chat that a text may mean, and why.

    `jid` and `number` are certain; `name` is the whole of the name that the owner gave, or that a group or
    channel has; `own_name` the whole of one that people gave themselves, so anybody may take it; `words` are
    whole words of any, `prefix` is its beginning, `contains` any part of it, `similar` has typing slips.
    The chat of a known contact with whom nothing was said yet is a candidate too.
    """

    chat: Chat
    matched: Literal["jid", "number", "name", "own_name", "words", "prefix", "contains", "similar"]


_CERTAINTY: Final = {
    "jid": 0,
    "number": 0,
    "name": 1,
    "own_name": 2,
    "words": 2,
    "prefix": 3,
    "contains": 4,
    "similar": 4,
}


def meant(candidates: Iterable[ChatCandidate]) -> tuple[ChatCandidate, ...]:
    """Return the candidates that match a text best; more than one if it is ambiguous.

    A name that people gave themselves is worth no more than a word of one that the owner gave, letters from
    within a name no more than a similar name.
    """
    all_candidates = tuple(candidates)
    best = min((_CERTAINTY[one.matched] for one in all_candidates), default=None)
    return tuple(one for one in all_candidates if _CERTAINTY[one.matched] == best)


@dataclass(frozen=True, slots=True)
class SearchHints:
    """Hints for a search that found nothing.

    Attributes:
        without_words: How many messages the operators find alone, where `has:` or `from:` is among them.
        nobody: Names behind `from:` that nobody has, each with the people whose names are closest.
    """

    without_words: Left | None = None
    nobody: tuple[tuple[str, tuple[Contact, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change feed.

    Attributes:
        kind: `message`, `edit`, `revoke`, `reaction`, `vote`, `receipt`, `send`; `history`, a chunk of the
            phone's past, of which nothing more is known; `purge`: messages were deleted from the archive, of
            all chats where none is named; `contact`: what is known of `actor` changed, of many people
            where nobody is named; or `file`: the file of a message was fetched or read.
        actor: Jid of who did it, where one is known.
        detail: The emoji of a reaction, the state of a send; of a purge the time before which
            messages were deleted, in seconds since 1970, None if it was all; else None.
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
class ImportedSpan:
    """The part of a chat that came from one import.

    Attributes:
        number, source: Of the import.
        file: The name of its file, without its folder; whoever made the file chose it.
        first, last: Time of its oldest and of its newest message in this chat.
        until: To when it is complete: a backup to the newest message of all its chats.
        messages: How many it brought.
    """

    number: int
    source: ImportSource
    file: str
    first: datetime
    last: datetime
    until: datetime
    messages: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """From when to when a chat is archived, and what came from where.

    Attributes:
        complete: The phone said that it has nothing older.
        imports: The imports that have messages of it, oldest messages first.
        came_first, came_last: Time of the oldest and of the newest message that came over the connection.
    """

    chat: str
    messages: int
    first: datetime | None
    last: datetime | None
    complete: bool
    gaps: tuple[Gap, ...] = ()
    imports: tuple[ImportedSpan, ...] = ()
    came_first: datetime | None = None
    came_last: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """Progress of the first history sync.

    Attributes:
        percent: As the phone reports it; None before its first word.
        messages: The highest ref given out: how many messages have been stored so far.
        done: Whether the phone has handed over everything it will hand over by itself.
        last_chunk_at: When it last handed over anything.
    """

    percent: int | None
    messages: int
    done: bool
    last_chunk_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """Result of a purge.

    Attributes:
        messages: How many it deleted.
        cancelled: The numbers of the sends that waited, and never go out.
    """

    messages: int = 0
    cancelled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sizes of the archive; bytes are those of the file."""

    messages: int
    chats: int
    contacts: int
    media: int
    unread_chats: int
    undecoded: int
    cut_short: int
    addons_dropped: int
    first: datetime | None
    last: datetime | None
    bytes: int


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Data needed to download a message's file, as WhatsApp sent it.

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
    given_name: str | None = None


@dataclass(frozen=True, slots=True)
class GroupUpdate:
    """A group as WhatsApp describes it.

    Attributes:
        participants: (jid, other form or None, admin, superadmin) of each.
        expires_in: Seconds after which new messages disappear, 0 for never; None leaves what is known.
        community: Of a community and of its announcement group: the jid of the community.
    """

    jid: str
    name: str
    participants: tuple[tuple[str, str | None, bool, bool], ...] = ()
    expires_in: int | None = None
    community: str | None = None


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One accepted send.

    Attributes:
        secret: The `messageSecret` of the message that was handed over, if it carries one.
        handed_to: The client that it was handed to; None before, and when nothing can be found out there.
        due_at: When a scheduled send is to go out: as asked for, or when a person has allowed a late one.
        authorship: For whom it was accepted; None of the files of sends that were not asked for by a caller.
    """

    send_id: int
    request: SendRequest
    status: SendStatus
    created_at: datetime
    expires_at: datetime | None
    message_id: str | None = None
    timestamp: datetime | None = None
    reason: str | None = None
    ref: int | None = None
    secret: bytes | None = None
    handed_to: str | None = None
    due_at: datetime | None = None
    authorship: Authorship | None = None

    @property
    def result(self) -> SendResult:
        """The entry as its sender sees it."""
        return SendResult(
            self.send_id,
            self.request.chat,
            self.status,
            self.message_id,
            self.ref,
            self.timestamp,
            self.reason,
            self.due_at,
        )


@dataclass(frozen=True, slots=True)
class FileTask:
    """A file that is to be fetched, or read.

    Attributes:
        ref: Of its message.
        chat: Jid of the chat.
        path: Where it lies; None while it is to be fetched.
        size: Bytes, as its sender says.
        at: Seconds since 1970 at which the message was sent.
        problem: What went wrong last time.
    """

    ref: int
    chat: str
    kind: MessageKind
    mime_type: str | None
    file_name: str | None
    size: int | None
    path: str | None
    at: int
    problem: FileProblem | None = None
