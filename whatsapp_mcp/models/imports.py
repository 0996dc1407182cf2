"""What is read out of archives of other programs, before it is taken over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Base64Bytes


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
