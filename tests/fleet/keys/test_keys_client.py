"""A client process whose keys are in PostgreSQL, on the simulated WhatsApp."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import trustme

from tests.client.client_process import PATIENCE, ClientUnderTest, client_process
from tests.client.test_calls import text
from tests.client.test_process import texts
from tests.fault_proxy import fault_proxy
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.postgres import PostgresServer, debian_binaries, postgres_server
from whatsapp_fleet.cli import CLIENT
from whatsapp_fleet.database import raise_epoch
from whatsapp_fleet.keys import Login, journal_address, keys_address
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.protocol import EXIT_FENCED, EXIT_NO_KEYS, EventCode
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.storage import JournalReader, KeysAddress
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

SAID = [f"message {number}" for number in range(20)]
KEEPS_RUNNING = """
import sys
from whatsapp_mcp.client import failures
failures.KeysFailure.is_told_by = lambda self, line: False
from whatsapp_fleet.client import journal_of
from whatsapp_mcp.client.__main__ import main
main(journal_of)
"""
"""A client process that does not end when its database fails."""


@pytest.fixture
async def wa() -> AsyncGenerator[WhatsApp]:
    async with WhatsApp(seed=11) as whatsapp:
        yield whatsapp


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


@asynccontextmanager
async def taken_over(
    account: TakenAccount,
    folder: Path,
    environment: Mapping[str, str],
    program: tuple[str, ...] = (),
    *,
    journaled: bool = False,
    port: int | None = None,
) -> AsyncGenerator[tuple[ClientUnderTest, Login]]:
    """The client process of a new leader, on a machine of its own; it reaches its keys at this port."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    login = await anyio.to_thread.run_sync(account.take_over)
    epoch = account.epoch()
    session = account.session
    journal = journal_address(session, login, account.account, epoch, allow_asynchronous=True)
    keys = keys_address(session, login)
    if port is not None:
        keys = KeysAddress(keys.location.replace(f"port={session.info.port}", f"port={port}"))
    storage = ClientStorage(keys, journal if journaled else None)
    async with client_process(
        folder, environment, generation=epoch, storage=storage, program=program or CLIENT
    ) as client:
        yield client, login


async def heard(client: ClientUnderTest, folder: Path, *said: str) -> list[str]:
    """What it has journaled, once that is so much."""
    await client.hear_of(lambda: len(texts(folder)) >= len(said))
    return texts(folder)


def texts_in(journal: JournalReader) -> list[str]:
    rows = [row for row in journal.read(0, 10_000) if row.code == EventCode.MESSAGE]
    found = [Neonize.Message.FromString(row.payload).Message.conversation for row in rows]
    return [said for said in found if said]


async def until_acknowledged(wa: WhatsApp) -> None:
    """Return once WhatsApp keeps no message for the client any more."""
    companion = wa.me.companion
    assert companion is not None
    await wa.me.network.until(lambda: not any(node.tag == "message" for node in companion.pending), PATIENCE)


async def test_a_phone_that_was_linked_on_one_machine_is_linked_on_the_next(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with taken_over(account, tmp_path / "one", wa.environment()) as (client, _):
        await client.link(wa.me)
        await ann.says("before")
        assert await heard(client, tmp_path / "one", "before") == ["before"]
    assert not (tmp_path / "one" / "client.db").exists()
    await wa.me.offline()
    await ann.says("meanwhile")
    async with taken_over(account, tmp_path / "two", wa.environment()) as (client, _):
        await client.call("connect")
        await client.hear_state(EventCode.CONNECTED)
        assert await heard(client, tmp_path / "two", "meanwhile") == ["meanwhile"]


async def test_what_a_fenced_client_receives_reaches_the_next_one(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with taken_over(account, tmp_path / "one", wa.environment()) as (fenced, _):
        await fenced.link(wa.me)
        await ann.says("hello")
        await heard(fenced, tmp_path / "one", "hello")
        await anyio.to_thread.run_sync(account.take_over)
        for said in SAID:
            await ann.says(said)
        assert await fenced.ended() == EXIT_NO_KEYS
    assert texts(tmp_path / "one") == ["hello"]
    await wa.me.offline()
    async with taken_over(account, tmp_path / "two", wa.environment()) as (client, _):
        await client.call("connect")
        assert sorted(await heard(client, tmp_path / "two", *SAID)) == sorted(SAID)


async def test_a_fenced_client_ends_when_it_is_to_send(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with taken_over(account, tmp_path / "one", wa.environment()) as (fenced, _):
        await fenced.link(wa.me)
        await anyio.to_thread.run_sync(account.take_over)
        with pytest.raises(NotConnected):
            await fenced.call("send_message", to=str(ann.pn), message=text("hello"))
        assert await fenced.ended() == EXIT_NO_KEYS
    assert not ann.inbox


@pytest.mark.parametrize("step", [b"FROM whatsmeow_sessions", b"FROM whatsmeow_identity_keys"])
async def test_a_message_is_not_sent_to_nobody_when_the_database_goes_while_it_is_encrypted(
    wa: WhatsApp, postgres: PostgresServer, account: TakenAccount, tmp_path: Path, step: bytes
) -> None:
    ann = wa.person("Ann")
    with fault_proxy(postgres.port) as proxy:
        async with taken_over(account, tmp_path, wa.environment(), port=proxy.port) as (client, _):
            await client.link(wa.me)
            await client.call("send_message", to=str(ann.pn), message=text("before"))
            proxy.refuse_from(step)
            with pytest.raises(NotConnected):
                await client.call("send_message", to=str(ann.pn), message=text("hello"))
            assert await client.ended() == EXIT_NO_KEYS
    assert [message.text for message in ann.inbox] == ["before"]


async def test_without_that_end_what_a_fenced_client_receives_is_lost(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    program = (sys.executable, "-c", KEEPS_RUNNING)
    async with taken_over(account, tmp_path / "one", wa.environment(), program) as (fenced, _):
        await fenced.link(wa.me)
        await ann.says("hello")
        await heard(fenced, tmp_path / "one", "hello")
        await anyio.to_thread.run_sync(account.take_over)
        for said in SAID:
            await ann.says(said)
        await until_acknowledged(wa)
    await wa.me.offline()
    async with taken_over(account, tmp_path / "two", wa.environment()) as (client, _):
        await client.call("connect")
        await client.hear_state(EventCode.CONNECTED)
        await ann.says("afterwards")
        assert await heard(client, tmp_path / "two", "afterwards") == ["afterwards"]


async def test_the_password_is_in_no_argument_variable_or_log(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    async with taken_over(account, tmp_path / "one", wa.environment()) as (client, login):
        await client.link(wa.me)
        process = Path("/proc") / str(client.process.pid)
        shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        account.session.execute(f"DROP SCHEMA {login.schema} CASCADE".encode())
        await wa.person("Ann").says("hello")
        assert await client.ended() == EXIT_NO_KEYS
    assert login.password.encode() not in shown
    written = b"".join(path.read_bytes() for path in (tmp_path / "one").iterdir())
    assert login.password.encode() not in written
    assert login.password.encode() not in client.stdout.bytes


async def test_what_a_client_receives_is_in_the_journal_of_the_database(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with taken_over(account, tmp_path / "one", wa.environment(), journaled=True) as (client, _):
        await client.link(wa.me)
        with account.journal() as journal:
            for said in SAID:
                await ann.says(said)
            await client.hear_of(lambda: len(texts_in(journal)) >= len(SAID))
            assert texts_in(journal) == SAID
            assert {row.generation for row in journal.read(0, 1_000)} == {1}
    assert not (tmp_path / "one" / "inbox.db").exists()


async def test_a_client_whose_epoch_is_over_ends_at_the_next_event(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with taken_over(account, tmp_path / "one", wa.environment(), journaled=True) as (client, _):
        await client.link(wa.me)
        seen, run = account.challenge()
        raise_epoch(account.session, account.account, seen, run)  # and its keys not yet taken away
        await ann.says("hello")
        assert await client.ended() == EXIT_FENCED
    await wa.me.offline()
    with account.journal() as journal:
        assert "hello" not in texts_in(journal)


@pytest.mark.skipif(debian_binaries() is None, reason="the installed PostgreSQL of the tests knows no TLS")
async def test_the_keys_are_reached_over_tls_that_is_verified(wa: WhatsApp, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    with postgres_server(authority=authority) as server:
        url = f"{leaders_url(server, server.new_database())}?sslmode=verify-full&sslrootcert={certificate}"
        with TakenAccount(url) as account:
            async with taken_over(account, tmp_path / "one", wa.environment()) as (client, login):
                await client.link(wa.me)
                secured = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                found = account.session.execute(f"{secured} WHERE usename = %s".encode(), [login.role])
                assert found.fetchall() == [(True,)]
