"""What travels between the rooms: plain, frozen dataclasses.

Jids are strings here (`Jid.parse` reads them), times are aware datetimes in UTC, sizes are bytes and
durations seconds. Every class can be built from and turned into JSON by a pydantic `TypeAdapter`, which is
what the pipes and the socket do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import Discriminator

T = TypeVar("T")


class ConnectionState(StrEnum):
    """The states of the link to WhatsApp; `device/state.py` holds the transitions."""

    UNLINKED = "unlinked"
    LINKING = "linking"
    CONNECTING = "connecting"
    ONLINE = "online"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    REPLACED = "replaced"
    BANNED = "banned"
    OUTDATED = "outdated"
    REFUSED = "refused"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The link, as a person or an agent is told.

    Attributes:
        reason: Why it is in this state, one sentence; None when nothing needs saying.
        action: What to do next; None when nothing is to be done.
        number: The account's own number, E.164; None until linked.
        name: The account's own name on WhatsApp.
        generation: Number of the current client process; only grows.
        last_event_at: When WhatsApp last delivered anything.
        last_sent_at: When a send was last accepted by WhatsApp.
        phone_seen_at: When the phone itself last wrote to us.
        until: When the state ends by itself (a ban's expiry).
        journal_waiting: Events received and not yet in the archive.
        events_lost: Upper bound of events that WhatsApp holds for delivered and that never reached us.
        undecoded: Events kept that this version cannot decode.
        history_progress: Percent of the first history sync; None when none is running or it is done.
        hosted_by: Process id of the server that holds the link; None when there is none.
    """

    state: ConnectionState
    since: datetime
    account: str
    reason: str | None = None
    action: str | None = None
    connected: bool = False
    logged_in: bool = False
    device_id: str | None = None
    number: str | None = None
    name: str | None = None
    generation: int = 0
    last_event_at: datetime | None = None
    last_sent_at: datetime | None = None
    phone_seen_at: datetime | None = None
    until: datetime | None = None
    journal_waiting: int = 0
    events_lost: int = 0
    undecoded: int = 0
    catching_up: bool = False
    history_progress: int | None = None
    hosted_by: int | None = None


@dataclass(frozen=True, slots=True)
class QrCode:
    """One QR text to scan with the phone."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkState:
    """How far linking has come; `revision` grows with every change, so a caller can wait for the next."""

    state: ConnectionState
    revision: int
    qr: QrCode | None = None
    code: str | None = None
    code_expires_at: datetime | None = None
    reason: str | None = None
    number: str | None = None


class ChatKind(StrEnum):
    """What a conversation is."""

    DIRECT = "direct"
    GROUP = "group"
    CHANNEL = "channel"
    STATUS = "status"
    BROADCAST = "broadcast"


class MessageKind(StrEnum):
    """What a message carries."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    GIF = "gif"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    LIVE_LOCATION = "live_location"
    CONTACT = "contact"
    POLL = "poll"
    EVENT = "event"
    CALL = "call"
    SYSTEM = "system"
    UNDECRYPTABLE = "undecryptable"
    UNKNOWN = "unknown"


class SendStatus(StrEnum):
    """What is known of a message we sent.

    `queued` accepted and kept; `sending` handed over; `sent` WhatsApp has it; `delivered`, `read` as receipts
    say; `failed` refused or expired, the reason is kept; `unknown` the client died or timed out between
    handing over and the answer: never resent by itself, a receipt settles it.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as lists show it."""

    jid: str
    name: str
    kind: ChatKind
    unread: int = 0
    last_message_at: datetime | None = None
    last_message: str | None = None
    archived: bool = False
    pinned: bool = False
    muted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, whatever their addresses. `number` is None while only the hidden form is known."""

    jid: str
    name: str
    number: str | None = None
    lid: str | None = None
    saved_name: str | None = None
    push_name: str | None = None
    business_name: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """The file of a message: what a list shows of it. Sizes are bytes, duration seconds."""

    mime_type: str | None = None
    file_name: str | None = None
    size: int | None = None
    duration: int | None = None
    width: int | None = None
    height: int | None = None
    path: str | None = None
    view_once: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply answers, as far as it is known."""

    message_id: str
    ref: int | None = None
    sender_name: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """One person's emoji under a message."""

    emoji: str
    sender_name: str
    from_me: bool = False


@dataclass(frozen=True, slots=True)
class PollOption:
    """One choice of a poll and who took it."""

    name: str
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the archive.

    Attributes:
        ref: Its archive number, shown as `#1042`.
        snippet: In a search result, the text around the hit, which stands between `**`.
        details: What only its kind has: `latitude`, `longitude`, `contacts`, `call`, `event`, `expires_in` …
    """

    ref: int
    message_id: str
    chat: str
    chat_name: str
    sender: str
    sender_name: str
    from_me: bool
    kind: MessageKind
    text: str
    timestamp: datetime
    status: SendStatus | None = None
    media: Media | None = None
    quote: Quote | None = None
    reactions: tuple[Reaction, ...] = ()
    poll: tuple[PollOption, ...] = ()
    edited_at: datetime | None = None
    revoked_at: datetime | None = None
    forwarded: bool = False
    mentions_me: bool = False
    starred: bool = False
    snippet: str | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next_cursor` is None on the last one. `notes` are gaps a reader must be told."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextContent:
    """A text message; `mentions` are jids whose `@number` stands in the text."""

    text: str
    mentions: tuple[str, ...] = ()
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file of this machine, sent as this kind; `path` must stay until it is sent.

    Attributes:
        kind: How it is shown.
        mime_type: What it is.
        duration: Seconds, of audio and video.
        waveform: 64 bytes of loudness (0-100) in base64, of a voice note.
        thumbnail: A small JPEG in base64.
    """

    kind: Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
    path: str
    mime_type: str
    caption: str = ""
    file_name: str | None = None
    duration: int | None = None
    width: int | None = None
    height: int | None = None
    waveform: str | None = None
    thumbnail: str | None = None
    view_once: bool = False
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocationContent:
    """A place."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""
    kind: Literal["location"] = "location"


@dataclass(frozen=True, slots=True)
class ContactCardContent:
    """Somebody's card; `number` is E.164."""

    name: str
    number: str
    kind: Literal["contact"] = "contact"


@dataclass(frozen=True, slots=True)
class PollContent:
    """A question with options; `multiple` lets people take more than one."""

    question: str
    options: tuple[str, ...]
    multiple: bool = False
    kind: Literal["poll"] = "poll"


@dataclass(frozen=True, slots=True)
class ForwardContent:
    """A message of this archive, by ref, to another chat."""

    ref: int
    kind: Literal["forward"] = "forward"


@dataclass(frozen=True, slots=True)
class ReactionContent:
    """An emoji under the message with this id; an empty one takes it back."""

    message_id: str
    emoji: str
    kind: Literal["reaction"] = "reaction"


@dataclass(frozen=True, slots=True)
class EditContent:
    """A new text for an own message."""

    message_id: str
    text: str
    kind: Literal["edit"] = "edit"


@dataclass(frozen=True, slots=True)
class RevokeContent:
    """Deletes a message for everyone."""

    message_id: str
    kind: Literal["revoke"] = "revoke"


@dataclass(frozen=True, slots=True)
class PinContent:
    """Pins a message for everyone in the chat for `seconds`; 0 unpins it."""

    message_id: str
    seconds: int
    kind: Literal["pin"] = "pin"


@dataclass(frozen=True, slots=True)
class VoteContent:
    """Own choice in a poll, by option names; none takes it back."""

    message_id: str
    options: tuple[str, ...]
    kind: Literal["vote"] = "vote"


Content = (
    TextContent
    | FileContent
    | LocationContent
    | ContactCardContent
    | PollContent
    | ForwardContent
    | ReactionContent
    | EditContent
    | RevokeContent
    | PinContent
    | VoteContent
)
"""What a send may carry, told apart by `kind`; the outbox stores it as JSON."""

ADDON_KINDS: Final = frozenset({"reaction", "edit", "revoke", "pin", "vote"})
"""Contents that change another message rather than being one."""


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One thing to send.

    Attributes:
        chat: Jid of the chat.
        reply_to: WhatsApp's id of the message that is answered.
        idempotency_key: The same key never sends twice.
        wait: Seconds to wait for the outcome before answering with what is known by then.
        queue: Whether it may wait in the outbox for the link to come back; else it fails at once.
    """

    chat: str
    content: Annotated[Content, Discriminator("kind")]
    reply_to: str | None = None
    idempotency_key: str | None = None
    wait: float = 20.0
    queue: bool = True


@dataclass(frozen=True, slots=True)
class SendResult:
    """What is known of a send. `message_id` and `timestamp` come from WhatsApp, `ref` from the archive."""

    send_id: int
    chat: str
    status: SendStatus
    message_id: str | None = None
    ref: int | None = None
    timestamp: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a sent message came with one person."""

    contact: str
    delivered_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SendReport:
    """A send and its receipts, person by person."""

    result: SendResult
    deliveries: tuple[Delivery, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """What WhatsApp shows of a person; `picture` is the address of the profile picture, None when hidden."""

    jid: str
    about: str | None = None
    picture: str | None = None
    business: str | None = None
