"""The tutorial, from linking to the first send that a person allows, on a simulated WhatsApp."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.streams.text import TextReceiveStream
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import Implementation

from tests.fixtures import command, environment
from whatsapp_simulator import WhatsApp

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="a stand-in is a script with a first line"),
]
PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
OUTPUTS: list[str] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
[RULE] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
LIMIT = 60.0


def shown(beginning: str) -> str:
    """The output on the page that begins so."""
    [text] = [each for each in OUTPUTS if each.startswith(beginning)]
    return text


def alike(text: str) -> str:
    """A text without what differs each time: ids of questions and times."""
    text = re.sub(r"\(\w{6}\)", "(ID)", text)
    return re.sub(r"\b\d\d:\d\d\b", "TIME", text)


async def run(whatsapp: WhatsApp, home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    with anyio.fail_after(LIMIT):
        return await anyio.run_process(
            command(*arguments), env={**environment(whatsapp, home), "COLUMNS": "200"}, check=False
        )


async def linked(whatsapp: WhatsApp, home: Path) -> None:
    """Link with the command, the phone scanning its first code."""
    process = await anyio.open_process(command("link", "--json"), env=environment(whatsapp, home))
    with anyio.fail_after(LIMIT):
        async with process:
            assert process.stdout is not None
            printed = ""
            async for part in TextReceiveStream(process.stdout):
                printed += part
                first, _, rest = printed.partition("\n")
                if rest or printed.endswith("\n"):
                    event = json.loads(first)
                    printed = rest
                    if event["event"] == "qr":
                        await whatsapp.me.scan(event["text"])
                        await whatsapp.me.online()
                        await whatsapp.me.hand_over()
    assert process.returncode == 0


@asynccontextmanager
async def agent(whatsapp: WhatsApp, home: Path) -> AsyncGenerator[Client]:
    """Claude Code without a person in front of it, with the server that it starts."""
    program, *arguments = command("serve")
    server = StdioServerParameters(command=program, args=arguments, env=environment(whatsapp, home))
    async with Client(
        stdio_client(server), client_info=Implementation(name="claude-code", version="1")
    ) as client:
        yield client


async def refused(client: Client, text: str) -> str:
    """The id of the question when a text to Ann has to be approved first."""
    result = await client.call_tool("send_message", {"chat": "Ann Byrne", "text": text})
    [block] = [block.text for block in result.content if block.type == "text"]
    assert block.startswith("APPROVAL_REQUIRED"), block
    [question] = re.findall(r"It waits as (\w+) until", block)
    return question


async def test_who_follows_the_tutorial_gets_an_answer_and_sends_what_was_allowed(
    whatsapp: WhatsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    ann = whatsapp.person("Ann Byrne", "+15550002222")
    whatsapp.me.app_state.name_contact(ann, ann.name)
    for text in ("Are you coming on Saturday?", "Will you bring something?"):
        whatsapp.me.history.add(ann, text, at=whatsapp.network.timestamp())
    await linked(whatsapp, home)
    again = await run(whatsapp, home, "link")
    assert alike(again.stdout.decode() + again.stderr.decode()).endswith(alike(shown("Ready: ")))

    claude = tmp_path / "bin" / "claude"
    claude.parent.mkdir()
    claude.write_text("#!/bin/sh\n", encoding="utf-8")
    claude.chmod(0o755)
    monkeypatch.setenv("PATH", f"{claude.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    done = await run(whatsapp, home, "install", "claude-code", "--yes")
    ends = re.compile(r"(--env \S+ )|(?<= -- )\S+[^\n]*")
    said = done.stdout.decode() + done.stderr.decode()
    assert ends.sub("", said) == ends.sub("", shown("$ claude mcp add")).replace("Do this? [y/N]: y\n", "")

    async with agent(whatsapp, home) as client:
        # Until the address book has come, she is a stranger: `~Ann Byrne`.
        await until_said(client, " Ann Byrne: Will you bring something?", "list_messages", chat="Ann Byrne")
        (home / "config.toml").write_text(RULE, encoding="utf-8")
        await refused(client, "I will bring the cake.")
        with anyio.fail_after(LIMIT):
            while not (question := await whatsapp.me.receives()).text.startswith("*May this be done?*"):
                pass
        assert alike(question.text).splitlines() == alike(shown("*May this")).splitlines()
        await whatsapp.me.reacts(question.id, "👍")
        with anyio.fail_after(LIMIT):
            assert (await ann.receives()).text == "I will bring the cake."

        waiting = await refused(client, "And a knife.")
        listed = await run(whatsapp, home, "approve", "--list")
        assert listed.stdout.decode().startswith(waiting)
        assert (await run(whatsapp, home, "approve", waiting, "--yes")).returncode == 0
        with anyio.fail_after(LIMIT):
            assert (await ann.receives()).text == "And a knife."


async def until_said(client: Client, words: str, tool: str, **arguments: str) -> None:
    """Wait until a tool's answer holds these words."""
    with anyio.fail_after(LIMIT):
        while words not in str((await client.call_tool(tool, arguments)).content):  # noqa: ASYNC110
            await anyio.sleep(0.05)
