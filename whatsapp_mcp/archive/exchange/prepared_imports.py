"""Preparation of an exported chat for the operation that imports it.

Here stands what depends on more than the archive: the person's zone, this machine's MIME types, files.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import ExportedMessage
from whatsapp_mcp.system import replaced

MADE: Final = "IMP-"
"""Begins the id of a message that had none."""
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class DatedMessage:
    """A message of an exported chat, with what depends on the person's zone and this machine.

    Attributes:
        message: As it was read.
        at: Seconds since 1970; None for what is no time.
        wa_id: Made of what was said; the same each time.
        mime_type: Of its file, by the file's name.
    """

    message: ExportedMessage
    at: int | None
    wa_id: str
    mime_type: str | None = None


def dated(chat: str, messages: Iterable[ExportedMessage], zone: tzinfo) -> tuple[DatedMessage, ...]:
    """The messages of an exported chat (its jid), whose times are of this zone."""
    seen: dict[str, int] = {}
    dated_messages: list[DatedMessage] = []
    for each in messages:
        sent_at = _seconds(each.at, zone)
        dated_messages.append(
            DatedMessage(each, sent_at, _made_id(chat, each, sent_at, seen), _mime_type(each.file))
        )
    return tuple(dated_messages)


def _made_id(chat: str, message: ExportedMessage, sent_at: int | None, seen: dict[str, int]) -> str:
    text = f"{chat}\0{sent_at}\0{message.name}\0{message.text}\0{message.file}"
    # The same may have been said twice in a minute: these are two messages, and need two ids.
    turn = seen[text] = seen.get(text, -1) + 1
    return MADE + hashlib.sha256(f"{text}\0{turn}".encode()).hexdigest()[:24].upper()


def _mime_type(file: str | None) -> str | None:
    return None if file is None else mimetypes.guess_type(file)[0] or "application/octet-stream"


def _seconds(moment: datetime, zone: tzinfo) -> int | None:
    """Seconds since 1970; None for what no clock shows."""
    try:
        return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp())
    except (OverflowError, ValueError):
        return None


def file_path(media: Path, wa_id: str, name: str) -> Path:
    """Return the path for an imported message's file; of its name only the suffix is used."""
    suffix = Path(name).suffix
    return media / f"{wa_id}{suffix if _SUFFIX.fullmatch(suffix) else '.bin'}"


def store_file(media: Path, wa_id: str, name: str, content: bytes) -> str:
    """Write the file of an imported message; answers its name under `media`.

    Raises:
        InvalidArgument: The message was not imported.
    """
    if not wa_id.startswith(MADE):
        raise InvalidArgument("Only a message that was imported gets a file so.")
    media.mkdir(mode=0o700, exist_ok=True)
    target = file_path(media, wa_id, name)
    with replaced(target) as part:
        part.write_bytes(content)
    return target.name
