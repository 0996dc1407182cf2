"""Whole accounts that are led in a database: messages, sends, and how a leadership ends."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from tests import simulated
from tests.fault_proxy import fault_proxy
from tests.fleet.keys.taken import PATIENCE, TakenAccount, leaders_url
from tests.fleet.leading import LIMIT, led
from tests.fleet.object_stores import objects_of, store_of
from tests.fleet.postgres import PostgresServer
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import ConnectionState, FileContent, SendRequest, SendStatus, TextContent
from whatsapp_mcp.storage import Fenced, Refused, Rewound, Unavailable
from whatsapp_mcp.system import boottime
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

_LOSE = """
WITH lost AS (
    DELETE FROM whatsapp_mcp.log WHERE account = %s AND seq = (SELECT max(seq) FROM whatsapp_mcp.log)
)
UPDATE whatsapp_mcp.heads SET seq = seq - 1 WHERE account = %s AND stream = 'log'
"""
_FULL = """
CREATE FUNCTION whatsapp_mcp.full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON whatsapp_mcp.journal
FOR EACH ROW EXECUTE FUNCTION whatsapp_mcp.full_disk()
"""
"""What a database answers whose disk is full."""
_SNAPSHOT: Final = "SELECT count(*) FROM whatsapp_mcp.snapshot_pointers"
_HOLD: Final = "SELECT FROM whatsapp_mcp.heads WHERE account = %s AND stream = 'journal' FOR UPDATE"
"""Leaves every append to the journal unanswered."""
_NOT_OPENED = "The client library or the journal could not be opened; client.log says why."


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=23) as whatsapp:
        simulated.use(whatsapp, monkeypatch, "whatsapp_fleet.client")
        yield whatsapp


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


async def test_an_account_goes_on_where_its_former_leader_ended_on_a_machine_that_has_nothing_of_it(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await ann.says("before")
        await former.archived("before")
        generation = (await former.device.do(control.status)).generation
    assert account.session.execute(_SNAPSHOT).fetchone() == (1,), "it ended in order"
    await wa.me.offline()
    await ann.says("meanwhile")
    async with led(account, tmp_path / "two") as leader:
        status = await leader.until(ConnectionState.ONLINE)
        assert status.generation > generation
        await leader.archived("before", "meanwhile")
        sent = await leader.device.do(sends.send, SendRequest(str(ann.pn), TextContent("after"), wait=20.0))
        assert sent.status is SendStatus.SENT
    assert [one.text for one in ann.inbox] == ["after"]
    assert not list((tmp_path / "two").rglob("client.db"))
    assert not list((tmp_path / "two").rglob("inbox.db"))


async def test_files_and_the_snapshot_are_in_the_object_store_and_without_it_only_files_are_refused(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    account.database = replace(account.database, objects=store_of("folder", tmp_path))
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as leader:
        await leader.link(wa)
        await ann.says("before")
        await leader.archived("before")
        path = anyio.Path(leader.home / "accounts" / "work" / "media" / "outgoing" / "5f1c.txt")
        await path.parent.mkdir(parents=True, exist_ok=True)
        await path.write_bytes(b"the plan")
        plan = SendRequest(str(ann.pn), FileContent("document", str(path), "text/plain"), wait=20.0)
        await anyio.Path(tmp_path / "objects").rename(tmp_path / "away")
        with pytest.raises(Busy, match="cannot be stored"):
            await leader.device.do(sends.send, plan)
        words = await leader.device.do(sends.send, SendRequest(str(ann.pn), TextContent("words"), wait=20.0))
        assert words.status is SendStatus.SENT
        await anyio.Path(tmp_path / "away").rename(tmp_path / "objects")
        assert (await leader.device.do(sends.send, plan)).status is SendStatus.SENT
        assert len(objects_of(account.database)) == 1
        await leader.led.archive.snapshot()
        assert len(objects_of(account.database)) == 2
    async with led(account, tmp_path / "two") as leader:
        await leader.archived("before", "words")


async def test_a_leader_that_is_fenced_ends_and_its_calls_say_that_another_takes_over(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await anyio.to_thread.run_sync(account.take_over)
        with pytest.raises(Busy):
            await former.device.do(sends.send, SendRequest(str(ann.pn), TextContent("too late")))
        with anyio.fail_after(LIMIT):
            assert isinstance(await former.led.wait_ended(), Fenced)
    async with led(account, tmp_path / "two") as leader:
        await leader.until(ConnectionState.ONLINE)
        assert await leader.texts() == []
    assert not ann.inbox


async def test_a_leader_that_only_listens_ends_when_it_is_fenced(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await anyio.to_thread.run_sync(account.take_over)
        await ann.says("for the next one")
        with anyio.fail_after(LIMIT):
            assert isinstance(await former.led.wait_ended(), Fenced)
    assert account.session.execute(_SNAPSHOT).fetchone() == (0,)
    await wa.me.offline()
    async with led(account, tmp_path / "two") as leader:
        await leader.archived("for the next one")


async def test_a_leadership_ends_before_its_lease_and_its_client_with_it(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    until = [boottime() + 3600]
    async with led(account, tmp_path / "one", until=lambda: until[0]) as former:
        await former.link(wa)
        until[0] = boottime() + 3
        with anyio.fail_after(LIMIT):
            assert isinstance(await former.led.wait_ended(), Unavailable)
        assert boottime() < until[0]
    assert not [one for one in caplog.messages if "is started again" in one]
    await wa.me.offline()
    async with led(account, tmp_path / "one") as again:
        await again.until(ConnectionState.ONLINE)


async def test_a_session_that_is_replaced_while_the_lease_holds_is_begun_again_once(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    async with led(account, tmp_path / "one", returns_after=0.5) as leader:
        await leader.link(wa)
        generation = (await leader.device.do(control.status)).generation
        await wa.replaced()
        assert (await leader.until(ConnectionState.REPLACED)).until is not None
        assert (await leader.until(ConnectionState.ONLINE)).generation == generation + 1
        await wa.replaced()
        assert (await leader.until(ConnectionState.REPLACED)).until is None


async def test_the_next_client_of_a_leader_goes_on_after_one_that_was_killed(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as leader:
        await leader.link(wa)
        status = await leader.device.do(control.status)
        generation = status.generation
        pid = (await leader.device.do(control.figures)).client_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with anyio.fail_after(LIMIT):
            while status.generation == generation:
                await anyio.sleep(0.02)
                status = await leader.until(ConnectionState.ONLINE)
        assert status.generation == generation + 1
        await ann.says("to the next client")
        await leader.archived("to the next client")
        sent = await leader.device.do(sends.send, SendRequest(str(ann.pn), TextContent("from it"), wait=20.0))
        assert sent.status is SendStatus.SENT


async def test_the_end_of_a_leadership_waits_for_no_database_that_does_not_answer(
    wa: WhatsApp, postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    until = [boottime() + 3600]
    with fault_proxy(postgres.port) as proxy:
        url = leaders_url(postgres, database).replace(f":{postgres.port}/", f":{proxy.port}/")
        with TakenAccount(url) as account, anyio.CancelScope() as scope:
            async with led(account, tmp_path / "one", until=lambda: until[0]) as leader:
                await leader.link(wa)
                until[0] = boottime()
                await leader.led.wait_ended()
                proxy.hold()
                scope.deadline = anyio.current_time() + PATIENCE / 2
        proxy.release()
    assert not scope.cancel_called


async def test_a_database_that_lacks_what_an_archive_has_is_led_by_nobody(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await ann.says("before")
        await former.archived("before")
    account.session.execute(_LOSE, [account.account] * 2)
    with pytest.raises(Rewound):
        async with led(account, tmp_path / "one"):
            pass


async def test_a_client_does_not_log_in_while_the_journal_takes_no_rows(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    said = [f"message {number}" for number in range(150)]
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
    await wa.me.offline()
    account.session.execute(_FULL)
    for one in said:
        await ann.says(one)
    async with led(account, tmp_path / "one") as leader:
        with anyio.fail_after(LIMIT):
            while (await leader.device.do(control.status)).reason != _NOT_OPENED:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        account.session.execute("DROP TRIGGER full_disk ON whatsapp_mcp.journal")
        await leader.until(ConnectionState.ONLINE)
        with anyio.fail_after(LIMIT):
            while (await leader.led.archive.statistics()).messages < len(said):  # noqa: ASYNC110
                await anyio.sleep(0.05)


async def test_a_client_leaves_whatsapp_while_the_journal_does_not_answer_and_connects_again(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    said = [f"message {number}" for number in range(150)]
    async with led(account, tmp_path / "one") as leader:
        await leader.link(wa)
        with account.session.transaction():
            account.session.execute(_HOLD, [account.account])
            for one in said:
                await ann.says(one)
            await wa.me.offline()
        with anyio.fail_after(LIMIT):
            while (await leader.led.archive.statistics()).messages < len(said):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        await leader.until(ConnectionState.ONLINE)


async def test_a_client_whose_events_the_journal_does_not_take_ends_the_leadership(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as leader:
        await leader.link(wa)
        # A full disk is retried for as long as a database that does not answer; this is refused at once.
        account.session.execute(_FULL.replace("disk_full", "check_violation"))
        await ann.says("hello")
        with anyio.fail_after(LIMIT):
            assert isinstance(await leader.led.wait_ended(), Refused)
