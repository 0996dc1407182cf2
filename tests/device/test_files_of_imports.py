"""Files that come with an archive find their messages, whatever address these are stored under."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.device.import_doubles import ANN, Opened, message
from tests.device.test_imports import archive, importer, over, running
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import ForeignFile, ForeignPage, ForeignPerson, ImportRequest, MessageKind

pytestmark = pytest.mark.anyio
__all__ = ["archive"]

LID = "77700000001@lid"


async def test_the_file_of_a_message_in_a_chat_with_a_lid_is_taken_where_the_number_is_known(
    archive: Archive, tmp_path: Path
) -> None:
    phone = tmp_path / "WhatsApp"
    (phone / "Media").mkdir(parents=True)
    (phone / "Databases").mkdir()
    (phone / "Databases" / "msgstore.db").write_bytes(b"SQLite format 3\0")
    (phone / "Media" / "a.jpg").write_bytes(b"\xff\xd8\xff picture")
    picture = message(
        1, chat=LID, sender=LID, kind=MessageKind.IMAGE, file=ForeignFile("image", path="Media/a.jpg")
    )
    given = Opened([ForeignPage((picture,), (ForeignPerson(LID, ANN),), read=1)])
    async with running(archive, importer(archive, tmp_path / "home", given)) as imports:
        done = await over(imports, await imports.begin(ImportRequest(str(phone))))
    assert (done.report.new, done.report.files) == (1, 1)
    (stored,) = (await archive.messages()).items
    source = await archive.media_source(stored.ref)
    assert source.path is not None
    assert await anyio.Path(source.path).read_bytes() == b"\xff\xd8\xff picture"
