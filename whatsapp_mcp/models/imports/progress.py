"""Imports: what is asked for, how far each is, and what it has brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from whatsapp_mcp.models.imports.foreign import UnknownVersion, Unreadable


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
        """What it is called in a sentence."""
        return _LABELS.get(self, self.value)


_LABELS: Final = {
    ImportSource.CHAT_EXPORT: "chat export",
    ImportSource.ANDROID: "Android",
    ImportSource.IPHONE: "iPhone",
    ImportSource.ADDRESS_BOOK: "address book",
}


class ImportState(StrEnum):
    """Where an import is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Its server ended. The next import of the same file goes on where it was."""
    UNDOING = "undoing"
    """What it brought is being removed."""
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import brought so far.

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
class ImportRequest:
    """What a person or an agent wants imported.

    Attributes:
        path: A file or a folder on the computer of the server that leads, from the root on.
        chat: Jid of the chat that an exported one is; None where the file names its chats.
        me: The owner's name in an exported chat.
        key: What opens an encrypted file: 64 hexadecimal digits, or the password of a backup. It is kept
            nowhere and logged nowhere.
        key_file: A file that holds such a key.
        media: The folder with the files of the messages, where it is not beside the archive.
        names: WhatsApp's own address book on Android, `wa.db`, where it is not beside the archive.
        dry_run: Only find out what it would bring.
        chats: (name of the file, jid of the chat) of exported chats in a folder.
    """

    path: str
    chat: str | None = None
    me: str | None = None
    key: str | None = field(default=None, repr=False)
    key_file: str | None = None
    media: str | None = None
    names: str | None = None
    dry_run: bool = False
    chats: tuple[tuple[str, str], ...] = ()


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


class ImportStep(StrEnum):
    """What an import that runs is at."""

    OPENING = "opening"
    """The file is found, decrypted and looked at."""
    MESSAGES = "messages"
    FILES = "files"
    """The files of its messages."""
    UNDOING = "undoing"


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is.

    Attributes:
        ticket: By which it is followed and cancelled while its leader runs; 0 for one of an earlier leader.
        file: The name of the file or folder, without the folder that it is in.
        state: Where it is.
        began: When it was asked for.
        path: As it was asked for; empty for one of an earlier leader.
        numbers: Under which it is stored: none for a dry run and before it has begun, one for each file of a
            folder of exported chats.
        source: What wrote the file, once it is open.
        chat: Jid of the chat that it is; None where the file names its chats.
        dry_run: Nothing is written.
        ended: When it was done, failed or cancelled.
        step: What it is at.
        done, total: How many messages, or files of messages, are looked at, and how many there are, as far as
            that is known; of an undo how many are removed.
        report: What it has brought so far.
        asks: Exported chats in a folder of which a person has to say which chat they are.
        error: Why it failed, and what to do.
        unknown: What the file consists of, if it is of a version that is not known.
    """

    ticket: int
    file: str
    state: ImportState
    began: datetime
    path: str = ""
    numbers: tuple[int, ...] = ()
    source: ImportSource | None = None
    chat: str | None = None
    dry_run: bool = False
    ended: datetime | None = None
    step: ImportStep = ImportStep.OPENING
    done: int = 0
    total: int = 0
    report: ImportReport = field(default_factory=ImportReport)
    asks: tuple[ExportMatch, ...] = ()
    error: str | None = None
    unknown: UnknownVersion | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is done about it any more."""
        return self.ended is not None
