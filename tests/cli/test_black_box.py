"""The command line as a person or a program meets it, on a simulated WhatsApp."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fixtures import command, environment, link, mcp_client, until
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

LIMIT = 60.0


@dataclass
class Command:
    """A running `whatsapp-mcp` whose stdout is JSON, one object a line."""

    process: anyio.abc.Process

    def __post_init__(self) -> None:
        assert self.process.stdout is not None
        self._lines = BufferedByteReceiveStream(self.process.stdout)

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name; any line that is not an event fails the test."""
        while True:
            event: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", 65536))
            if event["event"] in (name, "failed"):
                assert event["event"] == name, event
                return event


@asynccontextmanager
async def running(whatsapp: WhatsApp, home: Path, *arguments: str) -> AsyncIterator[Command]:
    process = await anyio.open_process(
        command(*arguments), env=environment(whatsapp, home), stdin=subprocess.DEVNULL, stderr=None
    )
    async with process:
        try:
            with anyio.fail_after(LIMIT):
                yield Command(process)
        finally:
            if process.returncode is None:
                process.kill()


async def run(whatsapp: WhatsApp, home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    with anyio.fail_after(LIMIT):
        return await anyio.run_process(
            command(*arguments), env=environment(whatsapp, home), stdin=subprocess.DEVNULL, check=False
        )


async def status(whatsapp: WhatsApp, home: Path, *options: str) -> dict[str, Any]:
    """What `status` tells a program; its exit code says whether the account is online."""
    answer = await run(whatsapp, home, "status", "--json", *options)
    told = json.loads(answer.stdout)
    assert answer.returncode == (0 if told["state"] == "online" else 1)
    return told


async def test_a_phone_is_linked_by_qr_told_by_status_and_unlinked(whatsapp: WhatsApp, home: Path):
    async with running(whatsapp, home, "link", "--json") as link:
        qr = await link.event("qr")
        await whatsapp.me.scan(qr["text"])
        linked = await link.event("linked")
        await link.event("synced")
        assert await link.process.wait() == 0

    told = await status(whatsapp, home)
    assert (told["state"], told["number"]) == ("offline", linked["number"])
    assert told["reason"].startswith("No server is running; linked as ")
    told = await status(whatsapp, home, "--wait")
    assert (told["state"], told["number"]) == ("online", linked["number"])
    again = await run(whatsapp, home, "link", "--json")
    assert [json.loads(line)["event"] for line in again.stdout.splitlines()] == ["linked", "synced"]

    assert (await run(whatsapp, home, "unlink")).returncode == 0
    assert (await status(whatsapp, home))["state"] == "unlinked"


async def test_uninstalling_unlinks_the_phone_and_deletes_the_home(
    whatsapp: WhatsApp, home: Path, tmp_path: Path
):
    async with running(whatsapp, home, "link", "--json") as link:
        await whatsapp.me.scan((await link.event("qr"))["text"])
        await link.event("synced")
    # Not the real one: there may be applications that use the real installation.
    person = {"HOME": str(tmp_path / "nobody"), "XDG_CONFIG_HOME": str(tmp_path / "nobody")}

    with anyio.fail_after(LIMIT):
        done = await anyio.run_process(
            command("uninstall", "--yes", "--unlink", "--delete-messages"),
            env=environment(whatsapp, home) | person,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert b"Removed: the link of default." in done.stdout
    assert not home.exists()  # noqa: ASYNC240


async def test_an_account_stays_linked_under_another_name_and_is_unlinked_when_it_is_removed(
    whatsapp: WhatsApp, home: Path
):
    async with running(whatsapp, home, "link", "--json", "--account", "work") as link:
        await whatsapp.me.scan((await link.event("qr"))["text"])
        linked = await link.event("linked")
        await link.event("synced")

    assert (await run(whatsapp, home, "accounts", "rename", "work", "office")).returncode == 0

    told = await status(whatsapp, home, "--wait")
    assert (told["account"], told["state"], told["number"]) == ("office", "online", linked["number"])
    listed = json.loads((await run(whatsapp, home, "accounts", "--json")).stdout)["accounts"]
    assert [(each["name"], each["number"]) for each in listed] == [("office", linked["number"])]

    removed = await run(whatsapp, home, "accounts", "remove", "office", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert whatsapp.me.companion is None
    assert not (home / "accounts" / "office").exists()


async def test_a_phone_is_linked_by_pairing_code(whatsapp: WhatsApp, home: Path):
    async with running(whatsapp, home, "link", "--json", "--phone", whatsapp.me.number) as link:
        code = (await link.event("code"))["code"]
        await whatsapp.me.enter_code(code)

        assert (await link.event("linked"))["number"] == whatsapp.me.number


async def test_a_server_that_hosts_the_account_is_linked_through_the_command(whatsapp: WhatsApp, home: Path):
    async with mcp_client(whatsapp, home) as server:
        await until(server, lambda told: told["state"] == "unlinked", "connection_status")
        async with running(whatsapp, home, "link", "--json") as link:
            await whatsapp.me.scan((await link.event("qr"))["text"])
            await link.event("linked")

        await until(server, lambda told: told["state"] == "online", "connection_status")


async def test_a_session_that_another_client_took_is_taken_back_when_the_person_says_so(
    whatsapp: WhatsApp, home: Path
):
    async with mcp_client(whatsapp, home) as server:
        await link(server, whatsapp)
        await whatsapp.replaced()
        await until(server, lambda told: told["state"] == "replaced", "connection_status")
        assert "reconnect" in (await status(whatsapp, home))["action"]

        answer = await run(whatsapp, home, "reconnect")

        assert (answer.returncode, answer.stdout.splitlines()[0]) == (0, b"online")


async def test_reconnecting_an_account_without_a_phone_says_how_to_link_one(whatsapp: WhatsApp, home: Path):
    answer = await run(whatsapp, home, "reconnect")

    assert (answer.returncode, answer.stdout) == (1, b"")
    assert b"whatsapp-mcp link" in answer.stderr


async def test_ctrl_c_ends_linking_says_so_and_leaves_nothing_linked(whatsapp: WhatsApp, home: Path):
    async with running(whatsapp, home, "link", "--json") as link:
        await link.event("qr")
        link.process.send_signal(signal.SIGINT)

        assert (await link.event("failed"))["reason"] == "interrupted"
        with anyio.fail_after(30):
            assert await link.process.wait() == 130

    assert (await status(whatsapp, home))["state"] == "unlinked"


async def test_unlinking_an_account_without_a_phone_says_what_is_wrong(whatsapp: WhatsApp, home: Path):
    answer = await run(whatsapp, home, "unlink")

    assert (answer.returncode, answer.stdout) == (1, b"")
    assert b"link" in answer.stderr


async def test_a_whatsapp_that_cannot_be_reached_ends_linking_with_the_reason(whatsapp: WhatsApp, home: Path):
    await whatsapp.refuse()

    answer = await run(whatsapp, home, "link", "--json")

    [event] = [json.loads(line) for line in answer.stdout.splitlines()]
    assert (answer.returncode, event["event"], event["code"]) == (1, "failed", "NOT_CONNECTED")
    assert "WhatsApp cannot be reached: " in event["reason"]
    assert event["action"] == (
        "Check the network or `network.proxy`: `whatsapp-mcp doctor --online` shows what fails."
    )
    assert event["reason"].endswith(".")
