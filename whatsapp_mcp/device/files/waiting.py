"""Which files are fetched and read without being asked for, as the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.models import MessageKind

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.settings import MediaSettings

AGE: Final = timedelta(days=30)
"""Time that WhatsApp's servers keep files, as far as is known: older files are fetched only when asked
for."""
LOOK: Final = 60.0
"""Seconds after which is looked again although nothing was archived: what failed may be due again."""
GATHER: Final = 1.0
"""Seconds between two looks: what comes meanwhile is looked at together, so that receiving is not slowed."""
_MEGABYTE: Final = 1_000_000
_CERTAIN: Final = frozenset({"jid", "number", "name"})
"""Ways in which a text names a chat without a guess."""


def since(now: datetime) -> datetime:
    """Files of messages before this time are left alone."""
    return now - AGE


def kept_sizes(media: MediaSettings) -> dict[MessageKind, int]:
    """Up to how many bytes files of each kind are fetched; kinds of which none is are left out."""
    megabytes = {
        MessageKind.VOICE: media.keep.voice,
        MessageKind.IMAGE: media.keep.image,
        MessageKind.DOCUMENT: media.keep.document,
        MessageKind.AUDIO: media.keep.audio,
        MessageKind.VIDEO: media.keep.video,
        MessageKind.GIF: media.keep.gif,
        MessageKind.STICKER: media.keep.sticker,
    }
    return {kind: most * _MEGABYTE for kind, most in megabytes.items() if most > 0}


async def chats_of(archive: ReadingArchive, named: Sequence[str]) -> list[str] | None:
    """The jids of the chats that `media.keep.chats` names; None where it names none: every chat.

    A name counts if it is exactly that of a chat; whoever is called the same is meant as well.
    """
    if not named:
        return None
    matches = [one for text in named for one in await archive.resolve_chat(text)]
    return [one.chat.jid for one in matches if one.matched in _CERTAIN]
