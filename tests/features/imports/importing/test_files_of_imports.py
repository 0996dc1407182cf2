"""Files that come with an archive find their messages, and no more room than files may take."""

from __future__ import annotations

import zipfile
from pathlib import Path

import anyio
import pytest

from tests.features.imports.archive.importing import WORKER, Noted
from tests.features.imports.importing.import_doubles import ANN, Opened, message
from tests.features.imports.importing.test_imports import archive, importer, over, running
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.features.imports.importing.exports import import_export
from whatsapp_mcp.features.imports.importing.work import Work
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.models import ForeignFile, ForeignPage, ForeignPerson, MessageKind
from whatsapp_mcp.settings import CurrentSettings, MediaSettings, Settings

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
        done = await over(imports, await imports.begin_import(ImportRequest(str(phone))))
    assert (done.report.new, done.report.files) == (1, 1)
    (stored,) = (await archive.messages()).items
    source = await archive.media_source(stored.ref)
    assert source.path is not None
    assert await anyio.Path(source.path).read_bytes() == b"\xff\xd8\xff picture"


async def test_files_of_an_exported_chat_find_no_more_room_than_all_files_may_take(
    archive: Archive, tmp_path: Path
) -> None:
    lines = "".join(f"[24/11/2019, 12:0{n}:00] Ann: <attached: 0000000{n}-PHOTO.jpg>\n" for n in (1, 2))
    with zipfile.ZipFile(tmp_path / "chat.zip", "w") as packed:
        packed.writestr("_chat.txt", lines)
        for number in (1, 2):
            packed.writestr(f"0000000{number}-PHOTO.jpg", b"\xff\xd8\xff" + bytes([number]) * 700_000)
    home = archive.folder.path.parent.parent
    settings = CurrentSettings(Settings(home=home, media=MediaSettings(total_megabytes=1)))
    request = ImportRequest(str(tmp_path / "chat.zip"), ANN, "Me")
    noted = Noted()
    work = Work(archive.folder, archive, settings, request, noted, StoredFiles(archive.folder))
    with pytest.raises(Busy, match="folder of files is full"):
        await import_export(work, WORKER, tmp_path / "chat.zip", ANN)
    assert noted.progress.report.files == 1
    assert len([*archive.folder.media.iterdir()]) == 1
