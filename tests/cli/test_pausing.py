"""`pause` and `resume` as a person types them, beside servers that agents use, on a simulated WhatsApp."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.cli.test_black_box import run, running, status
from tests.fixtures import call, link, mcp_client, said, until
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def online(client: Client) -> None:
    await until(client, lambda told: told["state"] == "online", "connection_status")


async def refused(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return (answer.structured_content or {})["error"]


def lines(output: bytes) -> Sequence[str]:
    return output.decode().splitlines()


async def test_what_an_agent_sends_in_a_pause_is_delivered_once_after_it(whatsapp: WhatsApp, home: Path):
    ann = whatsapp.person("Ann")
    with (home / "config.toml").open("a", encoding="utf-8") as config:
        config.write('[server]\ntoolsets = "core,profile"\n')
    async with mcp_client(whatsapp, home) as agent:
        await link(agent, whatsapp)

        answer = await run(whatsapp, home, "pause", "--for", "2h")

        assert answer.returncode == 0
        assert lines(answer.stdout)[0].startswith("paused: Paused with `whatsapp-mcp pause`")
        assert "or run `whatsapp-mcp resume`." in lines(answer.stdout)[1]
        await whatsapp.me.offline()
        told = await status(whatsapp, home)  # and its exit code is 1
        assert told["state"] == "paused"
        assert "resume" in told["action"]
        left = datetime.fromisoformat(told["until"]) - datetime.now(UTC)
        assert timedelta(minutes=110) < left <= timedelta(hours=2)

        seen = await said(agent, "connection_status")
        assert seen.startswith("paused since ")
        assert "`whatsapp-mcp resume`" in seen
        sent = await said(agent, "send_message", chat=ann.number, text="later")
        assert sent.startswith("queued to ")
        assert "paused" in sent
        error = await refused(agent, "reconnect")
        assert (error["code"], "`whatsapp-mcp resume`" in error["action"]) == ("NOT_CONNECTED", True)
        assert (await run(whatsapp, home, "reconnect")).returncode == 1
        assert ann.inbox == []

        answer = await run(whatsapp, home, "resume")

        assert (answer.returncode, lines(answer.stdout)[0]) == (0, "online")
        assert (await ann.receives()).text == "later"
        await call(agent, "send_message", chat=ann.number, text="and now")
        assert [each.text for each in ann.inbox] == ["later", "and now"]


async def test_a_pause_lasts_when_every_server_is_restarted_and_needs_none_to_begin(
    whatsapp: WhatsApp, home: Path
):
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as agent:
        await link(agent, whatsapp)
    await whatsapp.me.offline()

    assert (await run(whatsapp, home, "pause")).returncode == 0
    assert (await status(whatsapp, home))["state"] == "paused"
    assert (await status(whatsapp, home, "--wait"))["state"] == "paused"

    for text in ("one", "two"):
        async with mcp_client(whatsapp, home) as agent:
            await until(agent, lambda told: told["state"] == "paused", "connection_status")
            assert (await call(agent, "send_message", chat=ann.number, text=text))["status"] == "queued"
    await whatsapp.me.offline()

    answer = await run(whatsapp, home, "resume", "--json")
    assert (answer.returncode, json.loads(answer.stdout)["state"]) == (0, "offline")
    async with mcp_client(whatsapp, home) as agent:
        await online(agent)
        await until(agent, lambda _: len(ann.inbox) == 2, "connection_status")
    assert [each.text for each in ann.inbox] == ["one", "two"]


async def test_a_pause_can_be_resumed_twice_and_begun_twice(whatsapp: WhatsApp, home: Path):
    async with mcp_client(whatsapp, home) as agent:
        await link(agent, whatsapp)
        for arguments, state in (
            (["pause"], "paused"),
            (["pause", "--for", "1d"], "paused"),
            (["resume"], "online"),
            (["resume"], "online"),
        ):
            answer = await run(whatsapp, home, *arguments, "--json")
            assert (answer.returncode, json.loads(answer.stdout)["state"]) == (0, state)


async def test_linking_a_paused_account_says_that_it_is_linked_and_how_to_resume(
    whatsapp: WhatsApp, home: Path
):
    async with mcp_client(whatsapp, home) as agent:
        await link(agent, whatsapp)
        await run(whatsapp, home, "pause")

        told = await said(agent, "link_device")
        assert "Linked already" in told
        assert "`whatsapp-mcp resume`" in told
        async with running(whatsapp, home, "link", "--json") as command:
            event = await command.event("failed")
        assert "the connection is paused" in event["reason"]
        assert "`whatsapp-mcp resume`" in event["action"]
        answer = await run(whatsapp, home, "unlink")
        assert (answer.returncode, b"`whatsapp-mcp resume`" in answer.stderr) == (1, True)


async def test_an_account_without_a_phone_cannot_be_paused(whatsapp: WhatsApp, home: Path):
    async with mcp_client(whatsapp, home) as agent:
        await until(agent, lambda told: told["state"] == "unlinked", "connection_status")
        answer = await run(whatsapp, home, "pause")
    assert (answer.returncode, answer.stdout) == (1, b"")
    assert b"Run `whatsapp-mcp link`." in answer.stderr
