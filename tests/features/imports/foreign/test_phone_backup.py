"""Where WhatsApp's files lie in a local backup of an iPhone, and how they are decrypted."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.imports.backups.phone import BEFORE_2016, BUSINESS, encrypted, phone_backup, place_of
from whatsapp_mcp.features.imports.foreign.phone_backup import Decrypted, find, is_phone_backup

KEY = bytes(range(32))
STORAGE = {"ChatStorage.sqlite": b"SQLite format 3\0 and so on"}


def test_the_database_with_the_messages_is_found_by_its_name(tmp_path: Path) -> None:
    folder = phone_backup(tmp_path / "backup", STORAGE | {"LID.sqlite": b"x", "other.sqlite": b"y"})
    layout = find(folder)
    assert layout is not None
    assert layout.databases == ("ChatStorage.sqlite", "LID.sqlite")
    assert layout.messages == place_of(folder, "ChatStorage.sqlite").resolve()
    # As anybody can look up who has read a backup of WhatsApp.
    assert layout.messages.name == "7c7fba66680ef796b916b067077cc246adacf01d"


def test_a_backup_from_before_ios_10_has_all_files_in_one_folder(tmp_path: Path) -> None:
    layout = find(phone_backup(tmp_path / "backup", STORAGE, is_flat=True))
    assert layout is not None
    assert layout.messages.parent == (tmp_path / "backup").resolve()


def test_whatsapp_kept_its_files_elsewhere_before_2016(tmp_path: Path) -> None:
    files = {"Documents/ChatStorage.sqlite": b"x", "Library/Media/a/b.jpg": b"picture"}
    layout = find(phone_backup(tmp_path / "backup", files, domain=BEFORE_2016))
    assert layout is not None
    found = layout.blob(layout.media("Message/Media/a/b.jpg"))
    assert found is not None
    assert found.read_bytes() == b"picture"


def test_whatsapp_business_is_found_where_there_is_no_other(tmp_path: Path) -> None:
    layout = find(phone_backup(tmp_path / "backup", STORAGE, domain=BUSINESS))
    assert layout is not None
    assert layout.domain.name == BUSINESS


def test_a_backup_without_whatsapp_has_nothing(tmp_path: Path) -> None:
    assert find(phone_backup(tmp_path / "backup", {"a": b"x"}, domain="HomeDomain")) is None
    assert is_phone_backup(tmp_path / "backup")
    assert not is_phone_backup(tmp_path)
    assert not is_phone_backup(tmp_path / "none")


@pytest.mark.parametrize("folder", [True, False])
def test_a_file_that_leads_out_of_the_backup_is_missing(tmp_path: Path, folder: bool) -> None:
    backup = phone_backup(tmp_path / "backup", STORAGE | {"Message/Media/a.jpg": b"picture"})
    place = place_of(backup, "Message/Media/a.jpg")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / place.name).write_bytes(b"secret")
    place.unlink()
    if folder:
        place.parent.rmdir()
        os.symlink(outside, place.parent)
    else:
        os.symlink(outside / place.name, place)
    layout = find(backup)
    assert layout is not None
    assert layout.blob(layout.media("Message/Media/a.jpg")) is None


def test_an_encrypted_backup_is_known_by_its_database(tmp_path: Path) -> None:
    plain = find(phone_backup(tmp_path / "plain", STORAGE))
    sealed = find(phone_backup(tmp_path / "sealed", STORAGE, password="hunter2"))
    assert plain is not None
    assert sealed is not None
    assert (plain.is_encrypted, sealed.is_encrypted) == (False, True)


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 320), st.integers(0, 320)), max_size=5))
def test_an_encrypted_file_is_read_from_any_place_on(content: bytes, reads: list[tuple[int, int]]) -> None:
    plain, file = io.BytesIO(content), Decrypted.opened(io.BytesIO(encrypted(content, KEY)), KEY)
    for at, size in reads:
        assert file.seek(at) == plain.seek(at)
        assert file.read(size) == plain.read(size)
    assert file.seek(0, os.SEEK_END) == len(content)
    file.seek(0)
    assert file.read() == content


@pytest.mark.parametrize("key", [bytes(32), KEY[::-1]])
def test_a_file_with_another_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="padding"):
        Decrypted.opened(io.BytesIO(encrypted(b"x" * 1000, KEY)), key)


def test_a_file_that_was_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks"):
        Decrypted.opened(io.BytesIO(encrypted(b"x" * 1000, KEY)[:-1]), KEY)
