"""The remote device is the protocol, over a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import anyio
import anyio.abc
import pytest

from whatsapp_mcp.device.leader.remote import PING, OfflineDevice, RemoteDevice
from whatsapp_mcp.device.operations import Device, contacts, control, sends
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import Busy, InvalidArgument, Rejected
from whatsapp_mcp.models import (
    PERSON,
    ConnectionState,
    ConnectionStatus,
    SendRequest,
    SendResult,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.processes.rpc import Handler, Peer

pytestmark = pytest.mark.anyio


class Bytes(anyio.abc.ByteReceiveStream, anyio.abc.ByteSendStream):
    """One end of a memory stream as bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._stream.receive()

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def connected(answer: Handler) -> AsyncIterator[tuple[Device, anyio.CancelScope]]:
    """A remote device, and what ends its leader."""
    to_host, from_server = anyio.create_memory_object_stream[bytes](100)
    to_server, from_host = anyio.create_memory_object_stream[bytes](100)
    alive = anyio.CancelScope()

    async def leader() -> None:
        with alive:
            async with Peer(Bytes(from_server), Bytes(to_server), answer):
                await anyio.sleep_forever()

    async with background_tasks() as tasks:
        tasks.start_soon(leader)
        async with Peer(Bytes(from_host), Bytes(to_host)) as peer:
            yield RemoteDevice("default", peer, 4711), alive


async def test_arguments_and_results_arrive_as_they_were() -> None:
    request = SendRequest("15550002222@s.whatsapp.net", TextContent("hello", ("1@lid",)), wait=3)
    result = SendResult(1, request.chat, SendStatus.SENT, "3EB0", 7, datetime(2026, 1, 1, tzinfo=UTC))
    seen: list[dict[str, Any]] = []

    async def answer(method: str, params: dict[str, Any]) -> Any:
        operation = OPERATIONS[method]
        seen.append({"caller": params["caller"]["principal"], **operation.load(params["arguments"])})
        return operation.result.dump_python(result, mode="json")

    async with connected(answer) as (device, _):
        assert await device.do(sends.send, request) == result
        assert await cast("RemoteDevice", device).acting_for(PERSON).do(sends.send, request) == result
    assert seen == [{"caller": caller, "request": request} for caller in ("unknown", "person")]


async def test_an_error_arrives_as_its_class() -> None:
    async def answer(method: str, params: dict[str, Any]) -> Any:
        raise Rejected("Error 479.")

    async with connected(answer) as (device, _):
        with pytest.raises(Rejected, match="479"):
            await device.do(contacts.resolve_number, "+15550002222")


async def test_a_host_that_ends_during_a_call_is_told() -> None:
    begun = anyio.Event()

    async def answer(method: str, params: dict[str, Any]) -> Any:
        begun.set()
        await anyio.sleep_forever()

    async def end(alive: anyio.CancelScope) -> None:
        await begun.wait()
        alive.cancel()

    async with connected(answer) as (device, alive), anyio.create_task_group() as tasks:
        tasks.start_soon(end, alive)
        with pytest.raises(Busy, match="4711"):
            await device.do(control.reconnect)
        assert (await device.do(control.status)).state is ConnectionState.OFFLINE


async def test_a_host_that_is_stopped_is_told_within_seconds() -> None:
    async def answer(method: str, params: dict[str, Any]) -> Any:
        await anyio.sleep_forever()

    async with connected(answer) as (device, _):
        with anyio.fail_after(8):
            status = await device.do(control.status)
    assert status.state is ConnectionState.OFFLINE
    assert status.leader_pid == 4711
    assert "4711" in (status.action or "")


async def test_a_slow_call_of_a_host_that_lives_is_waited_for() -> None:
    async def answer(method: str, params: dict[str, Any]) -> Any:
        if method == PING:
            return None
        await anyio.sleep(2.5)
        return "15550002222@s.whatsapp.net"

    async with connected(answer) as (device, _):
        assert await device.do(contacts.resolve_number, "+15550002222") == "15550002222@s.whatsapp.net"


async def test_a_host_too_busy_for_the_question_whether_it_lives_does_live() -> None:
    pinged = anyio.Event()

    async def answer(method: str, params: dict[str, Any]) -> Any:
        if method == PING:
            pinged.set()
            raise Busy("Too many calls are running.")
        await pinged.wait()
        return "15550002222@s.whatsapp.net"

    async with connected(answer) as (device, _):
        with anyio.fail_after(8):
            assert await device.do(contacts.resolve_number, "+15550002222") == "15550002222@s.whatsapp.net"


async def test_an_offline_device_answers_its_status_and_refuses_the_rest() -> None:
    device = OfflineDevice("default", "Nobody leads.")
    status = await device.do(control.status)
    assert isinstance(status, ConnectionStatus)
    assert (status.state, status.reason) == (ConnectionState.OFFLINE, "Nobody leads.")
    with pytest.raises(Busy, match="Nobody leads"):
        await device.do(control.reconnect)


async def test_a_state_that_a_follower_does_not_know_is_shown_with_what_the_leader_advises() -> None:
    told = ConnectionStatus(ConnectionState.ONLINE, datetime(2026, 1, 1, tzinfo=UTC), "default")

    async def answer(method: str, params: dict[str, Any]) -> Any:
        known = OPERATIONS[method].result.dump_python(told, mode="json")
        return {**known, "state": "hibernating", "action": "Wait until spring."}

    async with connected(answer) as (device, _):
        status = await device.do(control.status)
    assert (status.state.value, status.action) == ("hibernating", "Wait until spring.")


def test_an_unknown_or_malformed_argument_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        OPERATIONS["link"].load({"telephone": "1"})
    with pytest.raises(InvalidArgument):
        OPERATIONS["link_state"].load({"wait": "long"})
    with pytest.raises(InvalidArgument, match="missing"):
        OPERATIONS["send"].load({})


def test_patience_covers_what_the_caller_asked_to_wait() -> None:
    request = SendRequest("1@lid", TextContent("x"), wait=500)
    assert OPERATIONS["send"].patience({"request": request}) > 500
