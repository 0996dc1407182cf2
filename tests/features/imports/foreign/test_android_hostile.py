"""Backups of Android that somebody made to do harm, or a disk has damaged: refused by name, or counted."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.features.imports.backups.android import AT, Backup
from tests.features.imports.backups.android_schemas import V2020, V2025, Version
from tests.features.imports.foreign.archives import pages_of
from tests.features.imports.foreign.test_android import ANA, BEN, GROUP
from tests.properties import examples
from whatsapp_mcp.errors import InvalidArgument, TooLong, WhatsAppError
from whatsapp_mcp.features.imports.foreign import UnknownForeignVersion, android, database
from whatsapp_mcp.features.imports.foreign.database import Opened
from whatsapp_mcp.models import ForeignPage, Unreadable

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

PAGE: Final = TypeAdapter(ForeignPage)
SURROGATE: Final = "CAST(x'eda080' AS TEXT)"
"""Half of a pair, which is no text in UTF-8."""


def filled(path: Path, version: Version = V2025) -> Path:
    """A backup with some messages, and what belongs to them."""
    with Backup(path, version) as backup:
        for number in range(400):
            row = backup.message(GROUP, f"A{number}", "words " * 20, sender=ANA, from_me=number % 2)
            if "receipt_user" in version.tables:
                backup.insert("receipt_user", message_row_id=row, receipt_user_jid_row_id=backup.jid(BEN))
            if version is V2025:
                add_on = backup.add_on(row, 56, sender=BEN)
                backup.insert("message_add_on_reaction", message_add_on_row_id=add_on, reaction="x")
    return path


def read_here(path: Path) -> list[ForeignPage]:
    """All pages, read in this process."""
    pages: list[ForeignPage] = []
    with closing(database.opened(path)) as db:
        schema = database.guarded(db)
        if not android.fits(schema):
            return []
        database.check(db, android.tables(schema))
        found = Opened(db, schema)
        after: int | None = None
        while True:
            pages.append(android.page(found, after, 100))
            following = pages[-1].following
            if following is None:
                return pages
            assert after is None or following > after
            after = following


CELLS: Final = st.one_of(
    st.none(),
    st.integers(0, 120),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=40),
    st.sampled_from([ANA, GROUP, AT, "", "\0", "call:A", "@", "a@b@c", "../x", 1 << 40]),
)


def scattered(path: Path, version: Version, chance: random.Random, cells: list[Any]) -> Path:
    """A backup in whose columns stands anything."""
    with Backup(path, version) as backup:
        for table, columns in version.tables.items():
            names = [part.split()[0] for part in columns.replace("\n", " ").split(", ")]
            for number in range(1, 8):
                row = {name: chance.choice(cells) for name in names}
                links = [name for name in names if name.endswith("row_id") and chance.random() < 0.7]
                row |= {name: chance.randint(1, 8) for name in links}
                if "PRIMARY KEY" in columns:
                    row[names[0]] = number
                if table == "message" and chance.random() < 0.8:
                    row |= {"key_id": "A", "timestamp": AT, "from_me": 0, "message_type": number * 17 % 120}
                marks = ", ".join("?" * len(row))
                statement = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({marks})"
                backup.execute(statement, *row.values())
    return path


@pytest.mark.parametrize("version", [V2020, V2025], ids=lambda each: str(each.year))
@given(seed=st.integers(0, 1 << 32), cells=st.lists(CELLS, min_size=8, max_size=40))
@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_any_column_a_page_is_made_of_it(
    tmp_path: Path, version: Version, seed: int, cells: list[Any]
) -> None:
    path = tmp_path / "msgstore.db"
    path.unlink(missing_ok=True)
    for page in read_here(scattered(path, version, random.Random(seed), cells)):
        assert PAGE.validate_json(PAGE.dump_json(page)) == page
        refused = sum(page.unreadable.values()) - page.unreadable.get(Unreadable.UNKNOWN_KIND, 0)
        # Of notices that nobody is shown nothing is said, and calls are no rows of messages.
        assert page.read >= len(page.messages) + refused or page.read == 0


@given(seed=st.integers(0, 1 << 32), flips=st.integers(1, 40))
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits_are_refused_by_name_or_read_as_far_as_they_make_sense(
    tmp_path: Path, seed: int, flips: int
) -> None:
    whole = tmp_path / "whole.db"
    content = bytearray((whole if whole.exists() else filled(whole)).read_bytes())
    chance = random.Random(seed)
    for _ in range(flips):
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
    path = tmp_path / "flipped.db"
    path.write_bytes(content)
    try:
        pages = read_here(path)
    except (WhatsAppError, *database.DAMAGE):
        return
    for page in pages:
        PAGE.dump_json(page)


async def test_a_damaged_page_is_refused_before_anything_is_taken(tmp_path: Path) -> None:
    path = filled(tmp_path / "msgstore.db")
    content = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").fetchone()
    content[(root - 1) * 4096 + 8 : root * 4096] = b"\xa5" * 4088
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="database is damaged"):
        await pages_of(path)


async def test_a_tree_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "msgstore.db")
    content = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").fetchone()
    at = (root - 1) * 4096
    assert content[at] == 5  # an inner page, which ends with its rightmost child
    content[at + 8 : at + 12] = root.to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="database is damaged"):
        await pages_of(path)


@pytest.mark.parametrize("left", [100, 4_096, 20_000, -4_096])
async def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, left: int) -> None:
    path = filled(tmp_path / "msgstore.db")
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises((InvalidArgument, UnknownForeignVersion)):
        await pages_of(path)


ENDLESS: Final = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


def _view(backup: Backup) -> None:
    backup.execute("DROP VIEW message_view")
    backup.execute("DROP TABLE message")
    backup.execute(
        f"""CREATE VIEW message AS {ENDLESS} SELECT i AS _id, 1 AS chat_row_id, 0 AS from_me, 'A' AS key_id,
        1 AS sender_jid_row_id, 1 AS timestamp, 0 AS message_type, 'x' AS text_data FROM n"""
    )


def _virtual(backup: Backup) -> None:
    backup.execute("DROP TABLE jid")
    backup.execute("CREATE VIRTUAL TABLE jid USING fts4(user, server, raw_string)")


def _computed(backup: Backup) -> None:
    backup.execute("DROP TABLE chat")
    backup.execute("CREATE TABLE chat (jid_row_id INTEGER, subject TEXT AS (hex(zeroblob(900000000))))")


@pytest.mark.parametrize("change", [_view, _virtual, _computed])
async def test_what_is_no_plain_table_is_not_read(tmp_path: Path, change: Callable[[Backup], None]) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        change(backup)
    with pytest.raises(UnknownForeignVersion):
        await pages_of(backup.path)


async def test_a_view_in_place_of_a_side_table_is_not_read(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        backup.message(ANA, "A1", "hi")
        backup.execute("DROP TABLE receipt_user")
        backup.execute(f"CREATE VIEW receipt_user AS {ENDLESS} SELECT i AS message_row_id FROM n")
    (first, *_) = await pages_of(backup.path)
    assert [each.text for each in first.messages] == ["hi"]


async def test_a_trigger_and_an_index_with_a_function_do_nothing(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        backup.message(ANA, "A1", "hi")
        backup.execute("CREATE TRIGGER t AFTER INSERT ON message BEGIN DELETE FROM message; END")
        backup.execute("CREATE INDEX i ON message (length(hex(text_data)))")
    (first, *_) = await pages_of(backup.path)
    assert [each.text for each in first.messages] == ["hi"]


async def test_texts_without_end_are_cut_and_one_beyond_all_bounds_refused(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        for number in range(60):
            backup.message(ANA, f"A{number}", "x" * 10_000_000)
    (first, *_) = await pages_of(backup.path)
    assert {len(each.text) for each in first.messages} == {database.TEXT}
    with Backup(tmp_path / "other.db") as backup:
        backup.message(ANA, "A1", "x" * 20_000_000)
    with pytest.raises(InvalidArgument, match="damaged"):
        await pages_of(backup.path)


async def test_what_takes_more_memory_than_is_allowed_is_refused(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        row = backup.message(ANA, "A1", kind=4)
        for _ in range(60):
            backup.insert("message_vcard", message_row_id=row, vcard="x" * 10_000_000)
    with pytest.raises(TooLong, match="A message in the database is too large"):
        await pages_of(backup.path)


async def test_half_a_surrogate_and_a_zero_byte_are_no_reason_to_stop(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        backup.message(ANA, "A1", "a\0b")
        backup.message(ANA, "A2", "later")
        backup.execute(f"UPDATE message SET text_data = {SURROGATE} WHERE key_id = 'A2'")
    (first, *_) = await pages_of(backup.path)
    assert [each.id for each in first.messages] == ["A1", "A2"]
    assert "\ufffd" in first.messages[1].text


async def test_rows_without_end_at_one_message_are_read_up_to_a_bound(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        row = backup.message(GROUP, "A1", "hi", sender=ANA)
        backup.insert_all(
            "message_add_on",
            "_id, from_me, key_id, sender_jid_row_id, parent_message_row_id",
            [(number, 0, "R", backup.jid(BEN), row) for number in range(250_000)],
        )
        backup.insert_all(
            "message_add_on_reaction",
            "message_add_on_row_id, reaction, sender_timestamp",
            [(number, "x", AT) for number in range(250_000)],
        )
    (first, *_) = await pages_of(backup.path)
    assert len(first.messages[0].reactions) == 1_024


async def test_row_numbers_at_the_end_of_all_numbers_end(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        for number in (-(1 << 63), -5, 1 << 61, (1 << 63) - 1):
            backup.message(ANA, f"A{number}", "hi", _id=number)
        for number in (-(1 << 63), -1, (1 << 62) - 1, (1 << 63) - 1):
            backup.insert("call_log", _id=number, jid_row_id=1, from_me=0, call_id="A", timestamp=AT)
    pages = await pages_of(backup.path, rows=1)
    assert sum(len(page.messages) for page in pages) in range(2, 9)
