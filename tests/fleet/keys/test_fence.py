"""What a former client of an account can still do with its keys after a takeover: nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import psycopg
import pytest

from tests.fleet.keys.held import LIMIT, holding
from tests.fleet.keys.taken import TakenAccount, leaders_url, plant
from tests.fleet.postgres import PostgresServer, postgres_server
from whatsapp_fleet.database import Session, lease_of, raise_epoch
from whatsapp_fleet.keys import (
    Login,
    NotFencing,
    change_login,
    check_login,
    empty_schema,
    fence,
    logins,
    terminate_backends,
)
from whatsapp_mcp.storage import Fenced, Unavailable

PROOF = b"c=biws,r="
"""In a client's last message of SCRAM (RFC 5802), before which it has heard all that it needs."""


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


def test_the_client_of_the_newest_epoch_writes_the_keys(account: TakenAccount) -> None:
    with account.log_in(account.take_over()) as client:
        client.execute("CREATE TABLE keys AS SELECT 1 AS value")
        assert client.execute("SELECT value FROM keys").fetchall() == [(1,)]
    stored = account.session.execute("SELECT value FROM keys_work.keys")
    assert stored.fetchall() == [(1,)]


def test_a_former_client_neither_goes_on_nor_connects_again(account: TakenAccount) -> None:
    former = account.take_over()
    with account.log_in(former) as client:
        newest = account.take_over()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        account.log_in(former)
    account.log_in(newest).close()


def test_what_a_former_client_has_not_committed_is_undone(account: TakenAccount) -> None:
    with account.log_in(account.take_over()) as client:
        client.execute("CREATE TABLE keys (value int)")
        with pytest.raises(psycopg.OperationalError), client.transaction():
            client.execute("INSERT INTO keys VALUES (1)")
            account.take_over()
    assert account.session.execute("SELECT * FROM keys_work.keys").fetchall() == []


def test_a_login_that_was_in_progress_during_the_takeover_gets_nobody_in(account: TakenAccount) -> None:
    with logging_in(account, account.take_over()) as finish:
        account.take_over()
    assert isinstance(finish(), psycopg.OperationalError)


def test_such_a_login_would_get_in_if_the_role_kept_its_name(account: TakenAccount) -> None:
    former = account.take_over()
    with logging_in(account, former) as finish:
        account.session.execute(f"ALTER ROLE {former.role} PASSWORD 'another'".encode())
        terminate_backends(account.session, account.database, account.account)
    assert finish() is None


@contextmanager
def logging_in(account: TakenAccount, login: Login) -> Iterator[Callable[[], psycopg.Error | None]]:
    """A login that lacks but the client's last word while the block runs; then its error, or None."""
    outcome: list[psycopg.Error | None] = []
    with holding(PROOF, account.session.info.port) as held:

        def log_in() -> None:
            try:
                with account.log_in(login, held.port) as client:
                    client.execute("SELECT 1")
                outcome.append(None)
            except psycopg.OperationalError as error:
                outcome.append(error)

        client = threading.Thread(target=log_in)
        client.start()
        assert held.arrived.wait(LIMIT)
        yield lambda: outcome[0]
        held.released.set()
        client.join(LIMIT)


def test_a_leader_that_was_stopped_does_not_take_the_login_from_a_newer_one(account: TakenAccount) -> None:
    account.take_over()
    newest = account.take_over()
    with pytest.raises(Fenced):
        change_login(account.session, account.account, 1)
    account.log_in(newest).close()


class Killed(Exception):
    """The leader was killed."""


def killed_after_raising(account: TakenAccount, session: Session) -> None:
    raise_epoch(session, account.account, *account.challenge())


def killed_after_changing(account: TakenAccount, session: Session) -> None:
    lease = raise_epoch(session, account.account, *account.challenge())
    assert lease is not None
    change_login(session, account.account, lease.epoch)


def killed_before_its_commit(account: TakenAccount, session: Session) -> None:
    lease = raise_epoch(session, account.account, *account.challenge())
    assert lease is not None
    with pytest.raises(Killed), session.transaction():
        change_login(session, account.account, lease.epoch)
        raise Killed


@pytest.mark.parametrize("killed", [killed_after_raising, killed_before_its_commit, killed_after_changing])
def test_what_a_killed_leader_has_begun_is_finished_by_the_next(
    account: TakenAccount, killed: Callable[[TakenAccount, Session], None]
) -> None:
    former = account.take_over()
    with account.log_in(former) as client:
        with account.connect() as other:
            killed(account, other)
        newest = account.take_over()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        account.log_in(former)
    account.log_in(newest).close()


def test_a_takeover_whose_answer_was_lost_may_be_repeated(account: TakenAccount) -> None:
    seen, run = account.challenge()
    first = fence(account.session, account.database, account.account, seen, run)
    again = fence(account.session, account.database, account.account, seen, run)
    assert first is not None
    assert again is not None
    assert lease_of(account.session, account.account) == (run, seen.epoch + 1)
    account.log_in(again).close()


def test_an_account_that_is_led_is_not_taken(account: TakenAccount) -> None:
    login = account.take_over()
    seen = lease_of(account.session, account.account)
    assert seen is not None
    assert fence(account.session, account.database, account.account, seen, "another run") is None
    account.log_in(login).close()


def test_two_accounts_have_each_its_own_tables(postgres: PostgresServer, database: str) -> None:
    url = leaders_url(postgres, database)
    with TakenAccount(url, "work") as work, TakenAccount(url, "private") as private:
        with work.log_in(work.take_over()) as client:
            client.execute("CREATE TABLE whatsmeow_version (version int)")
        with private.log_in(private.take_over()) as client:
            tables = client.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_name ~ 'whats'"
            )
            assert tables.fetchall() == []
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute("SELECT * FROM keys_work.whatsmeow_version")


def test_a_database_that_trusts_everybody_is_refused() -> None:
    with postgres_server() as server:
        hba = server.data / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
        server.query("SELECT pg_reload_conf()")
        with (
            TakenAccount(leaders_url(server, server.new_database())) as account,
            pytest.raises(NotFencing, match="wrong password"),
        ):
            account.take_over()


def test_a_connection_that_opens_another_schema_is_refused(account: TakenAccount) -> None:
    login = account.take_over()
    account.session.execute(f"ALTER ROLE {login.role} SET search_path = public".encode())
    with pytest.raises(NotFencing, match="another schema"):
        check_login(account.session, login)


def test_a_login_that_is_not_answered_is_waited_for_no_longer_than_the_rest(
    account: TakenAccount, postgres: PostgresServer
) -> None:
    login = account.take_over()
    superuser = postgres.url(account.session.info.dbname)
    with psycopg.connect(superuser) as other:
        other.execute("LOCK TABLE pg_namespace IN ACCESS EXCLUSIVE MODE")
        account.session.deadline = account.session.monotonic() + 0.5
        with pytest.raises(psycopg.OperationalError):
            check_login(account.session, login)


def test_a_role_that_has_all_of_its_connections_is_no_fault_of_the_fence(account: TakenAccount) -> None:
    login = account.take_over()
    account.session.execute(f"ALTER ROLE {login.role} CONNECTION LIMIT 1".encode())
    with account.log_in(login), pytest.raises(Unavailable, match="no connection left"):
        check_login(account.session, login)


def test_a_server_that_has_no_connection_left_is_no_fault_of_the_fence(
    account: TakenAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = account.take_over()

    def refused(*_: object) -> NoReturn:
        raise psycopg.OperationalError("FATAL: sorry, too many clients already")

    full = "current_setting('max_connections')::int"
    monkeypatch.setattr(logins, "_connect_as", refused)
    monkeypatch.setattr(logins, "_IS_FULL", logins._IS_FULL.replace(full, "1"))
    with pytest.raises(Unavailable, match="no connection left"):
        check_login(account.session, login)


def test_an_account_has_few_connections(account: TakenAccount) -> None:
    login = account.take_over()
    limit = account.session.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", [login.role])
    assert limit.fetchone() == (20,)


def test_an_emptied_schema_holds_nothing_and_stays_with_the_account(account: TakenAccount) -> None:
    login = account.take_over()
    with account.log_in(login) as client:
        plant(client, login)
        client.execute("CREATE VIEW left_behind AS SELECT spy()")
    empty_schema(account.session, account.account)
    with account.log_in(login) as client:
        left = client.execute("SELECT to_regclass('left_behind'), to_regproc('spy')")
        assert left.fetchone() == (None, None)
        client.execute("CREATE TABLE of_the_next_client (key bytea)")
    check_login(account.session, login)


def test_no_password_reaches_a_statement_or_a_repr(
    account: TakenAccount, postgres: PostgresServer, database: str
) -> None:
    role = account.session.info.user
    postgres.query(f"ALTER ROLE {role} SET log_statement = 'all'")
    with account.connect() as logged:
        login = change_login(logged, account.account, account.epoch())
    log = (postgres.folder / "log").read_text()
    assert login.role in log
    assert login.password not in log
    assert login.password not in repr(login)
