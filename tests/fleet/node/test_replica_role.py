"""What the role of replicas may do: what they need, and nothing with messages, files or keys."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fleet.deploy.compose import FOLDER
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.node.replica_role import documented, replicas_url
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import (
    MIGRATIONS,
    REPLICA_RIGHTS,
    Database,
    Migration,
    NotPrepared,
    Right,
    connect,
    require_schema,
)
from whatsapp_fleet.keys import schema_of

_RIGHTS = """
SELECT relname, privilege FROM pg_class,
    unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
WHERE relnamespace = 'whatsapp_mcp'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, privilege)
"""
_MEMBER_OF = "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole"


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        taken.take_over()
        yield taken


def test_it_has_the_rights_that_replicas_need_and_no_others(
    postgres: PostgresServer, account: TakenAccount
) -> None:
    with psycopg.connect(replicas_url(postgres, account.database.url)) as connection:
        assert {Right(*row) for row in connection.execute(_RIGHTS)} == REPLICA_RIGHTS
        assert connection.execute(_MEMBER_OF).fetchone() == (0,)


@pytest.mark.parametrize(
    "table", ["log", "journal", "ledger", "account_files", "file_parts", "snapshot_parts"]
)
def test_it_reads_no_messages(postgres: PostgresServer, account: TakenAccount, table: str) -> None:
    with (
        psycopg.connect(replicas_url(postgres, account.database.url)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT FROM whatsapp_mcp.{table}".encode())


def test_it_reads_no_keys(postgres: PostgresServer, account: TakenAccount) -> None:
    with psycopg.connect(replicas_url(postgres, account.database.url)) as connection:
        may = "SELECT has_schema_privilege(%s, 'USAGE'), has_schema_privilege(%s, 'CREATE')"
        assert connection.execute(may, [schema_of(account.account)] * 2).fetchone() == (False, False)


def test_what_compose_grants_is_what_the_page_grants() -> None:
    grants = (FOLDER / "postgres" / "grants.sql").read_text(encoding="utf-8")
    assert documented("replica").partition("\n")[2].split() == grants.split()


def test_a_replica_is_told_what_is_missing(postgres: PostgresServer, database: str) -> None:
    newer = (*MIGRATIONS, Migration(MIGRATIONS[-1].version + 1, 1, ()))
    bare = Database(leaders_url(postgres, database), allow_asynchronous=True)
    with connect(bare) as session, pytest.raises(NotPrepared, match="no tables yet"):
        require_schema(session, MIGRATIONS, REPLICA_RIGHTS)
    with TakenAccount(leaders_url(postgres, database)) as account:
        with connect(bare) as session, pytest.raises(NotPrepared, match="lacks rights"):
            require_schema(session, MIGRATIONS, REPLICA_RIGHTS)
        url = replicas_url(postgres, account.database.url)
        with connect(Database(url, allow_asynchronous=True)) as session:
            require_schema(session, MIGRATIONS, REPLICA_RIGHTS)
            with pytest.raises(NotPrepared, match="start a node of this version first"):
                require_schema(session, newer, REPLICA_RIGHTS)
            with pytest.raises(NotPrepared, match="lacks rights"):
                require_schema(session, MIGRATIONS, {*REPLICA_RIGHTS, Right("log", "SELECT")})
