"""What an MCP application sees while processes die behind the server it talks to."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from mcp import Client, MCPError

from tests import simulated
from tests.fixtures import call, link, mcp_client, until
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

CLIENT, SERVER = "whatsapp_mcp.client", simulated.PROGRAM
RECOVERED = 60.0


def processes(home: Path, program: str) -> list[int]:
    """The processes of this home that run a module, `CLIENT` or `SERVER`."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            variables = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        is_of_home = f"WHATSAPP_MCP_HOME={home}" in variables.split("\0")
        if program in words and (is_of_home or str(home / "accounts" / "default" / "client") in words):
            found.append(int(folder.name))
    return found


async def until_online(client: Client, generation: int = 0) -> int:
    """The generation that is online, once it is a later one than that."""
    status = await until(
        client,
        lambda status: status["state"] == "online" and status["generation"] > generation,
        "connection_status",
        within=RECOVERED,
    )
    return int(status["generation"])


async def until_said(client: Client, said: list[str]) -> None:
    """Every text is in the archive, and each once."""

    def there(page: Mapping[str, Any]) -> bool:
        return set(said) <= {message["text"] for message in page["messages"]}

    try:
        page = await until(client, there, "list_messages", within=RECOVERED, limit=100)
    except TimeoutError:
        page = await call(client, "list_messages", limit=100)
    counted = Counter(message["text"] for message in page["messages"])
    assert {text: counted[text] for text in said} == dict.fromkeys(said, 1)


async def insist(client: Client, **arguments: Any) -> None:
    """Send, and do as a `BUSY` says: with a key another try is safe."""
    with anyio.fail_after(RECOVERED):
        while (result := await client.call_tool("send_message", arguments)).is_error:
            answer = result.structured_content or {}
            assert answer["error"]["code"] == "BUSY", answer
            await anyio.sleep(answer["error"]["retry_after"])


async def test_a_killed_client_process_costs_no_answer_and_no_message(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        generation = await until_online(client)
        said: list[str] = []
        for turn in range(3):
            (process,) = processes(home, CLIENT)
            os.kill(process, signal.SIGKILL)
            for number in range(5):
                said.append(f"message {turn}.{number}")
                await ann.says(said[-1])
            generation = await until_online(client, generation)
            await until_said(client, said)
        assert not whatsapp.log


async def test_when_the_server_that_leads_is_killed_another_goes_on(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as other:
        await link(other, whatsapp)
        (leader,) = processes(home, SERVER)
        async with mcp_client(whatsapp, home) as client:
            await until_online(client)
            await ann.says("before")
            await until_said(client, ["before"])
            os.kill(leader, signal.SIGKILL)
            await ann.says("while nobody leads")
            await insist(client, chat=ann.number, text="are you there?", idempotency_key="1")
            await until_said(client, ["before", "while nobody leads", "are you there?"])
            assert (await ann.receives(RECOVERED)).text == "are you there?"
            await until_online(client)
            await insist(client, chat=ann.number, text="are you there?", idempotency_key="1")
        assert [received.text for received in ann.inbox] == ["are you there?"]


async def test_a_client_that_was_stopped_when_its_leader_was_killed_never_comes_back(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as other:
        await link(other, whatsapp)
        (leader,) = processes(home, SERVER)
        async with mcp_client(whatsapp, home) as client:
            generation = await until_online(client)
            (former,) = processes(home, CLIENT)
            os.kill(former, signal.SIGSTOP)
            os.kill(leader, signal.SIGKILL)
            await until_online(client, generation)
            assert former not in processes(home, CLIENT)
            await ann.says("Are you there?")
            await until_said(client, ["Are you there?"])


async def test_ten_servers_started_at_once_share_one_link_and_outlive_two_of_them(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    linked, killed, done = anyio.Event(), anyio.Event(), anyio.Event()
    sent: set[str] = set()
    again: set[str] = set()

    async def application(number: int) -> None:
        async with mcp_client(whatsapp, home) as client:
            if number == 0:
                await until(client, lambda status: status["state"] == "unlinked", "connection_status")
                await link(client, whatsapp)
                linked.set()
            await linked.wait()
            await until_online(client)
            await insist(client, chat=ann.number, text=f"from {number}", idempotency_key=f"key {number}")
            sent.add(f"from {number}")
            if len(sent) == 10:
                await kill_two(client)
            await killed.wait()
            with contextlib.suppress(MCPError, anyio.ClosedResourceError):
                text = f"again from {number}"
                await insist(client, chat=ann.number, text=text, idempotency_key=text)
                again.add(text)
            if len(again) == 8:
                done.set()
            await done.wait()

    async def kill_two(client: Client) -> None:
        servers = set(processes(home, SERVER))
        assert len(servers) == 10
        assert len(processes(home, CLIENT)) == 1
        leader = (await call(client, "connection_status"))["leader_pid"]
        for server in (leader, (servers - {leader}).pop()):
            os.kill(server, signal.SIGKILL)
        killed.set()

    with anyio.fail_after(3 * RECOVERED):
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(application, number)
    assert sorted(got.text for got in ann.inbox) == sorted(sent | again)
    with anyio.fail_after(3):
        while processes(home, CLIENT):  # noqa: ASYNC110  nothing tells of their end
            await anyio.sleep(0.05)


@dataclass
class Application:
    """One that runs a server until it is told to leave, in a task of its own."""

    client: Client
    server: int
    leaves: anyio.Event = field(default_factory=anyio.Event)

    @classmethod
    async def start(cls, tasks: anyio.abc.TaskGroup, whatsapp: WhatsApp, home: Path) -> Application:
        """Run one; returns when its server answers."""

        async def run(*, task_status: anyio.abc.TaskStatus[Application]) -> None:
            others = set(processes(home, SERVER))
            async with mcp_client(whatsapp, home) as client:
                (server,) = set(processes(home, SERVER)) - others
                application = cls(client, server)
                task_status.started(application)
                await application.leaves.wait()

        return await tasks.start(run)


async def test_a_server_that_leaves_takes_nothing_from_the_one_that_took_over(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as first, anyio.create_task_group() as tasks:
        await link(first, whatsapp)
        (leader,) = processes(home, SERVER)
        generation = await until_online(first)
        applications = [await Application.start(tasks, whatsapp, home) for _ in range(2)]
        for application in applications:
            await until_said(application.client, [])
        os.kill(leader, signal.SIGKILL)
        await until_online(applications[0].client, generation)
        status = await call(applications[0].client, "connection_status")
        stays, leaves = sorted(applications, key=lambda each: each.server != status["leader_pid"])
        leaves.leaves.set()
        with anyio.fail_after(RECOVERED):
            while leaves.server in processes(home, SERVER):  # noqa: ASYNC110  nothing tells of its end
                await anyio.sleep(0.05)
        await ann.says("afterwards")
        await until_said(stays.client, ["afterwards"])
        newcomer = await Application.start(tasks, whatsapp, home)
        await until_said(newcomer.client, ["afterwards"])
        stays.leaves.set()
        newcomer.leaves.set()


async def test_servers_of_two_homes_never_mix(whatsapp: WhatsApp, home: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(home, second)
    phones = {home: whatsapp.me, second: whatsapp.account("+4915550001111", "Other")}
    ann = whatsapp.person("Ann")
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            folder: [await stack.enter_async_context(mcp_client(whatsapp, folder)) for _ in range(2)]
            for folder in phones
        }
        for folder, phone in phones.items():
            shown = await until(servers[folder][0], lambda answer: "qr" in answer, "link_device")
            await phone.scan(shown["qr"]["text"])
            await ann.says(f"to {phone.name}", phone)
        for folder, phone in phones.items():
            for number, client in enumerate(servers[folder]):
                await until_online(client)
                assert (await call(client, "connection_status"))["number"] == phone.number
                await until_said(client, [f"to {phone.name}"])
                assert len((await call(client, "list_messages"))["messages"]) == number + 1
                await insist(
                    client, chat=ann.number, text=f"{phone.name} {number}", idempotency_key=str(number)
                )
    got = {received.text: received.sender for received in ann.inbox}
    assert got == {f"{phone.name} {number}": phone.lid for phone in phones.values() for number in range(2)}


@contextlib.asynccontextmanager
async def waiting_send(
    client: Client, whatsapp: WhatsApp, other: Client, number: str
) -> AsyncGenerator[tuple[anyio.CancelScope, dict[str, str]]]:
    """A send that `client` asks for while WhatsApp cannot be reached: its call, and its arguments.

    WhatsApp is back at the end.
    """
    arguments = {"chat": number, "text": "hello", "idempotency_key": "key"}
    asked = anyio.CancelScope()

    async def ask() -> None:
        with asked, contextlib.suppress(MCPError):
            await client.call_tool("send_message", arguments)

    await whatsapp.refuse()
    await until(other, lambda status: status["state"] != "online", "connection_status")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(RECOVERED):
            while (await other.call_tool("message_status", {"send_id": 1})).is_error:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        yield asked, arguments
        whatsapp.recover()
        await until_online(other)


async def test_a_call_that_is_cancelled_takes_its_waiting_send_back(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as leader, mcp_client(whatsapp, home) as client:
        await link(leader, whatsapp)
        await until_online(client)
        await ann.says("hi")
        await until_said(client, ["hi"])
        async with waiting_send(client, whatsapp, leader, ann.number) as (asked, arguments):
            asked.cancel()
            await until(leader, lambda send: send["status"] == "failed", "message_status", send_id=1)
        assert ann.inbox == []
        await insist(client, **arguments)
        assert [received.text for received in ann.inbox] == ["hello"]


@pytest.mark.parametrize("killed", ["the server that took it", "the server that leads"])
async def test_a_waiting_send_outlives_any_server(whatsapp: WhatsApp, home: Path, killed: str) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as first:
        await link(first, whatsapp)
        await ann.says("hi")
        await until_said(first, ["hi"])
        (leader,) = processes(home, SERVER)
        async with mcp_client(whatsapp, home) as second:
            await until_online(second)
            (follower,) = set(processes(home, SERVER)) - {leader}
            lives = second if killed == "the server that leads" else first
            async with waiting_send(second, whatsapp, lives, ann.number) as (asked, arguments):
                if lives is first:
                    os.kill(follower, signal.SIGKILL)
                    asked.cancel()
                else:
                    os.kill(leader, signal.SIGKILL)
            assert (await ann.receives(RECOVERED)).text == "hello"
            await insist(lives, **arguments)
        assert [received.text for received in ann.inbox] == ["hello"]
