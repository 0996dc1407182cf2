"""Updates, the results of decoding an event: plain data without protobufs, which `ingest` stores.

Jids are strings without a device part, a sender of None is the account's owner. Seconds and milliseconds
since 1970 are distinguished by name: `at` is seconds, `at_ms` milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any

from whatsapp_mcp.models import ChatKind, MessageKind

CHAT_KINDS = (ChatKind.DIRECT, ChatKind.GROUP, ChatKind.CHANNEL, ChatKind.STATUS, ChatKind.BROADCAST)
"""The number of a kind in the database is its place here."""

MESSAGE_KINDS = (
    MessageKind.TEXT,
    MessageKind.IMAGE,
    MessageKind.VIDEO,
    MessageKind.GIF,
    MessageKind.AUDIO,
    MessageKind.VOICE,
    MessageKind.DOCUMENT,
    MessageKind.STICKER,
    MessageKind.LOCATION,
    MessageKind.LIVE_LOCATION,
    MessageKind.CONTACT,
    MessageKind.POLL,
    MessageKind.EVENT,
    MessageKind.CALL,
    MessageKind.SYSTEM,
    MessageKind.UNDECRYPTABLE,
    MessageKind.UNKNOWN,
)
"""The number of a kind in the database is its place here; only ever append."""

KIND_NUMBER = {kind: number for number, kind in enumerate(MESSAGE_KINDS)}
SYSTEM = KIND_NUMBER[MessageKind.SYSTEM]
UNDECRYPTABLE = KIND_NUMBER[MessageKind.UNDECRYPTABLE]
UNKNOWN = KIND_NUMBER[MessageKind.UNKNOWN]
POLL = KIND_NUMBER[MessageKind.POLL]
CALL = KIND_NUMBER[MessageKind.CALL]
EVENT = KIND_NUMBER[MessageKind.EVENT]
EVENT_ANSWERS = ("Going", "Not going", "Maybe")
"""Answers to an invitation, in the order of WhatsApp's numbers from 1; they are kept as votes are."""
NEVER_UNREAD = (MessageKind.SYSTEM, MessageKind.CALL)
"""Kinds that a phone does not count as unread."""
CHAT_KIND_NUMBER = {kind: number for number, kind in enumerate(CHAT_KINDS)}
_NEVER_UNREAD = ", ".join(str(KIND_NUMBER[kind]) for kind in NEVER_UNREAD)
PLACEHOLDERS = (UNDECRYPTABLE, UNKNOWN)
"""Kinds whose row a better version of the same message replaces; the later ones say more."""


OWNER = 0
"""Contact number of the account's owner."""
CHAT_ITSELF = -1
"""Sender number of what a group or channel says without naming anyone."""


class Flag(IntEnum):
    """Bits of `messages.flags`."""

    FORWARDED = 1
    MENTIONS_ME = 2
    STARRED = 4
    VIEW_ONCE = 8
    EPHEMERAL = 16
    BROADCAST = 32
    LINK = 64
    ONLY_EDITED = 128
    """Only an edit of it is here, not what it said first."""
    TWICE = 256
    """Two copies became this one, so more than one ref leads to it."""
    IMPORTED = 512
    """The message was read from a file: anybody may have made it up."""
    CUT_SHORT = 2048
    """Not all of it was kept: too much came of its sender that day, or its raw form was too large."""


CAME_SQL = f"""(NOT m.flags & {int(Flag.IMPORTED)} OR EXISTS
 (SELECT 1 FROM imported_copies AS i WHERE i.ref = m.ref AND i.import_id = 0))"""  # noqa: S608
"""That a message (`m`) came over the connection; a file may say more of it."""
UNREAD_SQL = f"""m.sender_id != 0 AND m.kind NOT IN ({_NEVER_UNREAD}) AND m.id > c.read_id
 AND c.kind != {CHAT_KIND_NUMBER[ChatKind.STATUS]} AND {CAME_SQL}"""
"""SQL condition for an unread message (`m`) of a chat (`c`); it excludes status posts and messages that only
files brought."""
UNRECEIPTED_SQL = UNREAD_SQL.replace(
    "c.read_id",
    """coalesce((SELECT up_to FROM read_marks WHERE chat_id = c.id AND address_id = 0 AND kind = 2),
 c.read_id)""",
)
"""SQL condition for a message for which no device of the owner has sent a read receipt; otherwise as
`UNREAD_SQL`."""


class NameKind(IntEnum):
    """Kinds of `names`."""

    SAVED = 0
    """In the owner's address book: the only one that makes a person known."""
    BUSINESS = 1
    PUSH = 2
    GIVEN = 3
    """By a tool, or by the phone's past, which does not say where it has a name from."""


MEMBERS = "members"
"""Field of `chat_settings` with the time of a group's last whole list of members."""


COMMUNITY = "community"
"""Field of `chat_settings` of a community and of its announcement group: the jid of the community."""


class ReceiptKind(IntEnum):
    """Kinds of `read_marks`; each but the first includes the ones before."""

    SEEN = 0
    """By the owner, of what others sent."""
    DELIVERED = 1
    READ = 2
    PLAYED = 3


@dataclass(slots=True)
class MediaInfo:
    """A file, with what its download needs; in the order of the columns of `media`."""

    media_type: str
    mime_type: str | None = None
    file_name: str | None = None
    size: int | None = None
    duration: int | None = None
    width: int | None = None
    height: int | None = None
    direct_path: str | None = None
    url: str | None = None
    media_key: bytes | None = None
    sha256: bytes | None = None
    enc_sha256: bytes | None = None

    def columns(self) -> tuple[Any, ...]:
        """The fields; `dataclasses.astuple` copies each, which costs a tenth of a millisecond."""
        return _MEDIA_FIELDS(self)


_MEDIA_FIELDS = attrgetter(*(one.name for one in fields(MediaInfo)))


@dataclass(slots=True)
class Content:
    """The content of a message, wherever it came from."""

    kind: MessageKind
    text: str = ""
    media: MediaInfo | None = None
    flags: int = 0
    reply_to: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class MessageUpdate:
    """One message."""

    chat: str
    sender: str | None
    wa_id: str
    at: int
    content: Content
    live: bool
    raw_code: int = 0
    raw: bytes = b""


@dataclass(slots=True)
class EditUpdate:
    """A new text for an earlier message of the same sender."""

    chat: str
    sender: str | None
    wa_id: str
    at_ms: int
    content: Content


@dataclass(slots=True)
class RevokeUpdate:
    """A message deleted for everyone; `sender` is the one of the deleted message."""

    chat: str
    sender: str | None
    wa_id: str
    at: int


@dataclass(slots=True)
class ReactionUpdate:
    """One person's emoji under a message; an empty one takes it back."""

    chat: str
    sender: str | None
    wa_id: str
    emoji: str
    at_ms: int
    live: bool = True


@dataclass(slots=True)
class KeepUpdate:
    """One person keeps a message in a chat where messages disappear, or (`kept` False) does so no more."""

    chat: str
    sender: str | None
    wa_id: str
    at_ms: int
    kept: bool


@dataclass(slots=True)
class VoteUpdate:
    """One person's current choice in a poll: SHA-256 of each option, or still sealed."""

    chat: str
    sender: str | None
    wa_id: str
    at_ms: int
    options: bytes | None = None
    payload: bytes | None = None
    iv: bytes | None = None
    voter_jid: str | None = None


@dataclass(slots=True)
class SealedUpdate:
    """Something encrypted with the secret of the message it belongs to (`name`: field of `E2E.Message`)."""

    chat: str
    sender: str | None
    wa_id: str
    at: int
    own_id: str
    name: str
    payload: bytes
    iv: bytes
    sender_jid: str | None


@dataclass(slots=True)
class CallUpdate:
    """One step of a call: `offer`, `accept` or `terminate` (with its reason)."""

    chat: str
    sender: str | None
    wa_id: str
    at: int
    step: str
    video: bool = False
    reason: str = ""


@dataclass(slots=True)
class ReceiptUpdate:
    """Messages reached a person; `contact` None: one of our own devices read them."""

    chat: str
    contact: str | None
    wa_ids: tuple[str, ...]
    mark: ReceiptKind
    at: int
    everyone: bool = False


@dataclass(slots=True)
class IdentityUpdate:
    """Two jids of one person, seen together at this time."""

    pn: str
    lid: str
    at: int


@dataclass(slots=True)
class OwnUpdate:
    """A jid of the account's owner."""

    jid: str


@dataclass(slots=True)
class NameUpdate:
    """Names of a person; of each kind the newest counts.

    Attributes:
        looked_up: Read from the device a moment ago, so the newest whatever the clocks say.
    """

    jid: str
    push_name: str | None = None
    business_name: str | None = None
    saved_name: str | None = None
    at: int = 0
    looked_up: bool = False
    given_name: str | None = None


@dataclass(slots=True)
class ChatUpdate:
    """The properties of a chat as such at a time; None leaves a property unchanged.

    Attributes:
        looked_up: As in `NameUpdate`.
        community: Of a community and of its announcement group: the jid of the community.
    """

    jid: str
    at: int = 0
    name: str | None = None
    archived: bool | None = None
    pinned: bool | None = None
    muted_until: int | None = None
    marked_unread: bool | None = None
    expires_in: int | None = None
    complete: bool | None = None
    looked_up: bool = False
    community: str | None = None


@dataclass(slots=True)
class UnreadUpdate:
    """The phone's own count when it transferred a chat: everything older than its newest `count` is read."""

    chat: str
    count: int


@dataclass(slots=True)
class MembersUpdate:
    """Participants of a group at a time.

    Attributes:
        members: (jid, role) with role 0, 1 admin, 2 superadmin, or None for one who left.
        whole: These are all.
        looked_up: As in `NameUpdate`.
    """

    chat: str
    members: tuple[tuple[str, int | None], ...]
    at: int = 0
    whole: bool = False
    looked_up: bool = False


@dataclass(slots=True)
class LinkedUpdate:
    """We were linked again: a history sync begins from nothing."""


@dataclass(slots=True)
class HistoryUpdate:
    """A chunk of the history sync has come."""

    sync_type: str
    chunk: int
    progress: int | None


@dataclass(slots=True)
class UndecodedUpdate:
    """A part of an event that cannot be read, kept as it is."""

    code: int
    payload: bytes
    error: str


Update = (
    MessageUpdate
    | EditUpdate
    | RevokeUpdate
    | ReactionUpdate
    | KeepUpdate
    | VoteUpdate
    | SealedUpdate
    | CallUpdate
    | ReceiptUpdate
    | IdentityUpdate
    | OwnUpdate
    | NameUpdate
    | ChatUpdate
    | UnreadUpdate
    | MembersUpdate
    | LinkedUpdate
    | HistoryUpdate
    | UndecodedUpdate
)
