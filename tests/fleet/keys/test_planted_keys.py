"""What a client that was taken over plants among its keys costs its own account alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url, plant, ran_as
from tests.fleet.keys.test_key_store import OWN, TABLES
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.keys import PostgresKeys, plain_tables
from whatsapp_mcp.storage import KeysUnreadable

pytestmark = pytest.mark.anyio

ANN = "15550002222"


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


def made(client: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the tables, with a linked device."""
    for table in TABLES:
        client.execute(f"CREATE TABLE {table.format(bytes='bytea')}".encode())
    client.execute(b"INSERT INTO whatsmeow_device VALUES (%s, NULL, 'Me', 5)", [OWN])


def sessions(client: psycopg.Connection[tuple[object, ...]], count: int, size: int) -> None:
    """Plant sessions with one person."""
    client.execute(
        b"INSERT INTO whatsmeow_sessions SELECT %s, %s || n, convert_to(repeat('x', %s), 'UTF8')"
        b" FROM generate_series(1, %s) AS n",
        [OWN, f"{ANN}:", size, count],
    )


@pytest.mark.parametrize(("count", "size"), [(5, 1_000), (30, 1), (1, 4_000)])
async def test_more_of_a_chat_than_a_leader_can_hold_is_not_read(
    account: TakenAccount, monkeypatch: pytest.MonkeyPatch, count: int, size: int
) -> None:
    monkeypatch.setattr(plain_tables, "MOST_ROWS", 20)
    monkeypatch.setattr(plain_tables, "MOST_BYTES", 5_000)
    login = account.take_over()
    with account.log_in(login) as client, closing(PostgresKeys(account.database, login)) as store:
        made(client)
        sessions(client, 3, 20)
        assert len((await store.sessions(ANN)).keys) == 3
        client.execute(b"DELETE FROM whatsmeow_sessions")
        sessions(client, count, size)
        with pytest.raises(KeysUnreadable, match="too many"):
            await store.sessions(ANN)
        assert await store.device() is not None  # what is not too large is read


CODE = {
    "a view": "DROP TABLE whatsmeow_device; CREATE VIEW whatsmeow_device AS"
    " SELECT spy() AS jid, spy() AS lid, '' AS push_name, 5 AS registration_id",
    "a policy": "CREATE POLICY spying ON whatsmeow_device USING (spy() IS NULL);"
    " ALTER TABLE whatsmeow_device ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "an index": "ALTER FUNCTION spy() IMMUTABLE; CREATE INDEX ON whatsmeow_device ((jid || spy()))",
    "a rule": "CREATE RULE spying AS ON UPDATE TO whatsmeow_device DO ALSO SELECT spy()",
    "a type": "DROP TABLE whatsmeow_device; CREATE DOMAIN told AS text; CREATE TABLE whatsmeow_device"
    " (jid told, lid text, push_name text, registration_id bigint)",
    "a trigger": "CREATE TRIGGER spying BEFORE DELETE ON whatsmeow_app_state_version"
    " FOR EACH STATEMENT EXECUTE FUNCTION spy_on_rows()",
    "a condition of a trigger": "CREATE TRIGGER spying BEFORE DELETE ON whatsmeow_app_state_version"
    " FOR EACH ROW WHEN (spy() IS NULL) EXECUTE FUNCTION whatsapp_mcp.skip_stored_identity()",
    "a trigger of a table that refers to one": "ALTER TABLE whatsmeow_app_state_version"
    " ADD PRIMARY KEY (name);"
    " CREATE TABLE told (name text REFERENCES whatsmeow_app_state_version ON DELETE CASCADE);"
    " CREATE TRIGGER spying BEFORE DELETE ON told FOR EACH STATEMENT EXECUTE FUNCTION spy_on_rows()",
    "a rule of a table that refers to one": "ALTER TABLE whatsmeow_app_state_version"
    " ADD PRIMARY KEY (name);"
    " CREATE TABLE told (name text REFERENCES whatsmeow_app_state_version ON DELETE CASCADE);"
    " CREATE RULE spying AS ON DELETE TO told DO INSTEAD SELECT spy()",
    "a table of another": "CREATE TABLE more () INHERITS (whatsmeow_device)",
}


@pytest.mark.parametrize("reads", [0, 7], ids=["before all", "when its statements are prepared"])
@pytest.mark.parametrize("planted", CODE.values(), ids=CODE)
async def test_code_that_a_client_has_planted_among_its_keys_does_not_run(
    account: TakenAccount, planted: str, reads: int
) -> None:
    login = account.take_over()
    with account.log_in(login) as client, closing(PostgresKeys(account.database, login)) as store:
        made(client)
        for _ in range(reads):
            assert await store.device() is not None
        plant(client, login)
        for statement in planted.split("; "):
            client.execute(statement.encode())
        client.execute(b"SELECT setval('as_itself', 1, false)")  # who plants may run it
        with pytest.raises(KeysUnreadable, match="not as the client library keeps them"):
            await store.device()  # which runs no trigger, so that one of another table does not matter
            await store.reset_address_book()
        with suppress(KeysUnreadable):
            await store.reset_address_book()
        assert ran_as(client) == (False, False)


async def test_what_stands_in_the_schema_beside_the_tables_is_not_found_by_name(
    account: TakenAccount,
) -> None:
    login = account.take_over()
    with account.log_in(login) as client, closing(PostgresKeys(account.database, login)) as store:
        made(client)
        plant(client, login)
        client.execute(b"ALTER TABLE whatsmeow_lid_map ALTER pn TYPE varchar")
        client.execute(
            b"CREATE FUNCTION equals(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT spy() IS NULL'"
        )
        client.execute(b"CREATE OPERATOR = (FUNCTION = equals, LEFTARG = varchar, RIGHTARG = text)")
        assert (await store.sessions(ANN)).users == [ANN]
        assert ran_as(client) == (False, False)
