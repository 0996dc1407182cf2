"""Encrypted backups: decrypted block by block, and a wrong key told from a damaged file as far as it goes."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.imports.backups.encrypting import encrypted, header, key_file
from tests.features.imports.backups.protobuf import field, varint
from tests.features.imports.foreign.archives import described, pages_of
from tests.features.imports.foreign.test_reader import bridge
from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument, TooLong, WhatsAppError
from whatsapp_mcp.features.imports.foreign import decrypting
from whatsapp_mcp.features.imports.foreign.decrypting import decrypt, header_of, key_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

KEY = bytes(range(32, 64))
DATABASE = b"SQLite format 3\0\x10\0\1\1" + os.urandom(700_000)


def decrypted(file: bytes, key: bytes | None = KEY) -> bytes:
    found = io.BytesIO()
    decrypt(io.BytesIO(file), key, found.write)
    return found.getvalue()


@for_each("version", [14, 15])
@for_each("packed", [True, False])
@for_each("checksum", [True, False])
def test_a_backup_is_decrypted(version: int, packed: bool, checksum: bool) -> None:
    file = encrypted(DATABASE, KEY, version, packed=packed, checksum=checksum)
    assert decrypted(file, key_file(KEY, version)) == DATABASE


@for_each(
    "key",
    [
        KEY,
        KEY.hex().encode(),
        b" ".join(KEY.hex().upper().encode()[n : n + 8] for n in range(0, 64, 8)),
        key_file(KEY),
    ],
)
def test_a_key_is_taken_in_each_form_in_which_a_person_has_it(key: bytes) -> None:
    assert key_of(key).key == KEY


@for_each("key", [b"", b"x" * 31, b"x" * 64, KEY.hex().encode()[:-1], key_file(KEY)[:-1], key_file(KEY[:31])])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(InvalidArgument, match="no key of a backup"):
        key_of(key)


def test_a_backup_without_its_key_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="its key is needed"):
        decrypted(encrypted(DATABASE, KEY), None)


@pytest.mark.parametrize("version", [14, 15])
def test_the_key_of_another_backup_is_told_from_a_damaged_file_by_the_checksum(version: int) -> None:
    with pytest.raises(InvalidArgument, match="The key does not fit this backup"):
        decrypted(encrypted(DATABASE, KEY, version), bytes(32))


def test_a_key_file_of_another_phone_is_told_at_once() -> None:
    file = encrypted(DATABASE, KEY, 14, checksum=False)
    with pytest.raises(InvalidArgument, match="The key does not fit this backup"):
        decrypted(file[:200], key_file(KEY, 14, salt=bytes(32)))


def test_without_a_checksum_a_wrong_key_may_be_damage() -> None:
    with pytest.raises(InvalidArgument, match="does not fit, or the file is damaged"):
        decrypted(encrypted(DATABASE, KEY, checksum=False), bytes(32))


@pytest.mark.parametrize("at", [400_000, -40, -20])
def test_a_flipped_bit_is_found(at: int) -> None:
    file = bytearray(encrypted(DATABASE, KEY))
    file[at] ^= 1
    with pytest.raises(InvalidArgument, match="backup is damaged"):
        decrypted(bytes(file))


@for_each("left", [0, 1, 40, 100, 300_000, -1])
def test_a_file_that_was_cut_off_is_refused(left: int) -> None:
    with pytest.raises(InvalidArgument, match=r"damaged|neither"):
        decrypted(encrypted(DATABASE, KEY)[:left])


def test_a_stream_that_ends_too_early_is_refused() -> None:
    file = encrypted(zlib.compress(DATABASE)[:-100], KEY, packed=False)
    with pytest.raises(InvalidArgument, match="damaged"):
        decrypted(file)


@pytest.mark.parametrize("content", [b"", b"PK\3\4" + bytes(900), b"SQLite format 2\0"])
def test_a_backup_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgument, match="neither a database"):
        decrypted(encrypted(content, KEY))


def test_a_backup_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decrypting, "SMALL", 1_000_000)
    with pytest.raises(TooLong, match="100 times"):
        decrypted(encrypted(DATABASE[:20] + bytes(3_000_000), KEY))


def test_a_database_that_had_a_log_beside_it_is_made_one_that_has_none() -> None:
    logged = DATABASE[:18] + b"\2\2" + DATABASE[20:]
    assert decrypted(encrypted(logged, KEY)) == DATABASE


def test_a_backup_under_a_passkey_is_named() -> None:
    found = field(1, 1) + field(5, b"x")
    with pytest.raises(InvalidArgument, match="passkey"):
        header_of(varint(len(found)) + found)


@given(st.binary(max_size=300))
def test_any_beginning_is_a_header_or_refused(start: bytes) -> None:
    for each in (start, varint(len(start)) + start, header(15)[:20] + start):
        try:
            assert len(header_of(each).nonce) == 16
        except InvalidArgument:
            continue


@given(st.integers(0, 5_000), st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(at: int, bit: int) -> None:
    file = bytearray(encrypted(DATABASE[:4_000], KEY))
    at %= len(file)
    file[at] ^= 1 << bit
    try:
        found = decrypted(bytes(file))
    except WhatsAppError:
        return
    # Nothing depends on what the header says of the app, nor on the checksum.
    assert found == DATABASE[:4_000]


# Through the confined process.


@pytest.mark.parametrize("version", [14, 15])
async def test_the_process_reads_an_encrypted_backup_and_leaves_nothing(tmp_path: Path, version: int) -> None:
    path = tmp_path / "msgstore.db.crypt"
    plain = bridge(tmp_path / "messages.db", 300)
    path.write_bytes(encrypted(plain.read_bytes(), KEY, version))
    pages = await pages_of(path, rows=100, key=KEY)
    assert pages == await pages_of(plain, rows=100)
    assert sorted(os.listdir(tmp_path)) == ["messages.db", "msgstore.db.crypt"]


async def test_the_process_names_a_key_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "msgstore.db.crypt15"
    path.write_bytes(encrypted(bridge(tmp_path / "messages.db").read_bytes(), KEY))
    with pytest.raises(InvalidArgument, match="The key does not fit this backup"):
        await described(path, key=bytes(32))
    assert sorted(os.listdir(tmp_path)) == ["messages.db", "msgstore.db.crypt15"]


async def test_what_a_former_process_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "msgstore.db.crypt15"
    path.write_bytes(encrypted(bridge(tmp_path / "messages.db").read_bytes(), KEY))
    (tmp_path / "scratch").write_bytes(b"old")
    assert (await described(path, key=KEY))[1] == 3
    assert not (tmp_path / "scratch").exists()
