"""What a leader reads of the client library's tables, in a file and in PostgreSQL alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import pytest

from tests.client.client_process import client_process
from tests.client.test_calls import text
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.keys import PostgresKeys, keys_address, terminate_backends
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.outbox import DeliveryEvidence
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.storage import AppState, KeyStore, KeysUnreadable
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

TABLES = (
    "whatsmeow_device (jid text, lid text, push_name text, registration_id bigint)",
    "whatsmeow_lid_map (lid text, pn text)",
    "whatsmeow_app_state_sync_keys (key_id text)",
    "whatsmeow_app_state_version (name text)",
    "whatsmeow_app_state_mutation_macs (name text)",
    "whatsmeow_contacts (their_jid text, full_name text)",
    "whatsmeow_message_secrets (chat_jid text, sender_jid text, message_id text, key {bytes})",
    "whatsmeow_sessions (our_jid text, their_id text, session {bytes})",
    "whatsmeow_sender_keys (our_jid text, chat_id text, sender_id text, sender_key {bytes})",
)
"""The columns that are read of the library's tables."""
IDENTITIES = (
    "whatsmeow_identity_keys (our_jid text, their_id text, identity bytea, PRIMARY KEY (our_jid, their_id))"
)
PUT_IDENTITY = b"""
    INSERT INTO whatsmeow_identity_keys (our_jid, their_id, identity) VALUES (%s, %s, %s)
    ON CONFLICT (our_jid, their_id) DO UPDATE SET identity=excluded.identity
"""
"""As the library has it (whatsmeow, `store/sqlstore/store.go`)."""
WRITTEN = b"SELECT their_id, xmin::text FROM whatsmeow_identity_keys ORDER BY their_id"
"""Identity keys, and the transactions that wrote them."""
OWN = "15550001111:3@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
ANN, ANN_LID, BOB = "15550002222", "990002222", "15550003333"


@dataclass
class Stored:
    """A store, and what fills its tables as a client does.

    Attributes:
        kind: `file` or `database`.
        insert: Takes a table and a row.
        make_tables: Makes them, as the first client does.
        fail: Makes what comes next unreadable.
    """

    kind: str
    store: KeyStore
    insert: Callable[..., None]
    make_tables: Callable[[], None]
    fail: Callable[[], None]


def in_file(path: Path) -> Stored:
    def run(statement: str, row: tuple[object, ...] = ()) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(statement, row)

    def make() -> None:
        for table in TABLES:
            run(f"CREATE TABLE {table.format(bytes='blob')}")

    def insert(table: str, *row: object) -> None:
        run(f"INSERT INTO whatsmeow_{table} VALUES ({', '.join('?' * len(row))})", row)

    return Stored("file", FileKeys(path), insert, make, lambda: path.unlink())


def in_database(account: TakenAccount) -> Stored:
    login = account.take_over()

    def run(statement: str, row: tuple[object, ...] = ()) -> None:
        with account.log_in(login) as client:
            client.execute(statement.encode(), row)

    def make() -> None:
        for table in TABLES:
            run(f"CREATE TABLE {table.format(bytes='bytea')}")

    def insert(table: str, *row: object) -> None:
        run(f"INSERT INTO whatsmeow_{table} VALUES ({', '.join(['%s'] * len(row))})", row)

    def fail() -> None:
        for table in TABLES:
            run(f"DROP TABLE {table.split()[0]}")

    return Stored("database", PostgresKeys(account.database, login), insert, make, fail)


@pytest.fixture(params=["file", "database"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stored]:
    """A store that no client has ever used."""
    if request.param == "file":
        yield in_file(tmp_path / "client.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with TakenAccount(leaders_url(server, request.getfixturevalue("database"))) as account:
        stored = in_database(account)
        with closing(stored.store):
            yield stored


@pytest.fixture
def stored(empty: Stored) -> Stored:
    """A store with the tables of a linked device."""
    empty.make_tables()
    empty.insert("device", OWN, "77:3@lid", "Me", 5)
    empty.insert("lid_map", ANN_LID, ANN)
    return empty


async def test_a_store_that_no_client_has_used_holds_no_device(empty: Stored) -> None:
    assert await empty.store.device() is None
    assert not await empty.store.reset_address_book()


async def test_the_linked_device_is_found(stored: Stored) -> None:
    device = await stored.store.device()
    assert device is not None
    assert (str(device.jid), device.lid, device.name, device.registration) == (OWN, "77@lid", "Me", 5)


async def test_a_number_is_known_by_its_lid(stored: Stored) -> None:
    assert await stored.store.lid_of(Jid.parse(f"{ANN}@s.whatsapp.net")) == f"{ANN_LID}@lid"
    assert await stored.store.lid_of(Jid.parse(f"{BOB}@s.whatsapp.net")) is None


async def test_the_address_book_is_looked_for_and_reset_while_it_has_no_names(stored: Stored) -> None:
    assert await stored.store.app_state() == AppState(False, False)
    stored.insert("app_state_sync_keys", "k")
    stored.insert("app_state_version", "critical_unblock_low")
    assert await stored.store.app_state() == AppState(True, False)
    assert await stored.store.reset_address_book()
    assert not await stored.store.reset_address_book()
    stored.insert("app_state_version", "critical_unblock_low")
    stored.insert("contacts", f"{ANN}@s.whatsapp.net", "Ann")
    assert await stored.store.app_state() == AppState(True, True)
    assert not await stored.store.reset_address_book()


async def test_a_message_is_found_by_its_secret_and_by_its_id(stored: Stored) -> None:
    stored.insert("message_secrets", GROUP, f"{ANN_LID}@lid", "ID1", b"one")
    stored.insert("message_secrets", GROUP, f"{BOB}@s.whatsapp.net", "ID2", b"two")
    assert await stored.store.message_id(b"one") == "ID1"
    assert await stored.store.message_id(b"three") is None
    assert await stored.store.named_in("ID1") == [(GROUP, f"{ANN_LID}@lid")]
    assert await stored.store.named_in("ID3") == []
    assert await stored.store.sender_in(GROUP, "ID1") == ("ID1", f"{ANN_LID}@lid")
    assert await stored.store.sender_in(GROUP, "ID3") == ("ID2", f"{BOB}@s.whatsapp.net")
    assert await stored.store.sender_in("1@g.us", "ID1") is None


async def test_the_sessions_of_a_person_are_those_of_both_addresses(stored: Stored) -> None:
    for address, key in (
        (f"{ANN}:0", b"a"),
        (f"{ANN_LID}_1:4", b"b"),
        (f"{ANN}9:0", b"c"),
        (f"{BOB}.0:0", b"d"),
    ):
        stored.insert("sessions", OWN, address, key)
    stored.insert("sessions", "another", f"{ANN}:7", b"e")
    for user in (ANN, ANN_LID):
        users, keys = await stored.store.sessions(user)
        assert len(users) == 2
        assert keys == [(f"{ANN}:0", b"a"), (f"{ANN_LID}_1:4", b"b")]
    users, keys = await stored.store.sessions(BOB)
    assert (len(users), keys) == (1, [(f"{BOB}.0:0", b"d")])
    assert (await stored.store.sessions("1")).keys == []


async def test_the_own_keys_to_a_group_are_those_of_the_own_addresses(stored: Stored) -> None:
    stored.insert("sender_keys", OWN, GROUP, f"{ANN_LID}_1:3", b"a")
    stored.insert("sender_keys", OWN, "1@g.us", f"{ANN_LID}_1:3", b"b")
    stored.insert("sender_keys", OWN, GROUP, f"{BOB}:0", b"c")
    users, keys = await stored.store.own_keys(GROUP, ANN)
    assert (len(users), keys) == (2, [(f"{ANN_LID}_1:3", b"a")])


async def test_what_cannot_be_read_is_said_to_be_so(stored: Stored) -> None:
    stored.fail()
    with pytest.raises(KeysUnreadable):
        await stored.store.sessions(ANN)
    with pytest.raises(KeysUnreadable):
        await stored.store.lid_of(Jid.parse(f"{ANN}@s.whatsapp.net"))


async def test_what_was_forgotten_is_gone(stored: Stored) -> None:
    await stored.store.forget()
    assert await stored.store.device() is None


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


async def test_a_former_leader_forgets_no_keys_of_its_successor(account: TakenAccount) -> None:
    former = in_database(account)
    former.make_tables()
    former.insert("device", OWN, None, None, 5)
    newer = in_database(account)
    with closing(former.store), closing(newer.store):
        with pytest.raises(KeysUnreadable):
            await former.store.forget()
        with pytest.raises(KeysUnreadable):
            await former.store.reset_address_book()
        assert await newer.store.device() is not None


async def test_a_store_whose_connection_was_ended_opens_another(account: TakenAccount) -> None:
    stored = in_database(account)
    stored.make_tables()
    with closing(stored.store):
        assert await stored.store.device() is None
        terminate_backends(account.session, account.database, account.account)
        assert await stored.store.device() is None


async def test_the_system_is_named_by_server_and_timeline(account: TakenAccount) -> None:
    with closing(PostgresKeys(account.database, account.take_over())) as store:
        assert store.system() is None
        await store.device()
        system, _, timeline = (store.system() or "").partition("/")
        assert system.isdecimal()
        assert timeline == "00000001"


@pytest.mark.parametrize(
    ("their_id", "identity", "is_written"),
    [("ann", b"first", False), ("ann", b"second", True), ("bob", b"first", True)],
    ids=["stored already", "another key", "another person"],
)
async def test_an_identity_key_is_written_unless_it_is_stored_already(
    account: TakenAccount, their_id: str, identity: bytes, is_written: bool
) -> None:
    login = account.take_over()
    with account.log_in(login) as client, closing(PostgresKeys(account.database, login)) as store:
        client.execute(f"CREATE TABLE {TABLES[0]}".encode())
        client.execute(f"CREATE TABLE {IDENTITIES}".encode())
        client.execute(PUT_IDENTITY, [OWN, "ann", b"first"])
        client.execute(b"INSERT INTO whatsmeow_device VALUES (%s, '77:3@lid', 'Me', 5)", [OWN])
        await store.device()
        with client.transaction():
            client.execute(PUT_IDENTITY, [OWN, their_id, identity])
            [written] = client.execute("SELECT pg_current_xact_id_if_assigned()").fetchall()
        [kept] = client.execute(
            "SELECT identity FROM whatsmeow_identity_keys WHERE their_id = %s", [their_id]
        ).fetchall()
    assert (written[0] is not None, kept[0]) == (is_written, identity)


async def test_a_login_does_not_wait_for_a_table_that_the_library_uses(account: TakenAccount) -> None:
    login = account.take_over()
    with account.log_in(login) as client, closing(PostgresKeys(account.database, login)) as store:
        client.execute(f"CREATE TABLE {TABLES[0]}".encode())
        client.execute(f"CREATE TABLE {IDENTITIES}".encode())
        client.execute(b"INSERT INTO whatsmeow_device VALUES (%s, '77:3@lid', 'Me', 5)", [OWN])
        for is_busy in (True, False):
            with client.transaction(force_rollback=True):
                if is_busy:
                    client.execute(PUT_IDENTITY, [OWN, "ann", b"first"])
                assert await store.device() is not None
            [made] = client.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchall()
            assert made == (not is_busy,)


async def test_with_each_send_of_a_real_client_the_keys_of_a_chat_move_on_and_no_identity_is_written_again(
    account: TakenAccount, tmp_path: Path
) -> None:
    async with WhatsApp(seed=11) as wa:
        ann = wa.person("Ann")
        login = await anyio.to_thread.run_sync(account.take_over)
        storage = ClientStorage(keys_address(account.session, login))
        with closing(PostgresKeys(account.database, login)) as store:
            async with client_process(tmp_path, wa.environment(), storage=storage) as client:
                await client.link(wa.me)
                await client.call("send_message", to=str(ann.pn), message=text("one"))
                device = await store.device()
                assert device is not None
                assert device.number == wa.me.pn.number
                evidence = DeliveryEvidence(
                    store, device=lambda: device, generation=lambda: 1, ended=lambda generation: True
                )
                with account.log_in(login) as own:
                    identities = own.execute(WRITTEN).fetchall()
                before = await evidence.name_hand_over(str(ann.pn))
                assert before == await evidence.name_hand_over(str(ann.pn))
                assert await evidence.was_not_encrypted(before, str(ann.pn))
                await client.call("send_message", to=str(ann.pn), message=text("two"))
                assert not await evidence.was_not_encrypted(before, str(ann.pn))
                with account.log_in(login) as own:
                    assert own.execute(WRITTEN).fetchall() == identities != []
