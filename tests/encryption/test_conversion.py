"""Databases become encrypted and plain again, whatever happens; their errors are those of `sqlite3`."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import examples
from whatsapp_mcp.archive.database import connect, is_damage
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files import locking
from whatsapp_mcp.files.conversion import decrypt, encrypt
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.files.encrypted_databases import connect as connect_file
from whatsapp_mcp.files.sealed_files import read_sealed, sealed
from whatsapp_mcp.files.vault import KeySource, Vault
from whatsapp_mcp.settings import AccountFolder

pytest.importorskip("sqlcipher3")

WORDS = b"zucchini"
KEY = DatabaseKey(bytes(range(32)))


def account(tmp_path: Path) -> AccountFolder:
    """A plain account with something in its databases, and logs that were not moved into the files."""
    path = tmp_path / "accounts" / "default"
    path.mkdir(parents=True)
    folder = AccountFolder("default", path, Vault(path, KeySource(file=tmp_path / "key")))
    folder.client.mkdir()
    for db in connect(folder):
        with closing(db):
            db.execute("CREATE TABLE said (words TEXT)")
            db.execute("INSERT INTO said VALUES (?)", (WORDS.decode(),))
    with Journal(folder.inbox_db) as journal:
        journal.append(1, 17, WORDS)
    for file in (folder.media / "1.txt", folder.exports / "Ann.txt"):
        file.parent.mkdir()
        file.write_bytes(WORDS)
    return folder


def content(folder: AccountFolder) -> tuple[list[object], ...]:
    """What is in the databases, as a process that opens them finds it."""
    again = AccountFolder("default", folder.path, Vault(folder.path, folder.vault.source))
    found: list[list[object]] = []
    for db in connect(again):
        with closing(db):
            found.append(db.execute("SELECT words FROM said").fetchall())
            found.append(db.execute("PRAGMA auto_vacuum").fetchall())
            found.append(db.execute("PRAGMA user_version").fetchall())
    with Journal(again.inbox_db, again.key_of(again.inbox_db)) as journal:
        found.append([(row.seq, row.payload) for row in journal.read(0, 10)])
    key = again.vault.files_key()
    for file in (again.media / "1.txt", again.exports / "Ann.txt"):
        there = [file.read_bytes()] if file.exists() else list(read_sealed(sealed(file), key or b""))
        found.append(list(there))
    return tuple(found)


def readable(folder: AccountFolder) -> list[str]:
    return [path.name for path in folder.path.rglob("*") if path.is_file() and WORDS in path.read_bytes()]


def nothing(name: str) -> None:
    """Takes what is told of the progress."""


def test_an_encrypted_account_holds_what_it_held_and_shows_nothing_of_it(tmp_path: Path) -> None:
    folder = account(tmp_path)
    before = content(folder)
    assert len(readable(folder)) == 5
    encrypt(folder.vault, folder.databases, folder.files_to_seal(), nothing)
    assert readable(folder) == []
    assert content(folder) == before
    decrypt(folder.vault, folder.databases, folder.files_to_seal(), nothing)
    assert not folder.vault.exists
    assert content(folder) == before
    assert len(readable(folder)) == 5


class Cut(BaseException):
    """The process ended here."""


def cut_at(number: int, patch: pytest.MonkeyPatch) -> None:
    """End the process at the n-th time that a file is renamed or removed, before or after that."""
    calls = 0

    def here() -> None:
        nonlocal calls
        calls += 1
        if calls > number:
            raise Cut

    def cutting(method: Callable[..., object]) -> Callable[..., object]:
        def called(*args: object, **kwargs: object) -> object:
            here()
            done = method(*args, **kwargs)
            here()
            return done

        return called

    patch.setattr(Path, "replace", cutting(Path.replace))
    patch.setattr(Path, "unlink", cutting(Path.unlink))


@pytest.mark.parametrize("change", [encrypt, decrypt])
def test_a_conversion_that_is_cut_off_anywhere_leaves_a_usable_account_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    monkeypatch.setattr(locking, "_COST", 2)  # a key is derived hundreds of times
    number, cut = 0, True
    while cut:
        folder = account(tmp_path / str(number))
        before = content(folder)
        if change is decrypt:
            encrypt(folder.vault, folder.databases, folder.files_to_seal(), nothing)
        with monkeypatch.context() as patch:
            cut_at(number, patch)
            try:
                change(folder.vault, folder.databases, folder.files_to_seal(), nothing)
                cut = False
            except Cut:
                pass
        assert content(folder) == before, number
        again = Vault(folder.path, folder.vault.source)
        change(again, folder.databases, folder.files_to_seal(), nothing)
        assert content(folder) == before, number
        assert bool(readable(folder)) is (change is decrypt), number
        number += 1
    assert number > 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
@pytest.mark.parametrize("sign", ["encryption.json", "archive.db.*.part", "raw.db.*.part", "inbox.db.*.part"])
def test_a_command_that_is_killed_leaves_a_usable_account_and_goes_on(tmp_path: Path, sign: str) -> None:
    folder = account(tmp_path)
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        db.executemany(
            "INSERT INTO said VALUES (?)", [(f"{WORDS.decode()} {n}" * 40,) for n in range(20_000)]
        )
    before = content(folder)
    (tmp_path / "config.toml").write_text(
        f'[encryption]\nkey_file = "{tmp_path / "key"}"\n', encoding="utf-8"
    )
    environment = {**os.environ, "WHATSAPP_MCP_HOME": str(tmp_path)}
    for command in ("enable", "disable"):
        program = [sys.executable, "-m", "whatsapp_mcp", "encryption", command]
        with subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not any(folder.path.glob(sign)):
                time.sleep(0.001)
            process.kill()
        assert content(folder) == before
        done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120)
        # It may have ended before it could be killed.
        assert done.returncode == 0 or "already" in done.stderr or "not encrypted" in done.stderr, done.stderr
        assert content(folder) == before
        assert bool(readable(folder)) is (command == "disable")


def test_a_database_that_somebody_has_open_is_not_converted(tmp_path: Path) -> None:
    folder = account(tmp_path)
    with closing(sqlite3.connect(folder.archive_db)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM said").fetchall()
        with pytest.raises(Busy, match=r"archive\.db"):
            encrypt(folder.vault, folder.databases, folder.files_to_seal(), nothing)
    assert content(folder)[0] == [(WORDS.decode(),)]
    encrypt(folder.vault, folder.databases, folder.files_to_seal(), nothing)
    assert readable(folder) == []


def test_an_encrypted_database_raises_the_errors_of_the_standard_library(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(connect_file(path, KEY, isolation_level=None)) as db:
        db.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
        db.execute("INSERT INTO one VALUES (1)")
        with pytest.raises(sqlite3.IntegrityError) as twice:
            db.executemany("INSERT INTO one VALUES (?)", [(1,)])
        assert twice.value.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CONSTRAINT
        with pytest.raises(sqlite3.OperationalError):
            db.cursor().execute("SELECT nothing")
        db.set_progress_handler(lambda: 1, 1)
        with pytest.raises(sqlite3.OperationalError) as interrupted:
            list(
                db.execute("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
            )
        assert interrupted.value.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    with pytest.raises(sqlite3.ProgrammingError):
        db.execute("SELECT 1")


@pytest.mark.parametrize("key", [None, DatabaseKey(bytes(32))])
def test_a_database_is_not_read_with_another_key_or_none(tmp_path: Path, key: DatabaseKey | None) -> None:
    path = tmp_path / "some.db"
    with closing(connect_file(path, KEY)) as db:
        db.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError) as refused, closing(connect_file(path, key)) as db:
        db.execute("SELECT * FROM one")
    assert is_damage(refused.value)
    assert path.read_bytes() == before


@settings(max_examples=examples(20))
@given(
    rows=st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(), st.binary()), max_size=20)
)
def test_values_come_back_from_an_encrypted_database_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, rows: list[object]
) -> None:
    path = tmp_path_factory.mktemp("values") / "some.db"
    rows = [row for row in rows if not (isinstance(row, str) and any("\ud800" <= c <= "\udfff" for c in row))]
    with closing(connect_file(path, KEY, isolation_level=None)) as db:
        db.execute("CREATE TABLE one (value)")
        db.executemany("INSERT INTO one VALUES (?)", [(row,) for row in rows])
    with closing(connect_file(path, KEY)) as db:
        assert [value for (value,) in db.execute("SELECT value FROM one")] == rows
