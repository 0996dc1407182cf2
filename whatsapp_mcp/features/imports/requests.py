"""Requests for imports, and the progress of each import."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from whatsapp_mcp.models import ExportMatch, ImportReport, ImportSource, ImportState


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The import that a person or an agent requests.

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
class UnknownVersion:
    """The tables of a database of an unknown version, for a report.

    Attributes:
        number: Its `user_version`.
        tables: (table, its columns), of names that are plain identifiers.
    """

    number: int
    tables: tuple[tuple[str, tuple[str, ...]], ...] = ()


class ImportStep(StrEnum):
    """Step that a running import is at."""

    OPENING = "opening"
    """The file is found, decrypted and looked at."""
    MESSAGES = "messages"
    FILES = "files"
    """The files of its messages."""
    UNDOING = "undoing"


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """The progress of an import.

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
        """True if the import has ended."""
        return self.ended is not None
