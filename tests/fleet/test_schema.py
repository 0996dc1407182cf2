"""The schema grows while programs of two versions use it, and shrinks only once the older ones are gone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.fleet.led import ACCOUNT, LedAccount, patient
from whatsapp_fleet.database import (
    MIGRATIONS,
    Migration,
    Session,
    TooNew,
    begin_run,
    connect,
    end_run,
    migrate,
)

_LAST = MIGRATIONS[-1].version
EXPANDS = Migration(
    version=_LAST + 1,
    needs=1,
    statements=("ALTER TABLE whatsapp_mcp.journal ADD COLUMN note text NOT NULL DEFAULT ''",),
)
CONTRACTS = Migration(
    version=_LAST + 2,
    needs=_LAST + 1,
    statements=("ALTER TABLE whatsapp_mcp.journal DROP COLUMN code",),
)
NEWER = (*MIGRATIONS, EXPANDS, CONTRACTS)


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with connect(patient(database)) as opened:
        yield opened


def columns(session: Session) -> set[str]:
    rows = session.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'journal'")
    return {name for (name,) in rows}


def test_migrating_again_changes_nothing(session: Session) -> None:
    assert migrate(session, MIGRATIONS) == _LAST
    assert migrate(session, MIGRATIONS) == _LAST


def test_migrations_are_numbered_in_order_and_keep_every_program_that_they_need() -> None:
    assert [each.version for each in MIGRATIONS] == list(range(1, _LAST + 1))
    assert all(1 <= each.needs <= each.version for each in MIGRATIONS)


def test_two_programs_that_migrate_at_once_make_one_schema(database: str) -> None:
    def start(_: int) -> int:
        with connect(patient(database)) as session:
            return migrate(session, MIGRATIONS)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [_LAST] * 4


def test_an_older_program_goes_on_appending_after_the_schema_has_grown(database: str) -> None:
    with LedAccount(database) as led, led.journal() as journal:
        journal.append(1, 17, b"before")
        assert migrate(led.session, NEWER) == EXPANDS.version
        assert journal.append(1, 17, b"after") == 2
        assert [row.payload for row in journal.read(0, 10)] == [b"before", b"after"]


def test_an_older_program_starts_on_a_schema_that_has_grown(session: Session) -> None:
    begin_older_run(session)
    migrate(session, NEWER)
    assert migrate(session, MIGRATIONS) == EXPANDS.version


def begin_older_run(session: Session) -> None:
    migrate(session, MIGRATIONS)
    begin_run(session, "older", "node", _LAST)


def test_nothing_is_taken_away_while_an_older_program_runs(session: Session) -> None:
    begin_older_run(session)
    migrate(session, NEWER)
    assert {"note", "code"} <= columns(session)


def test_what_no_program_uses_is_taken_away_once_the_last_has_ended(session: Session) -> None:
    begin_older_run(session)
    migrate(session, NEWER)
    end_run(session, "older")
    assert migrate(session, NEWER) == CONTRACTS.version
    assert "code" not in columns(session)


def test_a_program_refuses_a_schema_that_lacks_what_it_needs(session: Session) -> None:
    migrate(session, NEWER)
    with pytest.raises(TooNew):
        migrate(session, MIGRATIONS)


def test_a_migration_that_fails_leaves_nothing(session: Session) -> None:
    migrate(session, MIGRATIONS)
    fails = Migration(_LAST + 1, 1, (EXPANDS.statements[0], "ALTER TABLE no_such_table ADD COLUMN x text"))
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate(session, (*MIGRATIONS, fails))
    assert "note" not in columns(session)
    assert migrate(session, MIGRATIONS) == _LAST


def test_an_account_that_is_added_twice_is_there_once(database: str) -> None:
    with LedAccount(database) as led:
        assert led.session.execute("SELECT account FROM whatsapp_mcp.leases").fetchall() == [(ACCOUNT,)]
        assert led.session.execute("SELECT count(*) FROM whatsapp_mcp.heads").fetchone() == (3,)
