"""Chats, people and messages: what was said, by whom and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, Literal, TypeVar

from whatsapp_mcp.models.file_readings import FileProblem, ReadingExcerpt

T = TypeVar("T")
NAMES_ROOM: Final = 16_384
"""Characters that the names of mentioned people may add to a text: a long name mentioned often multiplies."""
_MENTION: Final = re.compile(r"@(\d+|[A-Z_a-z]\w*)", re.ASCII)


class ChatKind(StrEnum):
    """The kind of a conversation."""

    DIRECT = "direct"
    GROUP = "group"
    CHANNEL = "channel"
    STATUS = "status"
    BROADCAST = "broadcast"


class MessageKind(StrEnum):
    """The kind of content that a message carries."""

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
    """Status of a message that this account sends, as far as it is known.

    `held` waits for a person's yes; `scheduled` for its moment; `queued` accepted and kept; `sending` handed
    over; `sent` WhatsApp has it; `delivered`, `read` as receipts say; `failed` refused, expired or
    withdrawn, the reason is kept; `unknown` the client died or timed out between handing over and the
    answer: it is sent again only when it is proved that it never left, and otherwise settled by whatever
    names it, as a receipt does.
    """

    HELD = "held"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody whom a text mentions."""

    name: str
    from_me: bool = False
    stranger: bool = False


def with_names(text: str, mentions: Mapping[str, Mention] | None, shown: Callable[[Mention], str]) -> str:
    """The text with names in place of the addresses of mentioned people.

    Names may add `NAMES_ROOM` characters; the addresses behind them stay as they are.

    Args:
        text: As it was written: `@15550001111 hello`.
        mentions: By what stands behind the `@`.
        shown: What somebody is called.
    """
    if not mentions:
        return text
    room = NAMES_ROOM
    # Once each, however often somebody is mentioned: a text has room for thousands of mentions.
    names = {key: shown(mention) for key, mention in mentions.items()}

    def name(match: re.Match[str]) -> str:
        nonlocal room
        name = names.get(match[1])
        if name is None:
            return match[0]
        room -= len(name)
        return match[0] if room < 0 else f"@{name}"

    return _MENTION.sub(name, text)


LAST_WORDS: Final = 200
"""Characters of the newest message that a list of chats shows."""


@dataclass(slots=True)  # lists make many: a frozen one takes three times as long to make
class LastMessage:
    """The newest message of a chat, as a list of chats shows it.

    Attributes:
        text: Its first characters, `LAST_WORDS` and `SHOWN_WITH`.
        sender_name: None where a group or channel speaks for itself.
        stranger: As `Chat.stranger`, of who wrote it.
        ref, message_id, imported, details, mentions, withheld: As in `Message`.
        before: What was last said, where this one is a call or a notice.
        heard: Of a voice note, the beginning of its transcript, as in `ReadingExcerpt`.
    """

    kind: MessageKind
    text: str
    sender_name: str | None = None
    from_me: bool = False
    stranger: bool = False
    revoked: bool = False
    details: dict[str, Any] | None = None
    mentions: dict[str, Mention] | None = None
    before: LastMessage | None = None
    forwarded: bool = False
    ref: int = 0
    message_id: str = ""
    imported: bool = False
    withheld: int | None = None
    heard: str | None = None


@dataclass(slots=True)  # as LastMessage
class Chat:
    """A conversation as lists show it.

    Attributes:
        stranger: It is with somebody who is not known: neither in the owner's address book nor confirmed.
    """

    jid: str
    name: str
    kind: ChatKind
    unread: int = 0
    last_message_at: datetime | None = None
    last_message: LastMessage | None = None
    archived: bool = False
    pinned: bool = False
    muted_until: datetime | None = None
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, whatever their addresses. `number` is None while only the LID is known.

    Attributes:
        saved_name: In the owner's address book.
        given_name: What a tool or the phone's past calls them.
        known: They are in the address book, or a person has confirmed them, or it is the owner.
    """

    jid: str
    name: str
    number: str | None = None
    lid: str | None = None
    saved_name: str | None = None
    push_name: str | None = None
    business_name: str | None = None
    given_name: str | None = None
    known: bool = False

    @property
    def stranger(self) -> bool:
        """True if the person is not `known`, with the same meaning as `Chat.stranger`."""
        return not self.known


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
    """The message that a reply answers.

    Without a `ref` it is not in the archive: then text and sender are what the reply says they were.

    Attributes:
        stranger: As `Chat.stranger`, of who sent it.
        author_known: Who sent it is known, and wrote it: it was not forwarded.
        withheld: Its text is left out.
    """

    message_id: str
    ref: int | None = None
    sender_name: str | None = None
    text: str | None = None
    from_me: bool = False
    stranger: bool = False
    author_known: bool = False
    withheld: bool | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """One person's emoji under a message."""

    emoji: str
    sender_name: str
    from_me: bool = False
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who did something to a message: chose an option of a poll."""

    name: str
    from_me: bool = False
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class PollOption:
    """One choice of a poll and who took it."""

    name: str
    voters: tuple[Actor, ...] = ()


@dataclass(frozen=True, slots=True)
class Album:
    """Pictures and videos that were sent as one.

    Attributes:
        expected: How many there are, as the sender says.
        files: The refs of those that are here, oldest first.
    """

    expected: int
    files: tuple[int, ...] = ()


@dataclass(slots=True)  # as LastMessage
class Message:
    """One message of the archive.

    Attributes:
        ref: Its archive number, shown as `#1042`.
        mentions: Who is mentioned: `@` and the key stand in the text for them.
        earlier: What an edited one said before, oldest first.
        chat_stranger: As `Chat.stranger`.
        sender_stranger: The same of who wrote it.
        kept_by: Who keeps it in a chat where messages disappear; their name is empty where it is not known.
        imported: It was read in a file, so who said it, and that they did, is as good as the file.
        snippet: In a search result, the words around the hit, which stands between `**`.
        snippet_of: Where the snippet is from; `reading`: what was read in the file.
        snippet_passage: Of a snippet from a reading: its passage, from 1 on.
        reading: The beginning of what was read in its file.
        problem: Why its file is not here or not read, where that was tried.
        album: What is in it, if it is an album.
        album_of: The ref of the album that its file belongs to.
        withheld: Its words are left out, and those of so many messages, of which this is the oldest.
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
    snippet_of: Literal["text", "file_name", "options", "reading"] = "text"
    snippet_passage: int | None = None
    reading: ReadingExcerpt | None = None
    problem: FileProblem | None = None
    details: dict[str, Any] | None = None
    mentions: dict[str, Mention] | None = None
    earlier: tuple[str, ...] = ()
    chat_stranger: bool = False
    sender_stranger: bool = False
    imported: bool = False
    kept_by: Actor | None = None
    album: Album | None = None
    album_of: int | None = None
    withheld: int | None = None

    @property
    def spoken(self) -> str:
        """The text with the names of who is mentioned, as people see it."""
        return with_names(self.text, self.mentions, lambda mention: mention.name)


@dataclass(frozen=True, slots=True)
class Left:
    """Number of items of a list that come after a page; with `at_least`, a lower bound."""

    count: int
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class WithheldHits:
    """The hits of a search in the words of one chat that are withheld.

    Attributes:
        hits: How many there are.
        refs: The messages, the newest first; of many the first ones.
    """

    hits: int
    refs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next_cursor` is None on the last one.

    Attributes:
        notes: Gaps that a reader must know of.
        left: What comes after this page, where it was counted.
        withheld: Of a search, what it found beside the items in words that are withheld, chat by chat.
        after: The cursor that goes on behind the item of an index, where a reader may leave out some of them.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None
    notes: tuple[str, ...] = ()
    left: Left | None = None
    withheld: tuple[WithheldHits, ...] = ()
    after: Callable[[int], str] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """Details that WhatsApp shows of a person; `picture` is the profile picture's URL, None if hidden."""

    jid: str
    about: str | None = None
    picture: str | None = None
    business: str | None = None
