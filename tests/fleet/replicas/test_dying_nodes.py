"""What becomes of calls when the node that leads an account dies, gives it up, or is not there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from mcp import Client

from tests.fleet.replicas.rig import Fleet, Node, fleet, lead
from tests.server.conftest import ANN_LEE
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from whatsapp_fleet.node.replicas import peers
from whatsapp_fleet.node.replicas.wire import PERFORM, PING, PROTOCOL
from whatsapp_mcp import __version__
from whatsapp_mcp.models import ConnectionStatus, SendRequest, SendResult
from whatsapp_mcp.processes.admission import HELLO
from whatsapp_mcp.processes.rpc import Params, Peer, by_name
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
LIMIT = 30.0
SINCE = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


class Hanging(FakeDevice):
    """A device that answers nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = anyio.Event()

    async def send(self, request: SendRequest) -> SendResult:
        self.sends.append(request)
        self.reached.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def status(self) -> ConnectionStatus:
        self.reached.set()
        await anyio.sleep_forever()
        raise AssertionError


def dies(nodes: Fleet, address: str, successor: str) -> None:
    """A node dies, and another one leads its accounts."""
    nodes.nodes[address].die()
    nodes.leaders.update({account: successor for account, at in nodes.leaders.items() if at == address})


def client_of(nodes: Fleet, source: FakeSource) -> Client:
    return Client(create(nodes.accounts(source), "core", structured=True))


async def other(source: FakeSource, device: FakeDevice) -> FakeSource:
    """The same account with another device, as another node has it."""
    return FakeSource(device, source.archive, source.home)


async def test_an_act_whose_node_dies_is_answered_with_look_whether_it_took_effect(
    source: FakeSource,
) -> None:
    device = source.device = Hanging()
    told: dict[str, Any] = {}
    with anyio.fail_after(LIMIT):
        async with fleet("one", "other") as nodes:
            await lead(nodes, "other", await other(source, FakeDevice()))
            await lead(nodes, "one", source)
            async with client_of(nodes, source) as client, anyio.create_task_group() as tasks:

                async def send() -> None:
                    told.update(await refusal(client, "send_message", chat=ANN_LEE, text="once"))

                tasks.start_soon(send)
                await device.reached.wait()
                dies(nodes, "one", "other")
    assert told["code"] == "BUSY"
    assert "Check whether the call took effect" in told["action"]
    assert len(device.sends) == 1


async def test_a_read_whose_node_dies_is_answered_by_the_next_leader(source: FakeSource) -> None:
    device = source.device = Hanging()
    told: list[str] = []
    with anyio.fail_after(LIMIT):
        async with fleet("one", "other") as nodes:
            await lead(nodes, "other", await other(source, FakeDevice()))
            await lead(nodes, "one", source)
            async with client_of(nodes, source) as client, anyio.create_task_group() as tasks:

                async def read() -> None:
                    told.append((await answer(client, "connection_status"))[0])

                tasks.start_soon(read)
                await device.reached.wait()
                dies(nodes, "one", "other")
    assert told[0].startswith("online")


async def test_a_node_that_no_longer_leads_makes_the_replica_look_who_does(source: FakeSource) -> None:
    with anyio.fail_after(LIMIT):
        async with fleet("one", "other") as nodes:
            await lead(nodes, "other", source)
            nodes.leaders[source.account] = "one"
            nodes.looked = lambda: nodes.leaders.update({source.account: "other"})
            async with client_of(nodes, source) as client:
                await answer(client, "send_message", chat=ANN_LEE, text="hello")
    assert len(source.device.sends) == 1


async def test_an_account_that_is_given_up_ends_its_calls_and_says_that_they_may_have_taken_effect(
    source: FakeSource,
) -> None:
    device = source.device = Hanging()
    told: dict[str, Any] = {}
    with anyio.fail_after(LIMIT):
        async with fleet("one") as nodes:
            leadership = await lead(nodes, "one", source)
            async with client_of(nodes, source) as client, anyio.create_task_group() as tasks:

                async def send() -> None:
                    told.update(await refusal(client, "send_message", chat=ANN_LEE, text="once"))

                tasks.start_soon(send)
                await device.reached.wait()
                leadership.cancel()
    assert told["code"] == "BUSY"
    assert "Check whether the call took effect" in told["action"]


async def test_without_a_leader_acts_are_busy_and_reads_are_answered_from_a_copy_and_marked(
    source: FakeSource,
) -> None:
    with anyio.fail_after(LIMIT):
        async with fleet("dead", "copy") as nodes:
            nodes.expected = False
            nodes.leaders[source.account] = "dead"
            nodes.nodes["dead"].die()
            with nodes.nodes["copy"].served.copied(source.account, source, lambda: SINCE):
                async with client_of(nodes, source) as client:
                    text, data = await answer(client, "list_chats")
                    refused = await refusal(client, "send_message", chat=ANN_LEE, text="hello")
                    contents = (await client.read_resource("whatsapp://chats")).contents
    assert "Boat club" in text
    assert "Stale: no node leads this account" in text
    assert "since 2026-11-24 11:00:00 UTC" in text
    assert data["stale_since"] == SINCE.isoformat()
    assert "Stale: " in str(contents[-1])
    assert (refused["code"], source.device.sends) == ("BUSY", [])
    assert "Nothing was done" in refused["action"]


async def test_a_copy_answers_nothing_while_a_leader_does(source: FakeSource, tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT):
        async with fleet("one", "copy") as nodes:
            await lead(nodes, "one", source)
            with nodes.nodes["copy"].served.copied(source.account, source, lambda: SINCE):
                async with client_of(nodes, source) as client:
                    text, _ = await answer(client, "list_chats")
    assert "Stale" not in text


async def test_without_leader_and_copy_reads_are_busy_and_name_no_node(source: FakeSource) -> None:
    with anyio.fail_after(LIMIT):
        async with fleet("n17") as nodes:
            nodes.expected = False
            async with client_of(nodes, source) as client:
                told = await refusal(client, "list_chats")
    assert (told["code"], told["retry_after"]) == ("BUSY", 2.0)
    assert "n17" not in f"{told}"


async def test_of_an_account_that_operators_have_stopped_nobody_is_told_to_try_again(
    source: FakeSource,
) -> None:
    with anyio.fail_after(LIMIT):
        async with fleet("one") as nodes:
            nodes.expected, nodes.stopped = False, True
            async with client_of(nodes, source) as client:
                told = await refusal(client, "list_chats")
    assert told["message"].startswith("This account is stopped")
    assert "retry_after" not in told


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"PROTOCOL": PROTOCOL + 1}, f"A node of version {__version__} speaks another protocol."),
        ({}, "The replica has not shown the secret of this fleet."),
    ],
)
async def test_a_replica_that_a_node_has_refused_says_why_and_what_to_do(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch, changed: dict[str, int], says: str
) -> None:
    for name, value in changed.items():
        monkeypatch.setattr(peers, name, value)
    with anyio.fail_after(LIMIT):
        async with fleet("one") as nodes:
            nodes.secret = "of another fleet"
            await lead(nodes, "one", source)
            async with client_of(nodes, source) as client:
                sent = await refusal(client, "send_message", chat=ANN_LEE, text="hello")
                read = await refusal(client, "list_chats")
    for told in (sent, read):
        assert told["message"] == says
        assert told["action"].startswith("Tell the user: ")
    assert not source.device.sends


async def test_a_node_of_another_protocol_keeps_no_read_from_a_copy(source: FakeSource) -> None:
    with anyio.fail_after(LIMIT):
        async with fleet("one", "copy") as nodes:
            nodes.nodes["one"] = Newer()
            await lead(nodes, "one", source)
            with nodes.nodes["copy"].served.copied(source.account, source, lambda: SINCE):
                async with client_of(nodes, source) as client:
                    text, _ = await answer(client, "list_chats")
    assert "Stale: no node leads this account" in text


class Newer(Node):
    """A node that speaks a later protocol."""

    async def serve(self, stream: ByteStream) -> None:
        async def hello(params: Params) -> Any:
            return {"protocol": PROTOCOL + 1, "version": "99"}

        async with Peer(stream, stream, by_name({HELLO: hello})) as peer:
            await peer.wait_closed()


class Standing(Node):
    """A node that has taken a connection and stands still since then."""

    async def serve(self, stream: ByteStream) -> None:
        async def hello(params: Params) -> Any:
            return {"protocol": PROTOCOL, "version": "0"}

        async def stands(params: Params) -> Any:
            await anyio.sleep_forever()

        methods = {HELLO: hello, PING: stands, PERFORM: stands}
        async with Peer(stream, stream, by_name(methods)) as peer:
            await peer.wait_closed()


async def test_a_read_at_a_node_that_stands_still_is_answered_by_the_next_leader(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_PING_EVERY", 0.01)
    monkeypatch.setattr(peers, "_PING_LIMIT", 0.5)
    with anyio.fail_after(LIMIT):
        async with fleet("one") as nodes:
            await lead(nodes, "one", source)
            nodes.nodes["still"] = Standing()
            nodes.leaders[source.account] = "still"
            nodes.looked = lambda: nodes.leaders.update({source.account: "one"})
            async with client_of(nodes, source) as client:
                text, _ = await answer(client, "list_chats")
    assert "Boat club" in text
    assert "Stale" not in text
