"""A ledger of an earlier version becomes a current one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from whatsapp_mcp.errors import Busy, Unsupported
from whatsapp_mcp.ledger import Exposure, Taint, database, open_ledger
from whatsapp_mcp.ledger.tables import LEDGER
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

STRANGER = Taint(frozenset({Exposure.STRANGER}))


@pytest.fixture
async def filled(tmp_path: Path) -> AccountFolder:
    """A ledger of this version, with a row."""
    folder = AccountFolder("default", tmp_path / "accounts" / "default")
    folder.create()
    async with open_ledger(folder) as ledger:
        await ledger.tainted_words.add(["Meet at nine"], STRANGER)
    return folder


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes this program one of a later version, which has these migrations."""

    def become(*migrations: Callable[[sqlite3.Connection], None]) -> None:
        version = LEDGER.version + len(migrations)
        monkeypatch.setattr(database, "LEDGER", LEDGER._replace(version=version, migrations=migrations))

    return become


def _add_note(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE tainted_words ADD COLUMN note TEXT")
    db.execute("CREATE TABLE notes (text TEXT) STRICT")


def _fail(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO notes VALUES ('it was here')")
    db.execute("CREATE TABLE notes (text TEXT) STRICT")


def version_of(folder: AccountFolder) -> int:
    with closing(sqlite3.connect(folder.ledger_db)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


async def test_a_migration_is_applied_once_and_everything_stays(
    filled: AccountFolder, later: Callable[..., None]
) -> None:
    later(_add_note)
    for _ in range(2):  # a table that is made a second time would be an error
        async with open_ledger(filled) as ledger:
            assert ledger.tainted_words.taint("Meet at nine") == STRANGER
    assert version_of(filled) == LEDGER.version + 1


async def test_a_migration_that_fails_changes_nothing_and_is_begun_again(
    filled: AccountFolder, later: Callable[..., None]
) -> None:
    later(_add_note, _fail)
    with pytest.raises(Busy, match="cannot be used"):
        async with open_ledger(filled):
            pass
    assert version_of(filled) == LEDGER.version
    later(_add_note)
    async with open_ledger(filled) as ledger:
        assert ledger.tainted_words.taint("Meet at nine") == STRANGER


@pytest.mark.parametrize("number", [1, 99])
async def test_a_file_of_another_version_than_can_be_migrated_is_refused_and_left_alone(
    filled: AccountFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(database, "LEDGER", LEDGER._replace(version=LEDGER.version + 7))
    with closing(sqlite3.connect(filled.ledger_db)) as db:
        db.execute(f"PRAGMA user_version = {number}")
    with pytest.raises(Unsupported, match=r"The ledger (has tables of version 1,|was written by a newer)"):
        async with open_ledger(filled):
            pass
    assert version_of(filled) == number
