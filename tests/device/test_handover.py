"""Files on their way to the client process and from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from whatsapp_mcp.device.connection.handover import clear_handover, handed_over
from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument, MediaUnavailable
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def test_a_file_of_the_media_folder_is_there_for_as_long_as_its_call_takes(
    folder: AccountFolder,
) -> None:
    boat = folder.media / "boat.jpg"
    boat.write_bytes(b"boat")
    async with handed_over(folder, "upload", {"path": str(boat), "kind": "image"}) as given:
        assert set(given) == {"file", "kind"}
        copy = folder.sending / given["file"]
        assert copy.read_bytes() == b"boat"
        assert not copy.samefile(boat)
        assert "boat" not in given["file"]
    assert os.listdir(folder.sending) == []


async def test_nothing_outside_the_media_folder_is_handed_over(folder: AccountFolder) -> None:
    folder.archive_db.write_bytes(b"messages")
    (folder.media / "photo.jpg").symlink_to(folder.archive_db)
    (folder.media / "folder").symlink_to(folder.path)
    os.link(folder.archive_db, folder.media / "linked.jpg")
    for path in (
        folder.archive_db,
        folder.media / "photo.jpg",
        folder.media / "folder" / "archive.db",
        folder.media / ".." / "archive.db",
        folder.media / "linked.jpg",
    ):
        with pytest.raises(FileNotAllowed):
            async with handed_over(folder, "set_profile_photo", {"path": str(path)}):
                raise AssertionError("it was handed over")
    with pytest.raises(InvalidArgument):
        async with handed_over(folder, "upload", {"path": str(folder.media / "missing")}):
            raise AssertionError("it was handed over")
    assert os.listdir(folder.sending) == []


async def test_a_download_is_taken_from_the_clients_folder(folder: AccountFolder) -> None:
    target = folder.media / "41"
    async with handed_over(folder, "download", {"path": str(target), "most": 9}) as given:
        assert set(given) == {"file", "most"}
        (folder.received / given["file"]).write_bytes(b"boat")
    assert target.read_bytes() == b"boat"
    assert os.listdir(folder.received) == []


async def test_a_client_writes_no_more_in_what_was_taken_from_it(folder: AccountFolder) -> None:
    target = folder.media / "41"
    async with handed_over(folder, "download", {"path": str(target), "most": 9}) as given:
        kept = (folder.received / given["file"]).open("wb", buffering=0)
        kept.write(b"boat")
    with kept:
        kept.write(b"planted")
    assert target.read_bytes() == b"boat"
    assert target.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_larger_than_was_asked_for_is_not_taken(folder: AccountFolder) -> None:
    with pytest.raises(MediaUnavailable):
        async with handed_over(folder, "download", {"path": str(folder.media / "41"), "most": 9}) as given:
            (folder.received / given["file"]).write_bytes(b"x" * 10)
    assert os.listdir(folder.media) == []
    assert os.listdir(folder.received) == []


def soft(received: Path, other: Path) -> None:
    received.symlink_to(other)


def hard(received: Path, other: Path) -> None:
    os.link(other, received)


def a_folder(received: Path, other: Path) -> None:
    received.mkdir()


def nothing(received: Path, other: Path) -> None:
    """Leave no file."""


@pytest.mark.parametrize("plant", [soft, hard, a_folder, nothing])
async def test_a_client_that_plants_something_else_gets_no_file_into_the_media_folder(
    folder: AccountFolder, plant: Callable[[Path, Path], None]
) -> None:
    folder.archive_db.write_bytes(b"messages")
    target = folder.media / "41"
    with pytest.raises(MediaUnavailable):
        async with handed_over(folder, "download", {"path": str(target), "most": 9}) as given:
            plant(folder.received / given["file"], folder.archive_db)
    assert not target.exists()


async def test_what_a_killed_leader_left_on_its_way_is_deleted(folder: AccountFolder) -> None:
    for place in (folder.sending, folder.received):
        (place / "5f").write_bytes(b"boat")
    clear_handover(folder)
    assert os.listdir(folder.sending) == os.listdir(folder.received) == []
