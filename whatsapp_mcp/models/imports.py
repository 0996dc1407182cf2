"""What is read out of archives of other programs, before it is taken over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Base64Bytes


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is that a person has begun.

    Attributes:
        file: The name of the file, without its folder.
        chat: Jid of the chat that it is; None where the file names its chats.
        began: When.
        ended: When it was done or failed; None while it runs.
        messages, duplicates, skipped, left_out: As in `ImportResult`, so far.
        stored: Files of messages that are looked at.
        files: How many there are.
        error: Why it failed, and what to do.
    """

    file: str
    chat: str | None
    began: datetime
    ended: datetime | None = None
    messages: int = 0
    duplicates: int = 0
    skipped: int = 0
    left_out: int = 0
    stored: int = 0
    files: int = 0
    error: str | None = None


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


@dataclass(frozen=True, slots=True)
class BridgeMessage:
    """One row of `messages` in the database of lharries' bridge; only its types are known to be right."""

    id: str
    chat_jid: str
    timestamp: str
    from_me: bool
    sender: str = ""
    text: str = ""
    media_type: str | None = None
    file_name: str | None = None
    url: str | None = None
    media_key: Base64Bytes | None = None
    sha256: Base64Bytes | None = None
    enc_sha256: Base64Bytes | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class BridgePage:
    """Some rows of that database.

    Attributes:
        chats: (jid, name) of all chats; on the first page only.
        messages: Rows in the order in which they came to the bridge.
        skipped: Rows that are none, because something in them has another type.
        following: Where the next page begins; None on the last one.
    """

    chats: tuple[tuple[str, str | None], ...]
    messages: tuple[BridgeMessage, ...]
    skipped: int
    following: int | None
