"""The logs of whole sessions at the level debug hold no text, number, token or session id."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPError

from tests.fixtures import Mode, Transport, client_of, http_server, link, mcp_client
from tests.server.fakes import text_of
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import load
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio
LIMIT = 90
SENT, RECEIVED, BROKEN = "outgoing-words", "incoming-words", "unreadable-words"
SESSION_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def logs(home: Path, tmp_path: Path) -> Path:
    """A folder for the logs of servers that log all they can."""
    config = home / "config.toml"
    config.write_text('log_level = "debug"\n' + config.read_text(encoding="utf-8"), encoding="utf-8")
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


async def answer(client: Client, tool: str, **arguments: str) -> str:
    """The text of what a tool answers."""
    return text_of((await client.call_tool(tool, arguments)).content)


async def converse(client: Client, ann: Person, text: str) -> None:
    """Receive, read, search, send and fail, all with words and numbers in it."""
    number = f"+{ann.pn.user}"
    await ann.says(f"{RECEIVED} {text}")
    while text not in await answer(client, "list_messages"):  # noqa: ASYNC110  nothing tells of it
        await anyio.sleep(0.05)
    assert RECEIVED in await answer(client, "search_messages", query=RECEIVED)
    await client.call_tool("send_message", {"chat": number, "text": f"{SENT} {text}"})
    assert (await ann.receives()).message.conversation == f"{SENT} {text}"
    assert (await client.call_tool("send_message", {"chat": SENT, "text": SENT})).is_error
    assert (await client.call_tool("list_messages", {SENT: number})).is_error
    with pytest.raises(MCPError):
        await client.read_resource(f"whatsapp://{SENT}")


def log_files(logs: Path, home: Path) -> list[Path]:
    """The servers' logs and those of the client processes."""
    return [*logs.iterdir(), *home.rglob("*.log*")]


async def test_logs_of_whole_sessions_hold_nothing_private(
    whatsapp: WhatsApp, home: Path, logs: Path
) -> None:
    ann = whatsapp.person("Ann")
    with (
        (logs / "http").open("w") as http_log,
        (logs / "stdio").open("w") as stdio_log,
        anyio.fail_after(LIMIT),
    ):
        async with http_server(whatsapp, home, log=http_log) as server:
            async with client_of(server, "http") as client:
                await link(client, whatsapp)
            sessions: list[tuple[Transport, Mode]] = [("http", "auto"), ("http", "legacy"), ("sse", "legacy")]
            for transport, mode in sessions:
                async with client_of(server, transport, mode) as client:
                    await converse(client, ann, f"{transport} {mode}")
            config = home / "config.toml"
            config.write_text('log_format = "json"\n' + config.read_text(encoding="utf-8"), encoding="utf-8")
            async with mcp_client(whatsapp, home, "stdio", log=stdio_log) as follower:
                await converse(follower, ann, "stdio")
            await say_what_cannot_be_read(server.base, server.headers, home)
    written = {path: path.read_text(errors="replace") for path in log_files(logs, home)}
    assert "INFO" in written[logs / "http"]
    assert "whatsapp_mcp" in written[logs / "stdio"]
    assert "whatsapp_mcp.device" in written[home / "server.log"]
    entries = [json.loads(line) for line in written[logs / "stdio"].splitlines()]
    assert {"time", "level", "logger", "message", "pid"} <= entries[0].keys()
    token = server.token
    numbers = [ann.pn.user, ann.lid.user, whatsapp.me.pn.user, whatsapp.me.lid.user]
    for path, text in written.items():
        assert not [secret for secret in (SENT, RECEIVED, BROKEN, token, *numbers) if secret in text], path
        assert not SESSION_ID.search(text), path


async def say_what_cannot_be_read(base: str, headers: dict[str, str], home: Path) -> None:
    """Send broken requests, with words in them, over HTTP and to the leader's socket."""
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
        for body in (f'{{"method": "{BROKEN}', f'{{"jsonrpc": "2.0", "id": 1, "{BROKEN}": "{BROKEN}"}}'):
            accepted = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
            assert (await http.post(f"{base}/mcp", content=body, headers=accepted)).status_code == 400
    stream, secret = await endpoint.connect(load(home).account_folder())
    async with stream, Peer(stream, stream) as peer:
        hello: dict[str, Any] = {"protocol": 1, "version": BROKEN, "secret": secret}
        await peer.call("hello", hello, deadline=10)
        with pytest.raises(InvalidArgument):
            await peer.call("send", {"request": {"text": BROKEN, "chat": BROKEN}}, deadline=10)
