"""What the device knows of that which reads files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.files_rig import World, reading
from tests.tables import for_each
from whatsapp_mcp.device.files import readable
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.models import MessageKind, ReadingKind

pytestmark = pytest.mark.anyio


@for_each(
    ("kind", "mime_type", "file_name", "read_as"),
    [
        (MessageKind.VOICE, "audio/ogg", None, ReadingKind.TRANSCRIPT),
        (MessageKind.VIDEO, "video/mp4", None, ReadingKind.TRANSCRIPT),
        (MessageKind.IMAGE, "image/jpeg", None, ReadingKind.PICTURE),
        (MessageKind.DOCUMENT, "application/pdf", "a.pdf", ReadingKind.DOCUMENT),
        (MessageKind.DOCUMENT, "image/png", "scan.png", ReadingKind.PICTURE),
        (MessageKind.DOCUMENT, "audio/mpeg", "talk.mp3", ReadingKind.TRANSCRIPT),
        (MessageKind.DOCUMENT, None, None, ReadingKind.DOCUMENT),
        (MessageKind.DOCUMENT, "application/octet-stream", "setup.EXE", None),
        (MessageKind.STICKER, "image/webp", None, None),
        (MessageKind.TEXT, None, None, None),
    ],
)
def test_a_message_says_what_its_file_would_be_read_as(
    kind: MessageKind, mime_type: str | None, file_name: str | None, read_as: ReadingKind | None
) -> None:
    assert readable(kind, mime_type, file_name) is read_as


async def test_where_nothing_reads_the_answer_says_so_and_files_are_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path, nothing_reads=True)
    world.add(1, here=True)
    async with reading(world) as loop:
        with pytest.raises(Unsupported, match="Files are not read here"):
            await loop.read(1)
    assert (world.read, world.problems, loop.kinds) == ([], {}, frozenset())
