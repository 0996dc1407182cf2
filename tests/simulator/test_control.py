"""The simulated WhatsApp in a process of its own, controlled over its pipes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.simulator.neonize_client import neonize_client
from whatsapp_mcp.errors import DeadlineExceeded, InvalidArgument, Rejected
from whatsapp_mcp.processes.rpc import Peer

pytestmark = pytest.mark.anyio


class _Remote:
    """The simulator's process, called like a function."""

    def __init__(self, peer: Peer, environment: dict[str, str]) -> None:
        self._peer = peer
        self._environment = environment

    def environment(self) -> dict[str, str]:
        return self._environment

    async def __call__(self, method: str, **arguments: Any) -> Any:
        return await self._peer.call(method, arguments, deadline=20)


@asynccontextmanager
async def _simulator() -> AsyncIterator[_Remote]:
    ready = anyio.Event()
    told: dict[str, Any] = {}

    async def on_notification(method: str, params: dict[str, Any]) -> None:
        assert method == "ready"
        told.update(params)
        ready.set()

    command = [sys.executable, "-m", "whatsapp_simulator", "--seed", "3"]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        async with Peer(process.stdout, process.stdin, on_notification=on_notification) as peer:
            with anyio.fail_after(30):
                await ready.wait()
            yield _Remote(peer, told["environment"])
        with anyio.fail_after(30):
            assert await process.wait() == 0


async def test_another_process_links_writes_reads_and_disturbs(tmp_path: Path) -> None:
    async with _simulator() as call, neonize_client(call, tmp_path / "client.db") as client:
        ann = await call("person", name="Ann")
        boat = await call("group", name="Boat", members=["Ann"])
        await client.connect()
        await call("scan", text=await client.qr())
        await call("online")
        sent = await call("says", who="Ann", text="hi")
        assert sent == (await client.message("hi")).Info.ID
        await call("receipt", who="Ann", id=sent, kind="inactive")
        await call("says", who="Ann", text="in the boat", to="Boat")
        event = await client.message("in the boat")
        assert f"{event.Info.MessageSource.Chat.User}@g.us" == boat["jid"]
        await client.call(f"client.send_message(jid('{ann['number'].lstrip('+')}'), 'hello Ann')")
        got = await call("receives", who="Ann")
        assert got["text"] == got["message"]["extendedTextMessage"]["text"] == "hello Ann"
        await call("reads", who="Ann", id=got["id"])
        await client.wait("Receipt")
        place = {"locationMessage": {"degreesLatitude": 1.5, "degreesLongitude": 2.5, "name": "Here"}}
        await call("says", who="Ann", message=place)
        await client.wait("Message", lambda event: event.Message.locationMessage.name == "Here")
        reacted = await call("act", who="Ann", what="reacts", arguments=[got["id"], "👍"])
        assert reacted == (await client.wait("Message")).Info.ID
        await call("act", who="Boat", what="rename", arguments=["Ship"])
        assert (await client.wait("GroupInfoEvent")).Name.Name == "Ship"
        await call("act", who="Boat", what="remove", arguments=["@Ann"])
        await client.wait("GroupInfoEvent", lambda event: bool(event.Leave))
        await call("fault", name="failure", reason=402)
        await call("fault", name="cut")
        await client.wait("TemporaryBan")
        assert await call("log") == []


async def test_bad_calls_are_refused_by_name() -> None:
    async with _simulator() as call:
        with pytest.raises(InvalidArgument, match="no 'Bob'"):
            await call("says", who="Bob", text="x")
        with pytest.raises(InvalidArgument, match="not a fault"):
            await call("fault", name="__init__")
        await call("person", name="Ann")
        with pytest.raises(InvalidArgument, match="no '3A00'"):
            await call("reads", who="Ann", id="3A00")
        for what in ("_sessions.clear", "flies", "__init__", "network.accounts.clear"):
            with pytest.raises(InvalidArgument, match="cannot"):
                await call("act", who="Ann", what=what)
        with pytest.raises(InvalidArgument, match="Invalid message"):
            await call("says", who="Ann", message={"nonsense": 1})
        with pytest.raises(InvalidArgument, match="unexpected keyword"):
            await call("person", name="Ann", colour="red")
        with pytest.raises(Rejected, match="not a linking code"):
            await call("scan", text="nonsense")
        with pytest.raises(DeadlineExceeded):
            await call("online", timeout=0.1)
