"""From an MCP client to somebody's phone, later: once, whoever leads by then, unless they have replied."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.docs.examples import examples
from tests.fixtures import call, link, mcp_client, said, until
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


def soon(seconds: float) -> str:
    """That long from now, as a client writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


@pytest.fixture
def home(home: Path) -> Path:
    (home / "config.toml").write_text(
        '[server]\ntoolsets = "all"\n[policy]\nmode = "open"\n[policy.budgets]\ngap_seconds = 0\n',
        encoding="utf-8",
    )
    return home


async def error(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return "\n".join(block.text for block in result.content if block.type == "text")


async def test_what_a_follower_schedules_goes_out_once_after_the_leader_has_ended(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as follower_to_be:
        async with mcp_client(whatsapp, home) as other:
            await link(follower_to_be, whatsapp)
            sent = await call(other, "send_message", chat=ann.number, text="later", at=soon(8))
            assert (sent["status"], sent["ref"]) == ("scheduled", None)
            assert "later" in await said(other, "scheduled")
            assert ann.inbox == []
        # Whoever leads by then has to send it.
        async with mcp_client(whatsapp, home) as third:
            with anyio.fail_after(40):
                assert (await ann.receives()).text == "later"
            status = await until(
                third, lambda found: found["ref"] is not None, "message_status", send_id=sent["send_id"]
            )
            assert status["status"] in {"sent", "delivered", "read"}
            assert "Nothing is scheduled" in await said(third, "scheduled")
    assert [each.text for each in ann.inbox] == ["later"]


async def test_the_calls_of_the_page_about_scheduling_work(whatsapp: WhatsApp, home: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "scheduling.md"
    ann = whatsapp.person("Ann")
    whatsapp.me.app_state.name_contact(ann, "Ann")
    [lines] = [one.body.splitlines() for one in examples(page) if one.language == "text"]
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await whatsapp.me.hand_over()
        await ann.says("hello")
        await until(client, knows_ann, "list_chats")
        ids: list[int] = []  # of the sends that the page numbers from 12
        for line in lines:
            tool, _, given = line.removesuffix(")").partition("(")
            arguments: dict[str, Any] = eval(f"dict({given})", {"true": True})
            if "send_id" in arguments:
                arguments["send_id"] = ids[arguments["send_id"] - 12]
            done = await call(client, tool, **arguments)
            ids += [done["send_id"]] if "send_id" in done else []
        left = (await call(client, "scheduled"))["scheduled"]
    texts = [one["text"] for one in left]
    assert len(texts) == 2
    assert "Did you see my question?" in texts
    assert any("Call the dentist" in text for text in texts)


def knows_ann(found: Mapping[str, Any]) -> bool:
    return any(chat["name"] == "Ann" and not chat.get("stranger") for chat in found["chats"])


async def test_a_server_that_starts_later_sends_what_was_left(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as leader:
        await link(leader, whatsapp)
        await call(leader, "send_message", chat=ann.number, text="once", at=soon(6))
    async with mcp_client(whatsapp, home) as leader:
        with anyio.fail_after(40):
            assert (await ann.receives()).text == "once"
        await until(leader, lambda found: not found["scheduled"], "scheduled")
    assert len(ann.inbox) == 1


async def test_a_nudge_is_not_sent_once_they_have_replied(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await call(client, "send_message", chat=ann.number, text="are you coming?")
        await ann.receives()
        nudge = await call(
            client, "send_message", chat=ann.number, text="and?", at=soon(3), unless_reply=True
        )
        await ann.says("yes!")
        status = await until(
            client,
            lambda found: found["status"] != "scheduled",
            "message_status",
            within=40,
            send_id=nudge["send_id"],
        )
        assert (status["status"], "after it was scheduled" in status["reason"]) == ("failed", True)
        assert [each.text for each in ann.inbox] == ["are you coming?"]


async def test_one_is_changed_cancelled_and_a_sent_one_taken_back(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        first = await call(client, "send_message", chat=ann.number, text="one", at="2h")
        second = await call(client, "change_scheduled", send_id=first["send_id"], text="two", at="3h")
        assert second["send_id"] != first["send_id"]
        (waiting,) = (await call(client, "scheduled"))["scheduled"]
        assert (waiting["text"], waiting["send_id"]) == ("two", second["send_id"])
        assert "Cancelled" in await said(client, "delete_message", send_id=second["send_id"])
        assert (await call(client, "scheduled"))["scheduled"] == []
        assert "nothing to delete" in await error(client, "delete_message", send_id=second["send_id"])
        sent = await call(client, "send_message", chat=ann.number, text="oops")
        await ann.receives()
        assert "for everyone" in await said(client, "delete_message", message=sent["ref"])
        with anyio.fail_after(30):
            while not (await ann.receives()).message.HasField("protocolMessage"):
                pass


async def test_a_reminder_comes_to_the_person(whatsapp: WhatsApp, home: Path) -> None:
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await call(client, "remind_me", text="call the dentist", at=soon(3))
        with anyio.fail_after(30):
            assert (await whatsapp.me.receives()).text == "⏰ call the dentist"
