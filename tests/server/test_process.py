"""A server process: what it writes, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fixtures import client_of, command, environment, http_server
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
END_LIMIT = 1.0
SLACK = 1.0
"""A busy machine's share of the measured time."""


class StdioServer:
    """A server over stdio, spoken to line by line."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        self.process = process
        self.output = BufferedByteReceiveStream(process.stdout)

    async def ask(self, method: str, params: dict[str, Any], request_id: int = 1) -> dict[str, Any]:
        """Send a request and read one line, which must be its answer."""
        assert self.process.stdin is not None
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        await self.process.stdin.send(json.dumps(request).encode() + b"\n")
        answer = json.loads(await self.output.receive_until(b"\n", 1_000_000))
        assert answer["id"] == request_id
        return answer["result"]

    async def initialize(self) -> None:
        """Shake hands."""
        assert self.process.stdin is not None
        client = {"name": "test", "version": "1"}
        await self.ask(
            "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        )
        await self.process.stdin.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    async def state(self) -> str:
        """What `connection_status` says."""
        result = await self.ask("tools/call", {"name": "connection_status", "arguments": {}}, 2)
        return result["content"][0]["text"].split()[0].rstrip(":")

    async def ended_within(self, seconds: float) -> float:
        """How long it took to end."""
        begin = time.monotonic()
        with anyio.fail_after(seconds + SLACK):
            await self.process.wait()
        return time.monotonic() - begin


@pytest.fixture
async def server(whatsapp: WhatsApp, home: Path) -> AsyncIterator[StdioServer]:
    """A server that has shaken hands and opened its account."""
    process = await anyio.open_process(
        command("serve"), env=environment(whatsapp, home), stderr=subprocess.DEVNULL
    )
    try:
        started = StdioServer(process)
        with anyio.fail_after(30):
            await started.initialize()
            while await started.state() == "offline":  # noqa: ASYNC110
                await anyio.sleep(0.02)
        yield started
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()


def children(pid: int) -> list[int]:
    """Process ids of a process's children."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


async def test_a_log_that_nobody_reads_does_not_stop_a_server(whatsapp: WhatsApp, home: Path) -> None:
    unread, written = os.pipe()
    os.set_blocking(written, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(written, b"full" * 1024)
    os.set_blocking(written, True)
    variables = {**environment(whatsapp, home), "WHATSAPP_MCP_LOG_LEVEL": "info"}
    process = await anyio.open_process(command("serve"), env=variables, stderr=written)
    try:
        server = StdioServer(process)
        with anyio.fail_after(30):
            await server.initialize()
            for _ in range(100):
                await server.ask("tools/call", {"name": "message_status", "arguments": {}})
    finally:
        os.close(unread)
        os.close(written)
        with anyio.CancelScope(shield=True):
            process.kill()
            await process.aclose()


def test_few_complaints_of_one_place_are_written_in_a_second() -> None:
    script = (
        "import logging\n"
        "from whatsapp_mcp.server.log import log_to_stderr\n"
        "log_to_stderr('warning')\n"
        "for _ in range(500): logging.getLogger('any').error('no handles')\n"
        "logging.shutdown()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=True)
    assert 0 < done.stderr.count(b"no handles") <= 40


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file handles there")
async def test_connections_without_a_token_leave_handles_for_answers_and_the_client(
    whatsapp: WhatsApp, home: Path, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w+") as log:
        async with (
            http_server(whatsapp, home, log=log, file_handles=128) as server,
            contextlib.AsyncExitStack() as opened,
        ):
            port = httpx2.URL(server.base).port or 0
            for _ in range(110):
                half = await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
                await half.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")
            async with httpx2.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"{server.base}/healthz")).text == "ok\n"
            async with client_of(server, "http") as client:
                assert not (await client.call_tool("link_device", {})).is_error
        log.seek(0)
        assert "Too many open files" not in log.read()


async def test_a_request_that_cannot_be_read_is_answered(server: StdioServer) -> None:
    assert server.process.stdin is not None
    call = {"name": "list_chats", "arguments": {"query": "cut \ud83d"}}
    request = {"jsonrpc": "2.0", "id": "cut", "method": "tools/call", "params": call}
    for line in ("no JSON", '{"jsonrpc": "2.0", "id":', '{"id": "\\ud83d"}', json.dumps(request)):
        await server.process.stdin.send(line.encode() + b"\n")
    with anyio.fail_after(30):
        answer = json.loads(await server.output.receive_until(b"\n", 1_000_000))
    assert answer["id"] == "cut"
    assert answer["error"]["code"] == -32700
    assert "Invalid JSON" in answer["error"]["message"]
    listed = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": ["list_chats"]}
    await server.process.stdin.send(json.dumps(listed).encode() + b"\n")
    with anyio.fail_after(30):
        answer = json.loads(await server.output.receive_until(b"\n", 1_000_000))
    assert (answer["id"], answer["error"]["code"]) == (7, -32600)
    assert "params: " in answer["error"]["message"]
    assert await server.state() == "unlinked"


def call_with(value: str, request_id: str = "5", more: str = "") -> str:
    """A call with this JSON as an argument."""
    params = f'{{{more}"name":"list_chats","arguments":{{"query":{value}}}}}'
    return f'{{"jsonrpc":"2.0","id":{request_id},"method":"tools/call","params":{params}}}'


UNREADABLE = {"recursion limit": "[" * 3000 + "]" * 3000, "number out of range": "9" * 20_000}


async def test_json_that_is_too_deep_or_too_long_is_answered_with_the_reason(server: StdioServer) -> None:
    assert server.process.stdin is not None
    requests = [(5, call_with(value), reason) for reason, value in UNREADABLE.items()]
    for request_id, request, reason in [
        *requests,
        (None, call_with('"x"', "9" * 20_000), "number out of range"),
    ]:
        await server.process.stdin.send(request.encode() + b"\n")
        with anyio.fail_after(30):
            answer = json.loads(await server.output.receive_until(b"\n", 1_000_000))
        assert (answer["id"], answer["error"]["code"]) == (request_id, -32700)
        assert reason in answer["error"]["message"]
    assert await server.state() == "unlinked"


async def test_json_that_is_too_deep_or_too_long_is_answered_over_http(
    whatsapp: WhatsApp, home: Path
) -> None:
    meta = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},'
    modern = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "list_chats"}
    kinds = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    async with (
        http_server(whatsapp, home) as server,
        httpx2.AsyncClient(
            headers={**server.headers, **kinds}, trust_env=False, base_url=server.base
        ) as http,
        http.stream("GET", "/sse") as stream,
    ):
        events = (line.partition(" ")[2] async for line in stream.aiter_lines() if line.startswith("data:"))
        with anyio.fail_after(30):
            messages = await anext(events)
            for reason, value in UNREADABLE.items():
                for headers, more in (({}, ""), (modern, meta)):
                    answer = await http.post("/mcp", content=call_with(value, more=more), headers=headers)
                    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)
                assert (await http.post(messages, content=call_with(value))).status_code == 400
                event = json.loads(await anext(events))
                assert (event["id"], event["error"]["code"]) == (5, -32700)
                assert reason in event["error"]["message"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly_within_a_second(server: StdioServer, number: signal.Signals) -> None:
    server.process.send_signal(number)
    await server.ended_within(END_LIMIT)
    assert server.process.returncode == 0


async def test_end_of_input_ends_it_cleanly_within_a_second(server: StdioServer) -> None:
    assert server.process.stdin is not None
    await server.process.stdin.aclose()
    await server.ended_within(END_LIMIT)
    assert server.process.returncode == 0


async def test_no_process_is_left_when_it_ends_while_linking(server: StdioServer) -> None:
    await server.ask("tools/call", {"name": "link_device", "arguments": {}}, 3)
    left = children(server.process.pid)
    assert left
    server.process.send_signal(signal.SIGTERM)
    await server.ended_within(END_LIMIT)
    with anyio.fail_after(30):
        while any(_runs(pid) for pid in left):  # noqa: ASYNC110
            await anyio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_nothing_but_the_protocol_is_written_to_stdout(server: StdioServer) -> None:
    assert server.process.stdin is not None
    await server.process.stdin.send(b"this is not JSON\n")
    for number, arguments in enumerate([{}, {"phone": "x"}, {"nonsense": 1}], 10):
        await server.ask("tools/call", {"name": "link_device", "arguments": arguments}, number)
    await server.process.stdin.aclose()
    rest = b""
    with anyio.move_on_after(5):
        try:
            while True:
                rest += await server.output.receive()
        except anyio.EndOfStream:
            pass
    for line in rest.splitlines():
        assert json.loads(line)["jsonrpc"] == "2.0"


async def test_an_http_server_ends_within_a_second_although_clients_listen(
    whatsapp: WhatsApp, home: Path
) -> None:
    async with (
        http_server(whatsapp, home) as server,
        httpx2.AsyncClient(headers=server.headers, trust_env=False) as http,
        http.stream("GET", f"{server.base}/sse") as listening,
    ):
        assert listening.status_code == 200
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(END_LIMIT + SLACK):
            await server.process.wait()
        assert server.process.returncode == 0
        assert time.monotonic() - begin < END_LIMIT + SLACK


def test_a_bad_toolset_stops_start_up_with_the_names_there_are(whatsapp_free_home: Path) -> None:
    kept = {**os.environ, "WHATSAPP_MCP_HOME": str(whatsapp_free_home)}
    done = subprocess.run(
        command("serve", "--toolsets", "cor"),
        env=kept,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "core" in done.stderr


@pytest.fixture
def whatsapp_free_home(tmp_path: Path) -> Path:
    """A home of its own for a server that never starts."""
    return tmp_path
