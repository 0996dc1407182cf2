"""Imports: where each is, and what it has brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from whatsapp_mcp.models.imports.foreign import Unreadable


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
