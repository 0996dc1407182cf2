"""Files of imported messages: taken where they are what the message says, and from the given folder alone."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.features.imports.archive.importing import Noted
from tests.features.imports.importing.import_doubles import Opened, Opens, message, pages
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.features.imports.importing import Importer
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.models import ForeignFile, ForeignMessage, ImportReport, MessageKind
from whatsapp_mcp.settings import CurrentSettings, MediaSettings, Settings

pytestmark = pytest.mark.anyio
PICTURE = b"\xff\xd8\xff" + b"picture" * 100


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = Settings(home=tmp_path / "home").account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        yield opened


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "WhatsApp" / "Media"
    folder.mkdir(parents=True)
    return folder


def picture(number: int, path: str, content: bytes = PICTURE, *, digest: bool = True) -> ForeignMessage:
    sha256 = hashlib.sha256(content).digest() if digest else None
    file = ForeignFile("image", "image/jpeg", size=len(content), sha256=sha256, path=path)
    return message(number, kind=MessageKind.IMAGE, text="", file=file)


async def imported(
    archive: Archive,
    tmp_path: Path,
    media: Path,
    *said: ForeignMessage,
    megabytes: int = 1,
    total: int = 1000,
) -> ImportReport:
    limits = MediaSettings(max_megabytes=megabytes, total_megabytes=total, free_megabytes=0)
    settings = CurrentSettings(Settings(home=tmp_path / "home", media=limits))
    backup = tmp_path / "msgstore.db"
    backup.write_bytes(b"SQLite format 3\0")
    importer = Importer(archive.folder, archive, settings, Opens(Opened(pages(said))))
    noted = Noted()
    await importer.run(ImportRequest(str(backup), media=str(media)), noted)
    return noted.progress.report


async def stored(archive: Archive) -> list[bytes]:
    found: list[bytes] = []
    for one in (await archive.messages(oldest_first=True)).items:
        path = one.media and one.media.path
        found += [(archive.folder.media / Path(path).name).read_bytes()] if path else []
    return found


@pytest.mark.parametrize("given", ["Media", "WhatsApp"])
async def test_files_are_found_from_either_folder(
    archive: Archive, tmp_path: Path, media: Path, given: str
) -> None:
    (media / "a.jpg").write_bytes(PICTURE)
    folder = media if given == "Media" else media.parent
    report = await imported(archive, tmp_path, folder, picture(1, "Media/a.jpg"))
    assert (report.files, report.files_left_out) == (1, 0)
    assert await stored(archive) == [PICTURE]
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in archive.folder.media.iterdir())


async def test_what_is_not_what_the_message_says_is_left_out(
    archive: Archive, tmp_path: Path, media: Path
) -> None:
    for name, content in (
        ("a", b"forged"),
        ("b", b"longer than it was"),
        ("c", b""),
        ("d", b"x" * 1_000_001),
    ):
        (media / name).write_bytes(content)
    report = await imported(
        archive,
        tmp_path,
        media,
        picture(1, "Media/a"),
        picture(2, "Media/b", b"as it was", digest=False),
        picture(3, "Media/c"),
        picture(4, "Media/d", b"x" * 1_000_001),
        picture(5, "Media/gone"),
    )
    assert (report.files, report.files_left_out) == (0, 4)
    assert await stored(archive) == []


async def test_no_path_of_a_message_leads_out_of_the_folder(
    archive: Archive, tmp_path: Path, media: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(PICTURE)
    (media / "link.jpg").symlink_to(secret)
    (archive.folder.path / "own.jpg").write_bytes(PICTURE)
    paths = ("../../secret", str(secret), "Media/../../secret", "Media/link.jpg", "")
    said = [picture(number, path) for number, path in enumerate(paths)]
    report = await imported(archive, tmp_path, media, *said)
    assert (report.files, await stored(archive)) == (0, [])


async def test_a_second_import_stores_no_file_twice(archive: Archive, tmp_path: Path, media: Path) -> None:
    (media / "a.jpg").write_bytes(PICTURE)
    for files in (1, 0):
        assert (await imported(archive, tmp_path, media, picture(1, "Media/a.jpg"))).files == files
    assert len([*archive.folder.media.iterdir()]) == 1


async def test_where_there_is_no_room_the_import_says_so(
    archive: Archive, tmp_path: Path, media: Path
) -> None:
    content = b"x" * 900_000
    for number in range(3):
        (media / f"{number}").write_bytes(content)
    said = [picture(number, f"Media/{number}", content) for number in range(3)]
    with pytest.raises(Busy, match="full"):
        await imported(archive, tmp_path, media, *said, total=2)
    assert await stored(archive) == [content, content]
