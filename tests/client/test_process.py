"""The client process, run against a simulated WhatsApp: its pipes, its journal, its end."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.client.client_process import NOWHERE, PATIENCE, ClientUnderTest, client_process
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.client.pipes import LeaderSendStream
from whatsapp_mcp.client.protocol import (
    ENDED,
    EXIT_BAD_ARGUMENTS,
    EXIT_DONE,
    EXIT_NO_LIBRARY,
    JOURNALED,
    QR,
    STUCK,
    UNSTUCK,
    EventCode,
)
from whatsapp_mcp.errors import Busy, InvalidArgument, NotConnected
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.storage import JournalRow
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

SOON = 2.0
DATABASES = ("inbox.db", "client.db")
LIBRARY_WAITS = 9.0
"""Seconds in which the library gives up a database that is locked (5 s), and more."""


def messages(folder: Path) -> list[JournalRow]:
    with Journal(folder / "inbox.db") as journal:
        return [event for event in journal.read(0, 10_000) if event.code == EventCode.MESSAGE]


def texts(folder: Path) -> list[str]:
    decoded = [Neonize.Message.FromString(event.payload) for event in messages(folder)]
    found = [each.Message.conversation for each in decoded]
    return [text for text in found if text]


async def journaled_texts(client: ClientUnderTest, folder: Path, count: int) -> list[str]:
    # A later event that is told by itself may be what tells of a message.
    await client.hear_of(lambda: len(texts(folder)) >= count)
    return texts(folder)


async def test_only_frames_reach_the_host_whatever_the_library_prints(
    wa: WhatsApp, linked: ClientUnderTest, tmp_path: Path
) -> None:
    await linked.call("probe")
    assert "Login event" in (tmp_path / "client.log").read_text()
    lines = linked.stdout.bytes.splitlines()
    assert lines
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)


@pytest.mark.parametrize("state", ["idle", "qr", "online", "dialing"])
async def test_it_ends_when_the_host_closes_the_pipe(
    wa: WhatsApp, client: ClientUnderTest, state: str
) -> None:
    match state:
        case "qr":
            await client.call("connect")
            await client.hear(QR)
        case "online":
            await client.link(wa.me)
        case "dialing":
            wa.swallow_websocket()
            await client.call("connect")
        case _:
            pass
    assert client.process.stdin is not None
    await client.process.stdin.aclose()
    assert await client.ended(SOON) == EXIT_DONE


@pytest.mark.parametrize("drain", [0, 0.5])
async def test_it_ends_when_told(linked: ClientUnderTest, drain: float) -> None:
    with pytest.raises(NotConnected):
        await linked.call("exit", drain=drain)
    assert await linked.ended(SOON) == EXIT_DONE


async def test_it_ends_when_told_during_a_dial_that_hangs(wa: WhatsApp, client: ClientUnderTest) -> None:
    wa.swallow_connect()
    await client.call("connect")
    with pytest.raises(NotConnected):
        await client.call("exit", drain=0.2)
    assert await client.ended(SOON) == EXIT_DONE


async def test_telling_a_host_that_is_gone_does_not_end_it_before_all_is_journaled() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with anyio.move_on_after(0.1) as scope:
        await LeaderSendStream(writing).send(b"news")
    os.close(writing)
    assert scope.cancelled_caught


async def test_the_terminals_interrupt_does_not_end_it(linked: ClientUnderTest) -> None:
    assert os.getsid(linked.process.pid) == linked.process.pid
    linked.process.send_signal(signal.SIGINT)
    assert await linked.call("is_logged_in") is True


async def test_a_message_is_in_the_journal_before_it_is_announced(
    wa: WhatsApp, linked: ClientUnderTest, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    await ann.says("first")
    await ann.says("second")
    assert await journaled_texts(linked, tmp_path, 2) == ["first", "second"]
    assert {event.generation for event in messages(tmp_path)} == {1}
    told = [params["seq"] for method, params in linked.heard if method == JOURNALED]
    assert told == sorted(told)


async def test_a_commit_of_the_librarys_keys_waits_for_the_disk_once(
    linked: ClientUnderTest, tmp_path: Path
) -> None:
    header = (tmp_path / "client.db").read_bytes()[:20]
    assert header[18:] == b"\2\2"  # a file with a log (sqlite.org/fileformat2.html, 1.3.3)


async def test_the_journal_survives_a_kill_and_the_next_generation_goes_on(
    wa: WhatsApp, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with client_process(tmp_path, wa.environment()) as client:
        await client.link(wa.me)
        await ann.says("before")
        await journaled_texts(client, tmp_path, 1)
        client.process.kill()
        await client.ended(SOON)
    await wa.me.offline()
    await ann.says("meanwhile")
    async with client_process(tmp_path, wa.environment(), generation=2) as client:
        await client.call("connect")
        assert await journaled_texts(client, tmp_path, 2) == ["before", "meanwhile"]
    generations = [event.generation for event in messages(tmp_path)]
    assert (generations[0], generations[-1]) == (1, 2)


async def test_a_soft_end_keeps_what_whatsapp_was_told_is_delivered(wa: WhatsApp, tmp_path: Path) -> None:
    ann = wa.person("Ann")
    said = [f"message {number}" for number in range(60)]
    async with client_process(tmp_path, wa.environment()) as client:
        await client.link(wa.me)
        for text in said:
            await ann.says(text)
        await journaled_texts(client, tmp_path, 1)
        with pytest.raises(NotConnected):
            await client.call("exit", drain=2.0)
        await client.ended(5)
    await wa.me.offline()
    async with client_process(tmp_path, wa.environment(), generation=2) as client:
        await client.call("connect")
        kept = await journaled_texts(client, tmp_path, len(said))
    assert sorted(set(kept)) == sorted(said)


async def test_a_journal_that_cannot_be_written_is_told_and_nothing_is_lost(
    wa: WhatsApp, linked: ClientUnderTest, tmp_path: Path
) -> None:
    lock = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    try:
        lock.execute("BEGIN IMMEDIATE")
        await wa.person("Ann").says("during")
        assert "locked" in (await linked.hear(STUCK))["error"]
        assert texts(tmp_path) == []
        await wa.me.offline()
        lock.execute("ROLLBACK")
    finally:
        lock.close()
    await linked.hear(UNSTUCK)
    await linked.hear(ENDED)
    assert await journaled_texts(linked, tmp_path, 1) == ["during"]


async def test_a_dial_that_fails_ends_and_connecting_again_works(
    wa: WhatsApp, client: ClientUnderTest
) -> None:
    await wa.refuse()
    await client.call("connect")
    assert (await client.hear(ENDED))["error"]
    wa.recover()
    await client.link(wa.me)
    assert await client.call("is_logged_in") is True


async def test_connecting_twice_is_refused(wa: WhatsApp, linked: ClientUnderTest) -> None:
    with pytest.raises(Busy):
        await linked.call("connect")


async def test_one_that_logged_out_does_not_ask_to_stay_for_an_address_book_that_cannot_come(
    wa: WhatsApp, linked: ClientUnderTest, tmp_path: Path
) -> None:
    wa.me.app_state.share_key()
    await linked.hear_of(lambda: any(_shares_key(event.payload) for event in messages(tmp_path)))
    await linked.call("logout")
    assert linked.process.stdin is not None
    await linked.process.stdin.aclose()
    assert await linked.ended(PATIENCE) == EXIT_DONE
    assert (tmp_path / "client.lock").read_text() == str(linked.process.pid)


def _shares_key(payload: bytes) -> bool:
    return Neonize.Message.FromString(payload).Message.protocolMessage.HasField("appStateSyncKeyShare")


async def test_the_first_qr_text_lives_for_a_minute(client: ClientUnderTest) -> None:
    await client.call("connect")
    qr = await client.hear(QR)
    assert qr["lifetime"] == 60
    assert qr["text"].startswith("https://wa.me/settings/linked_devices#")


async def test_a_pairing_code_links(wa: WhatsApp, client: ClientUnderTest) -> None:
    await client.call("connect")
    await client.hear(QR)
    code = await client.call("pair_phone", number=f"+{wa.me.pn.user}")
    await wa.me.enter_code(code)
    await client.hear_state(EventCode.CONNECTED)


@pytest.mark.parametrize("number", ["", "12a", "+49 1"])
async def test_a_pairing_code_needs_a_number(client: ClientUnderTest, number: str) -> None:
    with pytest.raises(InvalidArgument):
        await client.call("pair_phone", number=number)


async def test_a_pairing_code_is_made_only_while_linking(client: ClientUnderTest) -> None:
    with pytest.raises(NotConnected):
        await client.call("pair_phone", number="15550001111")


@pytest.mark.parametrize(("history", "full"), [("recent", False), ("full", True)])
async def test_the_companion_introduces_itself_as_set(
    wa: WhatsApp, tmp_path: Path, history: str, full: bool
) -> None:
    async with client_process(tmp_path, wa.environment(), history=history) as client:
        await client.link(wa.me)
    assert wa.me.companion is not None
    props = wa.me.companion.device_props
    assert (props.os, props.requireFullSync) == ("Test", full)


async def test_a_dead_pump_is_told(wa: WhatsApp, linked: ClientUnderTest) -> None:
    wa.failure(418)
    await wa.cut()
    assert "required field" in (await linked.hear(ENDED))["error"]


async def test_its_files_are_private(linked: ClientUnderTest, tmp_path: Path) -> None:
    names = {"client.db", "inbox.db"}
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names}
    assert modes == {0o600}


async def test_it_runs_on_a_system_without_libmagic(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes\n"
        "load = ctypes.CDLL.__init__\n"
        "def init(self, name, *args, **options):\n"
        "    if str(name).startswith('libmagic'):\n"
        "        raise OSError(f'{name}: cannot open shared object file')\n"
        "    load(self, name, *args, **options)\n"
        "ctypes.CDLL.__init__ = init\n"
    )
    environment = {**NOWHERE, "PYTHONPATH": str(tmp_path)}
    without = [sys.executable, "-c", "import magic"]
    bare = await anyio.run_process(without, env={**os.environ, **environment}, check=False)
    assert b"failed to find libmagic" in bare.stderr
    async with client_process(tmp_path, environment) as client:
        assert await client.call("is_connected") is False


async def test_it_says_when_it_cannot_run(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "whatsapp_mcp.client", *arguments],
            env={**os.environ, **NOWHERE},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )

    common = ("--generation", "1", "--device-name", "Test")
    missing = await anyio.to_thread.run_sync(run, "--folder", str(tmp_path / "missing"), *common)
    assert (missing.returncode, missing.stdout) == (EXIT_NO_LIBRARY, b"")
    assert b"missing" in missing.stderr
    wrong = await anyio.to_thread.run_sync(run, "--nonsense")
    assert (wrong.returncode, wrong.stdout) == (EXIT_BAD_ARGUMENTS, b"")


@pytest.mark.slow
async def test_a_client_whose_keys_fail_ends_once_what_it_acknowledged_is_journaled(
    wa: WhatsApp, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with client_process(tmp_path, wa.environment()) as client:
        await client.link(wa.me)
        await ann.says("hello")
        await journaled_texts(client, tmp_path, 1)
        journal, keys = (sqlite3.connect(tmp_path / name, isolation_level=None) for name in DATABASES)
        with closing(journal), closing(keys):
            journal.execute("BEGIN IMMEDIATE")
            first = await ann.says("acknowledged")
            companion = wa.me.companion
            assert companion is not None
            with anyio.fail_after(PATIENCE):
                while any(node.get("id") == first for node in companion.pending):  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            keys.execute("BEGIN IMMEDIATE")
            await ann.says("not decrypted")
            with anyio.move_on_after(LIBRARY_WAITS):
                await client.process.wait()
            journal.execute("ROLLBACK")
            with anyio.fail_after(PATIENCE):
                await client.process.wait()
        assert texts(tmp_path) == ["hello", "acknowledged"]
    async with client_process(tmp_path, wa.environment(), generation=2) as client:
        await client.call("connect")
        assert await journaled_texts(client, tmp_path, 3) == ["hello", "acknowledged", "not decrypted"]
