"""Sends: their content, requests, results and receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Discriminator

from whatsapp_mcp.models.approvals import Caller
from whatsapp_mcp.models.messages import SendStatus


@dataclass(frozen=True, slots=True)
class TextContent:
    """A text message.

    Attributes:
        mentions: Jids whose `@number` stands in the text.
        link_preview: Whether the page of the first link is fetched and shown below.
    """

    text: str
    mentions: tuple[str, ...] = ()
    link_preview: bool = False
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
        origin: Where it was before it was copied to be sent: a path, or a URL; empty if the caller wrote it.
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
    origin: str = ""


@dataclass(frozen=True, slots=True)
class AlbumContent:
    """Pictures and videos that are sent as one.

    Once WhatsApp has the message of the album, each file goes out as a send of its own (`AlbumFileContent`).
    """

    files: tuple[FileContent, ...]
    kind: Literal["album"] = "album"


@dataclass(frozen=True, slots=True)
class AlbumFileContent:
    """A file of an album that was sent; `album` is WhatsApp's id of it."""

    album: str
    file: FileContent
    kind: Literal["album_file"] = "album_file"


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
    """A new text, or a new caption, for an own message.

    Attributes:
        mentions: Jids whose `@number` stands in the text, beside those that the message mentions already.
    """

    message_id: str
    text: str
    kind: Literal["edit"] = "edit"
    mentions: tuple[str, ...] = ()


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
    | AlbumContent
    | AlbumFileContent
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
"""Content of a send, distinguished by `kind`; the outbox stores it as JSON."""

ALBUM_KEY: Final = "album:"
"""Begins the idempotency keys of an album's files, which no caller may use."""
ADDON_KINDS: Final = frozenset({"reaction", "edit", "revoke", "pin", "vote"})
"""Contents that change another message rather than being one."""


def files_of(content: Content) -> tuple[FileContent, ...]:
    """The files that a content carries."""
    match content:
        case FileContent():
            return (content,)
        case AlbumContent():
            return content.files
        case AlbumFileContent():
            return (content.file,)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One thing to send.

    Attributes:
        chat: Jid of the chat.
        reply_to: WhatsApp's id of the message that is answered.
        reply_chat: Jid of the group in which that was said, when its author is answered privately.
        idempotency_key: The same key of the same caller never sends twice.
        wait: Seconds to wait for the outcome before answering with what is known by then.
        queue: Whether it may wait in the outbox for the connection to come back; else it fails at once.
        at: When it is to go out; None: now.
        unless_reply: Whether it is not sent if anybody else writes in the chat before it goes out.
        replaces: The number of a scheduled send to the same chat that never goes out once this is accepted.
    """

    chat: str
    content: Annotated[Content, Discriminator("kind")]
    reply_to: str | None = None
    reply_chat: str | None = None
    idempotency_key: str | None = None
    wait: float = 20.0
    queue: bool = True
    at: datetime | None = None
    unless_reply: bool = False
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Authorship:
    """The caller that a send was accepted for, and what was known at that time.

    Attributes:
        caller: For whom.
        sources: Whose words had been handed out to whoever wrote it: its own words count as theirs.
        digest: Of all that was decided about: content, recipients, files; empty where it was allowed unasked
            and goes out at once.
        carried: Whose words its files may hold, since they came with somebody's message: who reads the send
            reads these. They decide nothing about sending it.
    """

    caller: Caller
    sources: tuple[str, ...]
    digest: str = ""
    carried: tuple[str, ...] = ()


CANCELLED: Final = "Cancelled."
"""Why a send has failed that somebody has cancelled while it waited."""
FORMER_GONE: Final = "What it was to replace has gone out or was cancelled."
"""Why a send has failed that was to take the place of another."""
REPLACED: Final = "Replaced by send"
"""Why a send has failed whose place another took; the number of that one follows."""
REPLIED: Final = "Somebody wrote in the chat after it was scheduled, so it was not sent."
"""Why a send that was not to go out after a reply has `failed`."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """Result of a send so far. `message_id` and `timestamp` come from WhatsApp, `ref` from the archive.

    Attributes:
        due_at: When it is to go out, while it is scheduled.
    """

    send_id: int
    chat: str
    status: SendStatus
    message_id: str | None = None
    ref: int | None = None
    timestamp: datetime | None = None
    reason: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Receipts of one person for a sent message; without times no receipt has arrived yet.

    Attributes:
        stranger: Whether the person's name is of their own choice.
    """

    contact: str
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptCounts:
    """Numbers of people who read a sent message, who only received it, and without any receipt."""

    read: int = 0
    delivered: int = 0
    without: int = 0

    @property
    def people(self) -> int:
        """All of them."""
        return self.read + self.delivered + self.without


@dataclass(frozen=True, slots=True)
class SendReport:
    """A send and its receipts, person by person; a group of 1,024 takes several pages.

    Attributes:
        counts: Of everybody.
        deliveries: Those of one page.
        next_cursor: Leads to the next page; None on the last one.
    """

    result: SendResult
    deliveries: tuple[Delivery, ...] = field(default=())
    counts: ReceiptCounts = ReceiptCounts()
    next_cursor: str | None = None
