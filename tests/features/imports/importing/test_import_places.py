"""What lies at a path is told by its name and first bytes; nothing that was not given is taken along."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.importing import LocationKind, described, identity_of, place_of
from whatsapp_mcp.features.imports.importing.archives import key_of
from whatsapp_mcp.features.imports.requests import ImportRequest


def made(path: Path, content: bytes = b"SQLite format 3\0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["msgstore.db", "msgstore.db.crypt14", "msgstore.db.crypt15"])
def test_the_folder_of_an_android_phone_brings_names_and_files(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path / "WhatsApp" / "Databases" / name)
    names = made(tmp_path / "WhatsApp" / "Backups" / "wa.db.crypt15")
    made(tmp_path / "WhatsApp" / "Media" / "a.jpg")
    place = place_of(tmp_path / "WhatsApp")
    assert (place.kind, place.path) == (LocationKind.ARCHIVE, archive)
    assert (place.media, place.companions) == (tmp_path / "WhatsApp", (names,))


def test_the_best_of_several_archives_of_a_phone_is_taken(tmp_path: Path) -> None:
    for name in ("msgstore.db.crypt14", "msgstore-2019-01-01.1.db.crypt15", "msgstore.db.crypt15"):
        made(tmp_path / "Databases" / name)
    assert place_of(tmp_path).path.name == "msgstore.db.crypt15"
    made(tmp_path / "Databases" / "msgstore.db")
    assert place_of(tmp_path).path.name == "msgstore.db"


def test_a_database_of_an_iphone_brings_what_lies_beside_it(tmp_path: Path) -> None:
    archive = made(tmp_path / "ChatStorage.sqlite")
    beside = tuple(made(tmp_path / name) for name in ("ContactsV2.sqlite", "LID.sqlite"))
    for given in (tmp_path, archive):
        assert (place_of(given).path, place_of(given).companions) == (archive, beside)


def test_a_backup_of_a_phone_and_a_folder_of_exports_are_told_apart(tmp_path: Path) -> None:
    made(tmp_path / "backup" / "Manifest.db")
    made(tmp_path / "exports" / "a.zip")
    assert place_of(tmp_path / "backup").path == tmp_path / "backup"
    assert place_of(tmp_path / "exports").kind is LocationKind.EXPORTS


def test_no_link_leads_to_what_was_not_given(tmp_path: Path) -> None:
    elsewhere = made(tmp_path / "elsewhere" / "wa.db")
    folder = tmp_path / "WhatsApp"
    made(folder / "Databases" / "msgstore.db")
    (folder / "Databases" / "wa.db").symlink_to(elsewhere)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "msgstore.db").symlink_to(folder / "Databases" / "msgstore.db")
    assert place_of(folder).companions == ()
    with pytest.raises(InvalidArgument, match="nothing in this folder"):
        place_of(tmp_path / "linked")


@pytest.mark.parametrize("given", ["relative.zip", "/nowhere", "/dev/zero"])
def test_what_is_nothing_is_refused(given: str) -> None:
    with pytest.raises(InvalidArgument):
        place_of(Path(given))


def test_the_identity_changes_with_the_file(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", b"x" * 3_000_000)
    before = identity_of(path)
    assert identity_of(path) == before
    path.write_bytes(b"y" + b"x" * 2_999_999)
    assert identity_of(path) != before
    folder = identity_of(tmp_path)
    made(tmp_path / "b.zip")
    assert identity_of(tmp_path) != folder
    assert identity_of(tmp_path / "gone") == ""


@for_each(
    "name, content, told",
    [
        ("a.zip", b"PK", "It is an exported chat of 2 bytes."),
        ("a.db", b"SQLite format 3\0", "It is a database of messages of 16 bytes."),
        ("msgstore.db.crypt15", b"x" * 200_000, "It is an encrypted backup, by its name, of 0.2 MB."),
        ("a.vcf", b"BEGIN:VCARD", "It is an address book of 11 bytes."),
        ("a.bin", b"BEGIN:VCARD", "It is a file of another kind of 11 bytes."),
    ],
)
def test_a_person_is_told_what_it_is(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    what, *warnings = described(made(tmp_path / name, content))
    assert what == told
    may_be_an_address_book = name not in {"a.zip", "a.db"}
    assert any("count as known" in warning for warning in warnings) == may_be_an_address_book


def test_a_key_is_digits_a_file_or_a_password(tmp_path: Path) -> None:
    digits = "00112233445566778899aabbccddeeff" * 2
    file = made(tmp_path / "key", b"\x01" * 150)
    assert key_of(ImportRequest("/x")) is None
    assert key_of(ImportRequest("/x", key=digits)) == bytes.fromhex(digits)
    assert key_of(ImportRequest("/x", key=" ".join((digits[:32], digits[32:])))) == bytes.fromhex(digits)
    assert key_of(ImportRequest("/x", key="correct horse")) == b"correct horse"
    assert key_of(ImportRequest("/x", key_file=str(file))) == b"\x01" * 150
    for wrong in (ImportRequest("/x", key="a", key_file=str(file)), ImportRequest("/x", key_file="/nowhere")):
        with pytest.raises(InvalidArgument):
            key_of(wrong)
