"""A message may be deleted while its file is fetched: then no file of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import BOB, NOON, journal
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.files.fetcher import Fetcher
from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import CurrentSettings, Settings

pytestmark = pytest.mark.anyio

Meanwhile = Callable[[Archive], Awaitable[Any]]


async def revoked(archive: Archive) -> None:
    await archive.ingest(journal([ev.revoke("A1", chat=BOB)], after=await archive.position()))


async def purged(archive: Archive) -> None:
    await archive.purge(chat=BOB)


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    picture: Any = E2E.Message()
    picture.imageMessage.directPath, picture.imageMessage.mediaKey = "/v/x", b"k" * 32
    picture.imageMessage.fileSHA256 = picture.imageMessage.fileEncSHA256 = b"x" * 32
    async with open_archive(folder, write=True) as opened:
        await opened.ingest(journal([ev.message("A1", picture, chat=BOB, at=NOON)]))
        yield opened


async def fetch(archive: Archive, tmp_path: Path, meanwhile: Meanwhile, *, deleted_first: bool) -> None:
    """Fetch the file of the message, which is deleted before or after the last byte is written."""

    async def call(name: str, params: dict[str, Any], *, deadline: float) -> None:
        if deleted_first:
            await meanwhile(archive)
        await anyio.Path(params["path"]).write_bytes(b"\x89PNG\r\n\x1a\nsecret")
        if not deleted_first:
            await meanwhile(archive)

    settings = CurrentSettings(Settings(home=tmp_path / "home"))
    fetcher = Fetcher(archive.folder, settings, archive, call)
    await fetcher.fetch((await archive.message("A1")).ref)


@pytest.mark.parametrize("deleted_first", [True, False])
@pytest.mark.parametrize("meanwhile", [revoked, purged])
async def test_a_file_fetched_while_its_message_is_deleted_does_not_stay(
    archive: Archive, tmp_path: Path, meanwhile: Meanwhile, deleted_first: bool
) -> None:
    with pytest.raises(MediaUnavailable, match="deleted while"):
        await fetch(archive, tmp_path, meanwhile, deleted_first=deleted_first)
    assert list(archive.folder.media.iterdir()) == []


async def test_a_kept_file_is_dropped_after_its_message_was_deleted(archive: Archive, tmp_path: Path) -> None:
    async def call(name: str, params: dict[str, Any], *, deadline: float) -> None:
        raise AssertionError(name)

    ref = (await archive.message("A1")).ref
    path = archive.folder.media / "1.png"
    await purged(archive)
    path.write_bytes(b"secret")
    settings = CurrentSettings(Settings(home=tmp_path / "home"))
    await Fetcher(archive.folder, settings, archive, call).drop(ref, str(path))
    assert not path.exists()


async def test_recording_the_file_of_a_deleted_message_says_that_it_was_not_recorded(
    archive: Archive,
) -> None:
    assert await archive.write(recording.record_media_path, "A1", "x.png")
    await revoked(archive)
    assert not await archive.write(recording.record_media_path, "A1", "x.png")
