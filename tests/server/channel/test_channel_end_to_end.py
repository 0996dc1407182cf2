"""From the owner's phone to a Claude Code session and back, through a real server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fixtures import command, environment, link, mcp_client
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.envelope import Received

pytestmark = pytest.mark.anyio
LIMIT = 60.0
OWN = '[agent]\nsettle = 0.2\n\n[agent.chats]\nself = "channel"\n'
QUESTION = {
    "request_id": "abcde",
    "tool_name": "Bash",
    "description": "List the files",
    "input_preview": '{"command": "ls"}',
}


@dataclass
class ClaudeCode:
    """The application's end of a server's standard input and output."""

    process: anyio.abc.Process
    lines: BufferedByteReceiveStream
    notified: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    numbers: int = 0

    async def write(self, **message: Any) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def next(self) -> dict[str, Any]:
        with anyio.fail_after(LIMIT):
            return json.loads(await self.lines.receive_until(b"\n", 1_000_000))

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.numbers += 1
        await self.write(id=self.numbers, method=method, params=params)
        while (answer := await self.next()).get("id") != self.numbers:
            self.notified.append(answer)
        return answer.get("result", answer)

    async def pushed(self, method: str) -> dict[str, Any]:
        while True:
            for each in self.notified:
                if each["method"] == method:
                    self.notified.remove(each)
                    return each["params"]
            self.notified.append(await self.next())


@asynccontextmanager
async def claude_code(whatsapp: WhatsApp, home: Path, chat: str) -> AsyncIterator[ClaudeCode]:
    """A session that opens as Claude Code 2.1 does: with a revision without channels, then the one before."""
    serve = command("serve", "--channel", chat)
    async with await anyio.open_process(serve, env=environment(whatsapp, home), stderr=None) as process:
        assert process.stdout is not None
        session = ClaudeCode(process, BufferedByteReceiveStream(process.stdout))
        try:
            refused = await session.ask("server/discover")
            assert refused["error"]["code"] == -32601
            info = {"name": "claude-code", "version": "2.1.332"}
            await session.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)
            await session.write(method="notifications/initialized")
            yield session
        finally:
            process.kill()


async def linked(whatsapp: WhatsApp, home: Path, config: str) -> None:
    (home / "config.toml").write_text(config, encoding="utf-8")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)


async def question(whatsapp: WhatsApp) -> Received:
    """The next question on the owner's phone."""
    with anyio.fail_after(LIMIT):
        while not (received := await whatsapp.me.receives()).text.startswith("*May this be done?*"):
            pass
    return received


async def test_the_owner_writes_on_the_phone_and_is_answered_there(whatsapp: WhatsApp, home: Path) -> None:
    await linked(whatsapp, home, OWN)
    async with claude_code(whatsapp, home, "self") as session:
        await whatsapp.me.online()
        await whatsapp.me.says(whatsapp.me, "Is the build green?")
        pushed = await session.pushed("notifications/claude/channel")
        assert pushed["content"] == "Is the build green?"
        chat = pushed["meta"]["chat"]
        sent = await session.ask(
            "tools/call", name="send_message", arguments={"chat": chat, "text": "It is."}
        )
        assert not sent.get("isError"), sent
        with anyio.fail_after(LIMIT):
            while (await whatsapp.me.receives()).text != "It is.":
                pass
        # Its own answer does not come back: what comes next is what the phone says next.
        await whatsapp.me.says(whatsapp.me, "Thanks")
        assert (await session.pushed("notifications/claude/channel"))["content"] == "Thanks"


async def test_a_thumb_of_the_phone_alone_answers_what_the_host_asks(whatsapp: WhatsApp, home: Path) -> None:
    await linked(whatsapp, home, OWN)
    async with claude_code(whatsapp, home, "self") as session:
        await whatsapp.me.online()
        for request_id, thumb, behavior in (("abcde", "👍", "allow"), ("fghij", "👎", "deny")):
            await session.write(
                method="notifications/claude/channel/permission_request",
                params={**QUESTION, "request_id": request_id},
            )
            asked = await question(whatsapp)
            assert "List the files" in asked.text
            assert request_id in asked.text
            # Words are no answer, whoever writes them.
            await whatsapp.me.says(whatsapp.me, f"yes {request_id}")
            pushed = await session.pushed("notifications/claude/channel")
            assert pushed["content"] == f"yes {request_id}"
            assert session.notified == []
            await whatsapp.me.reacts(asked.id, thumb)
            verdict = await session.pushed("notifications/claude/channel/permission")
            assert verdict == {"request_id": request_id, "behavior": behavior}


async def test_a_channel_of_somebody_reads_and_answers_in_their_chat_alone(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann, ben = whatsapp.person("Ann"), whatsapp.person("Ben")
    config = f'[agent]\nsettle = 0.2\n\n[agent.chats]\n"{ann.number}" = "channel"\n'
    await linked(whatsapp, home, config)
    async with claude_code(whatsapp, home, ann.number) as session:
        await whatsapp.me.online()
        await ben.says("Tell me everything")
        await ann.says("What do you know?")
        pushed = await session.pushed("notifications/claude/channel")
        assert pushed["content"] == "What do you know?"
        refused = await session.ask(
            "tools/call", name="send_message", arguments={"chat": ben.number, "text": "Everything"}
        )
        assert refused["isError"]
        await session.write(method="notifications/claude/channel/permission_request", params=QUESTION)
        chat = pushed["meta"]["chat"]
        sent = await session.ask(
            "tools/call", name="send_message", arguments={"chat": chat, "text": "Little"}
        )
        assert not sent.get("isError"), sent
        with anyio.fail_after(LIMIT):
            while (await ann.receives()).text != "Little":  # a reaction says before that somebody works
                pass
    assert ben.inbox == []
