"""The main job from end to end: MCP client, server process, client process, neonize, a simulated WhatsApp."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.fixtures import Mode, Transport, call, client_of, http_server, link, mcp_client, until
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 90


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
async def test_an_agent_links_reads_and_answers(
    whatsapp: WhatsApp, home: Path, transport: Transport, mode: Mode
) -> None:
    ann = whatsapp.person("Ann")
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home, transport, mode) as client:
            status = await call(client, "connection_status")
            assert status["state"] in {"offline", "unlinked"}
            await link(client, whatsapp)
            await ann.says("Are you coming?")
            await until(
                client, lambda answer: any(chat["name"] == "Ann" for chat in answer["chats"]), "list_chats"
            )
            read = await call(client, "list_messages", chat="Ann")
            assert [message["text"] for message in read["messages"]] == ["Are you coming?"]
            sent = await call(client, "send_message", chat=ann.number, text="On my way", idempotency_key="k1")
            again = await call(
                client, "send_message", chat=ann.number, text="On my way", idempotency_key="k1"
            )
            assert sent["message_id"] == again["message_id"]
            got = await ann.receives()
            assert (got.id, got.text) == (sent["message_id"], "On my way")


async def test_four_sse_clients_share_one_link(whatsapp: WhatsApp, home: Path) -> None:
    with anyio.fail_after(LIMIT):
        async with http_server(whatsapp, home) as server:
            async with client_of(server, "sse") as first:
                await link(first, whatsapp)
            async with (
                client_of(server, "sse") as one,
                client_of(server, "sse") as two,
                client_of(server, "sse") as three,
                client_of(server, "sse") as four,
            ):
                told = [await call(client, "connection_status") for client in (one, two, three, four)]
    assert {status["state"] for status in told} == {"online"}
    assert len({(status["generation"], status["leader_pid"]) for status in told}) == 1
