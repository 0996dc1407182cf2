"""What a client process that was taken over plants in a database that its leader opens."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.archive.database import is_damage
from whatsapp_mcp.client import journal as journals
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.connection.keys import FileKeys, KeptOpen, opened, reset_address_book, stored_device
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.storage import KeysUnreadable

NO_END = "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n)"
PLANTED = {
    "a trigger": "CREATE TRIGGER planted AFTER DELETE ON events BEGIN DELETE FROM events; END",
    "a table": "CREATE TABLE planted (x)",
    "an index with an expression": "CREATE INDEX planted ON events (generation + 1)",
    "a view": f"CREATE VIEW planted AS {NO_END} SELECT x FROM n",
    "a view instead of the table": "DROP TABLE events;"
    f"CREATE VIEW events AS {NO_END} SELECT x AS seq, 1 AS generation, 1 AS received_at, 1 AS code,"
    " zeroblob(9) AS payload FROM n",
    "a virtual table": "DROP TABLE events;"
    "CREATE VIRTUAL TABLE events USING fts5(seq, generation, received_at, code, payload)",
    "a column that is computed": "DROP TABLE events;"
    "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, generation, received_at, code,"
    " payload AS (zeroblob(900000000)))",
}
NOT_AN_EVENT = "INSERT INTO events VALUES (3, 1, 'yesterday', 17, 'text')"


def made(folder: Path) -> Path:
    """A journal with two events."""
    path = folder / "inbox.db"
    with Journal(path) as journal:
        journal.append(1, 17, b"one")
        journal.append(1, 17, b"two")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path)


def plant(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)


@for_each("script", PLANTED.values())
def test_a_journal_with_anything_but_events_in_it_is_a_damaged_one(tmp_path: Path, script: str) -> None:
    path = made(tmp_path)
    plant(path, script)
    with pytest.raises(sqlite3.DatabaseError) as refused:
        Journal(path)
    assert is_damage(refused.value)


@pytest.mark.parametrize("name", ["a trigger", "a view instead of the table", "a virtual table"])
def test_what_is_planted_while_the_leader_has_the_journal_open_does_not_run_either(
    path: Path, name: str
) -> None:
    with Journal(path, synced=False) as journal:
        assert len(journal.read(0, 10)) == 2
        plant(path, PLANTED[name])
        with pytest.raises(sqlite3.DatabaseError) as refused:
            journal.read(0, 10)
            journal.prune(1)
        assert is_damage(refused.value)
    if name == "a trigger":
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM events").fetchone() == (2,)


def test_a_sound_journal_is_never_taken_for_a_damaged_one_however_often_it_is_read(path: Path) -> None:
    with Journal(path, synced=False) as journal:
        for _ in range(2_000):
            assert len(journal.read(0, 10)) == 2
            assert journal.prune(0) == 0


def test_a_row_that_is_no_event_is_damage(path: Path) -> None:
    plant(path, NOT_AN_EVENT)
    with Journal(path) as journal, pytest.raises(sqlite3.DatabaseError) as refused:
        journal.read(0, 10)
    assert is_damage(refused.value)


WIDE = 8 << 20


@for_each("column", range(4))
def test_a_value_of_another_kind_than_its_column_is_damage_and_is_not_read(
    tmp_path: Path, column: int
) -> None:
    path = made(tmp_path)
    values = ["1"] * 3 + ["x'00'"]
    values[column] = f"CAST(zeroblob({WIDE}) AS TEXT)" if column == 3 else f"zeroblob({WIDE})"
    plant(path, f"INSERT INTO events VALUES (3, {', '.join(values)})")
    with Journal(path, synced=False) as journal:
        tracemalloc.start()
        try:
            with pytest.raises(sqlite3.DatabaseError) as refused:
                journal.read(2, 10)
            assert tracemalloc.get_traced_memory()[1] < WIDE / 8
        finally:
            tracemalloc.stop()
    assert is_damage(refused.value)


PAGE = 4096
DEEP, BROAD = 10, 400


def _interior(child: int) -> bytes:
    """A page of a table whose children are one page."""
    cell = child.to_bytes(4, "big") + b"\x7f"
    start = PAGE - BROAD * len(cell)
    head = (
        b"\x05\0\0" + BROAD.to_bytes(2, "big") + start.to_bytes(2, "big") + b"\0" + child.to_bytes(4, "big")
    )
    pointers = b"".join((start + len(cell) * n).to_bytes(2, "big") for n in range(BROAD))
    return (head + pointers).ljust(start, b"\0") + cell * BROAD


def entangle(path: Path) -> None:
    """Give the table of events pages that point to one another: 400 to the power of 10 leaves in 50 kB."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()
    data = path.read_bytes()
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    leaf, first = pages[root - 1], len(pages) + 1
    pages[root - 1] = _interior(first)
    pages += [*(_interior(first + n) for n in range(1, DEEP)), leaf]
    whole = bytearray(b"".join(pages))
    whole[28:32] = len(pages).to_bytes(4, "big")
    path.write_bytes(whole)


def test_pages_that_point_to_one_another_are_damage_and_are_not_walked_without_an_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_CPU_SECONDS", 0.2)
    entangle(path)
    with Journal(path, synced=False) as journal:
        assert journal.last_seq() == 2
        for access in (lambda: journal.read(0, 1_000), lambda: journal.prune(2)):
            with pytest.raises(sqlite3.DatabaseError) as refused:
                access()
            assert is_damage(refused.value)


CHECKS = ", CHECK(a + 1)"
SCHEMAS = {"long rows": (3, 80_000), "many rows": (500, 100)}
"""How many tables, and how many conditions each has: SQLite parses them whenever it opens the file."""


def burden(path: Path, tables: int, conditions: int) -> None:
    made = (f"CREATE TABLE t{n} (a{CHECKS * conditions})" for n in range(tables))
    plant(path, f"BEGIN; {';'.join(made)}; COMMIT")


@pytest.mark.parametrize(("tables", "conditions"), SCHEMAS.values(), ids=SCHEMAS)
def test_a_journal_with_a_schema_that_costs_much_is_a_damaged_one(
    path: Path, tables: int, conditions: int
) -> None:
    with Journal(path, synced=False) as journal:
        burden(path, tables, conditions)
        with pytest.raises(sqlite3.DatabaseError) as refused:
            journal.read(0, 10)
        assert is_damage(refused.value)
    with pytest.raises(sqlite3.DatabaseError) as refused:
        Journal(path)
    assert is_damage(refused.value)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Tables of the client library, as far as a leader uses them."""
    with closing(sqlite3.connect(tmp_path / "client.db")) as db:
        db.executescript(
            "CREATE TABLE whatsmeow_device (jid, lid, push_name, registration_id);"
            "CREATE TABLE whatsmeow_contacts (full_name);"
            "CREATE TABLE whatsmeow_message_secrets (message_id, key);"
            "CREATE TABLE whatsmeow_lid_map (lid, pn);"
            "CREATE TABLE whatsmeow_sessions (our_jid, their_id, session);"
            "CREATE TABLE whatsmeow_app_state_version (name);"
            "INSERT INTO whatsmeow_device VALUES ('15550001111.0:3@s.whatsapp.net', NULL, 'Me', 7);"
            "INSERT INTO whatsmeow_app_state_version VALUES ('critical_unblock_low');"
        )
        yield db


def test_a_trigger_among_the_keys_does_not_run(keys: sqlite3.Connection, tmp_path: Path) -> None:
    keys.executescript(
        "CREATE TRIGGER planted AFTER DELETE ON whatsmeow_app_state_version"
        " BEGIN DELETE FROM whatsmeow_device; END"
    )
    with pytest.raises(sqlite3.DatabaseError):
        reset_address_book(tmp_path / "client.db")
    assert stored_device(tmp_path / "client.db") is not None


@pytest.mark.anyio
async def test_a_view_among_the_keys_is_not_read(keys: sqlite3.Connection, tmp_path: Path) -> None:
    keys.executescript(
        "DROP TABLE whatsmeow_lid_map;"
        f"CREATE VIEW whatsmeow_lid_map AS {NO_END} SELECT 'a' || x AS lid, '15550002222' AS pn FROM n"
    )
    with pytest.raises(KeysUnreadable):
        await FileKeys(tmp_path / "client.db").lid_of(Jid.parse("15550002222@s.whatsapp.net"))


@pytest.mark.anyio
async def test_forged_keys_cost_little(keys: sqlite3.Connection, tmp_path: Path) -> None:
    """A number where bytes belong would be as many zeros; what has no end is cut."""
    ours = "15550001111.0:3@s.whatsapp.net"
    rows = [(ours, f"15550002222:{number}", 1 << 60) for number in range(2_000)]
    rows += [(ours, f"15550002222:{number}", b"key") for number in range(2_000, 4_000)]
    with keys:
        keys.executemany("INSERT INTO whatsmeow_sessions VALUES (?, ?, ?)", rows)
        keys.execute("UPDATE whatsmeow_device SET push_name = zeroblob(1000), registration_id = 'none'")
    store = FileKeys(tmp_path / "client.db")
    assert len((await store.sessions("15550002222")).keys) < 1_000
    device = await store.device()
    assert device is not None
    assert len(device.name or "") <= 100


@pytest.mark.anyio
async def test_a_value_longer_than_any_key_is_not_read(keys: sqlite3.Connection, tmp_path: Path) -> None:
    with keys:
        keys.execute("UPDATE whatsmeow_device SET push_name = zeroblob(50000000)")
    with pytest.raises(sqlite3.DatabaseError), opened(tmp_path / "client.db") as db:
        db.execute("SELECT push_name FROM whatsmeow_device").fetchone()
    kept = KeptOpen(tmp_path / "client.db")
    with pytest.raises(sqlite3.DatabaseError):
        await kept.read(lambda db: db.execute("SELECT push_name FROM whatsmeow_device").fetchall())
    kept.close()


@pytest.mark.anyio
@pytest.mark.parametrize(("tables", "conditions"), SCHEMAS.values(), ids=SCHEMAS)
async def test_a_schema_of_the_keys_that_costs_much_is_not_loaded_and_does_not_look_like_nobody_linked(
    keys: sqlite3.Connection, tmp_path: Path, tables: int, conditions: int
) -> None:
    path = tmp_path / "client.db"
    store = FileKeys(path)
    assert await store.message_id(b"secret") is None
    assert await store.device() is not None
    burden(path, tables, conditions)
    with pytest.raises(KeysUnreadable):
        await store.message_id(b"secret")
    with pytest.raises(KeysUnreadable):
        await store.device()
    store.close()
