"""Imports: what archives of other programs say, as it was read, and how taking it over goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Base64Bytes

from whatsapp_mcp.models.messages import MessageKind


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """One message of a chat that WhatsApp exported.

    Attributes:
        at: As it stands there, without a zone.
        name: Who wrote it; None for a line of the system.
        text: What it says.
        file: Name of its file.
        packed: The file is in the zip.
        omitted: It had a file that was left out of the export.
    """

    at: datetime
    name: str | None
    text: str
    file: str | None = None
    packed: bool = False
    omitted: bool = False


class Unreadable(StrEnum):
    """Why something in a foreign file was not taken over."""

    NO_ID = "no_id"
    """No id that WhatsApp can have assigned."""
    NO_CHAT = "no_chat"
    """The chat has no address, or one that is not WhatsApp's."""
    NO_SENDER = "no_sender"
    """The sender has no address."""
    NO_TIME = "no_time"
    """No time, or a time before WhatsApp began or in the future."""
    NO_NUMBER = "no_number"
    """A contact has no number that can be one."""
    OTHER_ACCOUNT = "other_account"
    """Data of another account of the program that wrote the file."""
    DAMAGED = "damaged"
    """Something in it is of another type than it must be."""
    EMPTY = "empty"
    """Nothing of it is kept there but that it was."""
    DELETED = "deleted"
    """The owner had deleted it there, for themselves."""
    UNKNOWN_KIND = "unknown_kind"
    """A kind of message that is not read; a message of kind `unknown` takes its place."""


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """The file of a message, as another archive describes it; in units and names as in `MediaInfo`.

    Attributes:
        path: Where it lies in the folder that comes with the archive, with `/` between its parts.
    """

    media_type: str
    mime_type: str | None = None
    name: str | None = None
    size: int | None = None
    duration: int | None = None
    width: int | None = None
    height: int | None = None
    direct_path: str | None = None
    url: str | None = None
    media_key: Base64Bytes | None = None
    sha256: Base64Bytes | None = None
    enc_sha256: Base64Bytes | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignReaction:
    """An emoji under a message. A sender of None is the owner, here and below."""

    sender: str | None
    emoji: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class ForeignVote:
    """One person's choices in a poll, as places in its list of options."""

    sender: str | None
    options: tuple[int, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class ForeignReceipt:
    """Receipts of one person for a message of the owner; times in seconds, None if not known."""

    reader: str
    delivered_at: int | None = None
    read_at: int | None = None
    played_at: int | None = None


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """One message of another archive, with all that belongs to it.

    Addresses are as they stand there. Only the types are known to be right: whoever made the file can have
    written anything into it.

    Attributes:
        id: WhatsApp's.
        chat: Jid.
        sender: Jid; None: the owner. In a chat with one person it may be that person's. Without a server it
            is a number or a LID: that archive keeps no more of it.
        at: Seconds since 1970.
        kind: What it is.
        text: Its text or caption; of a system message the sentence, as `decoding/history.py` words it.
        reply_to: Id of the message that it answers.
        details: What only this kind has, in the form of `Content.details`.
        edited_at_ms: When its text was written, if it is not the first.
        revoked_at: When it was deleted for everyone, in seconds.
    """

    id: str
    chat: str
    sender: str | None
    at: int
    kind: MessageKind = MessageKind.TEXT
    text: str = ""
    reply_to: str | None = None
    starred: bool = False
    forwarded: bool = False
    view_once: bool = False
    ephemeral: bool = False
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    file: ForeignFile | None = None
    edited_at_ms: int | None = None
    revoked_at: int | None = None
    reactions: tuple[ForeignReaction, ...] = ()
    votes: tuple[ForeignVote, ...] = ()
    receipts: tuple[ForeignReceipt, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignPerson:
    """Somebody in another archive, or in an address book.

    Attributes:
        jid: One of their addresses.
        other: The other one, where the archive says that a LID and a number are one person's.
        saved_name: What an address book calls them.
        business_name: What WhatsApp has verified.
        push_name: What they call themselves.
    """

    jid: str
    other: str | None = None
    saved_name: str | None = None
    business_name: str | None = None
    push_name: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignChat:
    """A group, channel or list in another archive.

    Attributes:
        jid: Its address.
        name: What it is called.
        members: (jid, role) with role 0, 1 admin, 2 superadmin.
    """

    jid: str
    name: str | None = None
    members: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignPage:
    """A part of another archive.

    Attributes:
        messages: In the order of the archive, which is nearly that of time.
        people: All of them, on the first page only.
        chats: All of them, on the first page only.
        unreadable: How much of this part could not be read, by reason.
        following: Where the next page begins; None on the last one. It only grows.
        read: How many rows of messages were looked at, of this page.
    """

    messages: tuple[ForeignMessage, ...] = ()
    people: tuple[ForeignPerson, ...] = ()
    chats: tuple[ForeignChat, ...] = ()
    unreadable: dict[Unreadable, int] = field(default_factory=dict[Unreadable, int])
    following: int | None = None
    read: int = 0


@dataclass(frozen=True, slots=True)
class ExportOutline:
    """Evidence of whose chat an exported chat in a folder is.

    Attributes:
        file: The name of its file, in which the phone put the name of the chat.
        authors: Names of those who wrote in it.
    """

    file: str
    authors: frozenset[str] = frozenset()


class ImportSource(StrEnum):
    """Which program wrote a file that is imported."""

    CHAT_EXPORT = "chat_export"
    """A chat that WhatsApp exported, as `.txt` or `.zip`."""
    ANDROID = "android"
    """WhatsApp on Android: `msgstore.db`."""
    IPHONE = "iphone"
    """WhatsApp on an iPhone: `ChatStorage.sqlite`."""
    ADDRESS_BOOK = "address_book"
    """Contacts as vCards, `.vcf`."""
    LHARRIES = "lharries"
    """The bridge of lharries/whatsapp-mcp: `messages.db`."""
    GOWA = "gowa"
    """go-whatsapp-web-multidevice."""
    WACLI = "wacli"
    """steipete/wacli."""

    @property
    def label(self) -> str:
        """The source's name, as used in a sentence."""
        return _LABELS.get(self, self.value)


_LABELS: Final = {
    ImportSource.CHAT_EXPORT: "chat export",
    ImportSource.ANDROID: "Android",
    ImportSource.IPHONE: "iPhone",
    ImportSource.ADDRESS_BOOK: "address book",
}
"""Names for people; the other sources are called as their programs are."""


class ImportState(StrEnum):
    """The state of an import."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The server ended. The next import of the same file continues from there."""
    UNDOING = "undoing"
    """The data that the import added is being removed."""
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Results of an import so far.

    Attributes:
        new: Messages that were not here.
        known: Messages that were.
        filled: Messages that were here without what they say, and have it now.
        names: Names of people and groups that had none.
        files: Files that were stored.
        files_left_out: Files that could not be read, are too large, or are not what the message says.
        unreadable: What was not taken over, by reason.
        first, last: Time of the oldest and of the newest message in the file.
    """

    new: int = 0
    known: int = 0
    filled: int = 0
    names: int = 0
    files: int = 0
    files_left_out: int = 0
    unreadable: dict[Unreadable, int] = field(default_factory=dict[Unreadable, int])
    first: datetime | None = None
    last: datetime | None = None

    def __add__(self, other: ImportReport) -> ImportReport:
        """Both together."""
        reasons = {*self.unreadable, *other.unreadable}
        return ImportReport(
            self.new + other.new,
            self.known + other.known,
            self.filled + other.filled,
            self.names + other.names,
            self.files + other.files,
            self.files_left_out + other.files_left_out,
            {why: self.unreadable.get(why, 0) + other.unreadable.get(why, 0) for why in sorted(reasons)},
            min((at for at in (self.first, other.first) if at is not None), default=None),
            max((at for at in (self.last, other.last) if at is not None), default=None),
        )


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An import, by its number.

    Attributes:
        number: It never changes, and no other import gets it.
        source: What wrote the file.
        file: The name of the file, without its folder.
        chat: Jid of the chat that it is; None where the file names its chats.
        began: When.
        ended: When it was done, failed or cancelled; None before.
        state: Where it is.
        position: Where its next page begins; None at the beginning.
        report: What it brought so far.
        error: Why it failed, and what to do.
    """

    number: int
    source: ImportSource
    file: str
    chat: str | None
    began: datetime
    ended: datetime | None = None
    state: ImportState = ImportState.RUNNING
    position: int | None = None
    report: ImportReport = field(default_factory=ImportReport)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ExportMatch:
    """Which chat an exported one in a folder is.

    Attributes:
        file: The name of its file.
        chat: Jid of the chat, where that is certain; else None, and a person has to say it.
        candidates: Jids of the chats that it may be, the most likely first.
    """

    file: str
    chat: str | None = None
    candidates: tuple[str, ...] = ()
