"""Whole phones, each from a seed: read as they were written, and never a crash where they are damaged."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.features.imports.backups.iphone import VERSIONS, Version
from tests.features.imports.backups.iphone_world import phone
from tests.features.imports.foreign.archives import pages_of
from tests.features.imports.foreign.test_iphone import read
from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError


@pytest.mark.anyio
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.year))
async def test_a_phone_is_read_as_it_was_written(tmp_path: Path, version: Version) -> None:
    made = phone(tmp_path / "ChatStorage.sqlite", version.year, 3_000, version)
    pages = await pages_of(made.path, rows=700)
    assert [message for page in pages for message in page.messages] == made.messages
    assert sum(page.read for page in pages) == 3_000


@for_each("seed", range(40))
def test_a_damaged_phone_is_refused_or_read_and_never_more(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = phone(tmp_path / "ChatStorage.sqlite", seed, 200).path
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 20, 2_000])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content[: len(content) if seed % 3 else chance.randrange(len(content))])
    try:
        page = read(path)
    except (AssertionError, InvalidArgument, sqlite3.Error):
        return
    assert page.read == len(page.messages) + sum(
        count for why, count in page.unreadable.items() if why != "unknown_kind"
    )


_FORGED = {
    "a view": "ALTER TABLE ZWAMESSAGE RENAME TO m; CREATE VIEW ZWAMESSAGE AS SELECT * FROM m;",
    "a view without end": """DROP TABLE ZWACHATSESSION;
        CREATE VIEW ZWACHATSESSION AS WITH RECURSIVE n (Z_PK) AS (SELECT 1 UNION ALL SELECT Z_PK + 1 FROM n)
        SELECT Z_PK, 'x' AS ZCONTACTJID, 'y' AS ZPARTNERNAME FROM n;""",
    "a column that is computed": "ALTER TABLE ZWAMESSAGE ADD COLUMN ZX AS (hex(zeroblob(1000000000)));",
    "a virtual table": """DROP TABLE ZWAMEDIAITEM;
        CREATE VIRTUAL TABLE ZWAMEDIAITEM USING fts5 (ZMEDIALOCALPATH);""",
    "no rowid": """ALTER TABLE ZWAGROUPMEMBER RENAME TO g;
        CREATE TABLE ZWAGROUPMEMBER (ZMEMBERJID TEXT PRIMARY KEY) WITHOUT ROWID;""",
    "a table that is missing": "DROP TABLE ZWAMESSAGE;",
}


@pytest.mark.anyio
@pytest.mark.parametrize("forged", _FORGED)
async def test_a_forged_phone_is_refused_by_name(tmp_path: Path, forged: str) -> None:
    path = phone(tmp_path / "ChatStorage.sqlite", 1, 20).path
    with closing(sqlite3.connect(path)) as db:
        db.executescript(_FORGED[forged])
        db.commit()
    with pytest.raises(WhatsAppError, match=r"not known here|damaged"):
        await pages_of(path)


@pytest.mark.anyio
async def test_rows_that_lead_in_circles_are_read(tmp_path: Path) -> None:
    path = phone(tmp_path / "ChatStorage.sqlite", 1, 20).path
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE ZWAMESSAGE SET ZPARENTMESSAGE = Z_PK, ZMEDIAITEM = 1, ZMESSAGEINFO = 1")
        db.execute("UPDATE ZWAMEDIAITEM SET ZMESSAGE = 1")
        db.commit()
    (page,) = await pages_of(path)
    assert page.read == 20


@pytest.mark.anyio
async def test_numbers_at_their_ends_are_no_end_of_pages(tmp_path: Path) -> None:
    path = phone(tmp_path / "ChatStorage.sqlite", 1, 5).path
    with closing(sqlite3.connect(path)) as db:
        for number, row in enumerate([-(1 << 63), -7, 0, (1 << 62) - 1, (1 << 63) - 1], 1):
            db.execute("UPDATE ZWAMESSAGE SET Z_PK = ? WHERE Z_PK = ?", (row, number))
        db.commit()
    pages = await pages_of(path, rows=1)
    assert sum(page.read for page in pages) == 3
