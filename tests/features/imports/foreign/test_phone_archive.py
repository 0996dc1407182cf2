"""A local backup of an iPhone through the confined process, with and without a password."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.features.imports.backups.iphone import CallEntry, ChatStorage, call_history, contacts, lids
from tests.features.imports.backups.phone import BEFORE_2016, phone_backup, place_of
from tests.features.imports.foreign.archives import described, pages_of
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.features.imports.foreign import open_foreign
from whatsapp_mcp.models import ForeignPerson, ImportSource

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

AT = 1_700_000_000
ANA = "15550000001@s.whatsapp.net"
LID = "100000000000001@lid"
PICTURE = bytes(range(256)) * 300
PASSWORD = "correct horse"
BY_PASSWORD = pytest.mark.parametrize("password", [None, PASSWORD])


def storage(folder: Path, *, with_log: bool = False) -> dict[str, bytes]:
    """What a phone has of WhatsApp: the database, its log if there is one, and a picture."""
    folder.mkdir()
    with ChatStorage(folder / "ChatStorage.sqlite") as made:
        chat = made.chat(LID)
        made.message(chat, "3A01", AT, text="hello")
        made.message(chat, "3A02", AT + 1, kind=1, media={"medialocalpath": "Media/a/b.jpg"})
    files = {"Message/Media/a/b.jpg": PICTURE, "Message/Media/empty.jpg": b""}
    if not with_log:
        return files | {"ChatStorage.sqlite": made.path.read_bytes()}
    with closing(sqlite3.connect(made.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(
            """INSERT INTO ZWAMESSAGE (ZCHATSESSION, ZISFROMME, ZMESSAGETYPE, ZMESSAGEDATE, ZSTANZAID, ZTEXT)
            VALUES (?, 1, 0, ?, '3A03', 'in the log')""",
            (chat, AT - 978_307_200),
        )
        db.commit()
        log = made.path.with_name("ChatStorage.sqlite-wal").read_bytes()
        return files | {"ChatStorage.sqlite": made.path.read_bytes(), "ChatStorage.sqlite-wal": log}


def secret(password: str | None) -> bytes | None:
    """A password as it is given."""
    return None if password is None else password.encode()


async def ids(folder: Path, password: str | None = None) -> list[str]:
    """Of all messages of a backup."""
    pages = await pages_of(folder, key=secret(password))
    return [message.id for page in pages for message in page.messages]


@BY_PASSWORD
async def test_messages_are_read_and_nothing_is_left_behind(tmp_path: Path, password: str | None) -> None:
    folder = phone_backup(tmp_path / "backup", storage(tmp_path / "phone"), password=password)
    before = sorted(folder.rglob("*"))
    assert (await described(folder, key=secret(password)))[:2] == (ImportSource.IPHONE, 2)
    assert await ids(folder, password) == ["3A01", "3A02"]
    assert sorted(folder.rglob("*")) == before
    assert sorted(os.listdir(tmp_path)) == ["backup", "phone"]


@BY_PASSWORD
async def test_what_is_only_in_the_log_beside_the_database_is_read(
    tmp_path: Path, password: str | None
) -> None:
    folder = phone_backup(tmp_path / "backup", storage(tmp_path / "phone", with_log=True), password=password)
    assert await ids(folder, password) == ["3A01", "3A02", "3A03"]


@BY_PASSWORD
async def test_the_file_of_a_message_is_in_the_backup(tmp_path: Path, password: str | None) -> None:
    folder = phone_backup(tmp_path / "backup", storage(tmp_path / "phone"), password=password)
    async with open_foreign(folder, tmp_path / "scratch", key=secret(password)) as archive:
        (page,) = [page async for page in archive.pages()]
        file = page.messages[1].file
        assert file is not None
        assert file.path is not None
        found = await archive.open_file(file.path)
        assert found is not None
        with found:
            assert found.read() == PICTURE
        assert await archive.open_file("Message/Media/none.jpg") is None
        assert await archive.open_file("../../etc/passwd") is None


@BY_PASSWORD
async def test_names_lids_and_calls_are_in_it_too(tmp_path: Path, password: str | None) -> None:
    files: Mapping[str, bytes | Path] = storage(tmp_path / "phone") | {
        "ContactsV2.sqlite": contacts(
            tmp_path / "c", [{"whatsappid": "15550000001", "fullname": "Ana"}]
        ).read_bytes(),
        "LID.sqlite": lids(tmp_path / "l", {LID: "15550000001"}).read_bytes(),
        "CallHistory.sqlite": call_history(tmp_path / "h", [CallEntry("CALL1", AT, [ANA])]).read_bytes(),
    }
    folder = phone_backup(tmp_path / "backup", files, password=password)
    first, second = await pages_of(folder, key=secret(password))
    assert set(first.people) == {ForeignPerson(ANA, saved_name="Ana"), ForeignPerson(LID, other=ANA)}
    assert [message.id for message in second.messages] == ["CALL1"]


async def test_backups_of_old_phones_are_read(tmp_path: Path) -> None:
    files = {f"Documents/{name}": content for name, content in storage(tmp_path / "phone").items()}
    folder = phone_backup(tmp_path / "backup", files, domain=BEFORE_2016, is_flat=True)
    assert await ids(folder) == ["3A01", "3A02"]


async def test_an_encrypted_backup_needs_its_password(tmp_path: Path) -> None:
    folder = phone_backup(tmp_path / "backup", storage(tmp_path / "phone"), password=PASSWORD)
    with pytest.raises(InvalidArgument, match="its password is needed"):
        await ids(folder)
    with pytest.raises(InvalidArgument, match="does not fit"):
        await ids(folder, "wrong horse")
    assert sorted(os.listdir(tmp_path)) == ["backup", "phone"]


async def test_the_fingerprint_is_that_of_database_and_log(tmp_path: Path) -> None:
    files = storage(tmp_path / "phone", with_log=True)
    first = await described(phone_backup(tmp_path / "one", files))
    assert await described(phone_backup(tmp_path / "two", files)) == first
    files["ChatStorage.sqlite-wal"] = b""
    assert (await described(phone_backup(tmp_path / "three", files)))[2] != first[2]


async def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no local backup of an iPhone"):
        await ids(tmp_path)
    with pytest.raises(InvalidArgument, match="has no WhatsApp in it"):
        await ids(phone_backup(tmp_path / "backup", {"a": b"x"}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Manifest.plist", b"bplist00 and nothing"),
        ("Manifest.db", b""),
        ("Manifest.db", b"x" * 4096),
        ("ChatStorage.sqlite", b""),
        ("ChatStorage.sqlite", b"x" * 4095),
        ("ChatStorage.sqlite", b"x" * 4096),
    ],
)
async def test_a_damaged_file_of_an_encrypted_backup_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = phone_backup(tmp_path / "backup", storage(tmp_path / "phone"), password=PASSWORD)
    place = place_of(folder, name) if name == "ChatStorage.sqlite" else folder / name
    place.write_bytes(content)
    with pytest.raises(InvalidArgument, match="damaged"):
        await ids(folder, PASSWORD)


async def test_a_picture_that_is_damaged_or_empty_is_missing(tmp_path: Path) -> None:
    folder = phone_backup(tmp_path / "backup", storage(tmp_path / "phone"), password=PASSWORD)
    place_of(folder, "Message/Media/a/b.jpg").write_bytes(b"x" * 33)
    async with open_foreign(folder, tmp_path / "scratch", key=PASSWORD.encode()) as archive:
        assert await archive.open_file("Message/Media/a/b.jpg") is None
        assert await archive.open_file("Message/Media/empty.jpg") is None


async def test_an_archive_that_is_a_file_has_no_files_of_messages(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as made:
        made.chat(ANA)
    async with open_foreign(made.path, tmp_path / "scratch") as archive:
        assert await archive.open_file("Message/Media/a/b.jpg") is None


async def test_a_list_of_files_with_a_view_in_it_is_refused(tmp_path: Path) -> None:
    folder = phone_backup(
        tmp_path / "backup", storage(tmp_path / "phone"), password=PASSWORD, is_list_a_view=True
    )
    with pytest.raises(WhatsAppError, match="damaged"):
        await ids(folder, PASSWORD)
