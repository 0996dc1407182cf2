"""What is not plain text, from an MCP client to the decrypted message at the other end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fixtures import call, link, mcp_client, until
from whatsapp_mcp.simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 90


async def test_every_kind_arrives_and_stands_in_the_archive(whatsapp: WhatsApp, home: Path) -> None:
    with (home / "config.toml").open("a", encoding="utf-8") as config:
        config.write('[server]\ntoolsets = "all"\n')
    ann = whatsapp.person("Ann")
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            await ann.says("Pizza on Friday?")
            read = await until(client, lambda answer: bool(answer["messages"]), "list_messages")
            asked = read["messages"][0]["ref"]

            await call(client, "react", message=asked, emoji="👍")
            assert (await ann.receives()).message.reactionMessage.text == "👍"

            sent = await call(client, "send_message", chat="Ann", text="Yes", reply_to=asked)
            answered = (await ann.receives()).message.extendedTextMessage
            assert answered.contextInfo.quotedMessage.conversation == "Pizza on Friday?"

            await call(client, "edit_message", message=sent["ref"], text="Yes!")
            edit = (await ann.receives()).message.editedMessage.message.protocolMessage
            assert edit.editedMessage.conversation == "Yes!"

            await call(client, "send_location", chat="Ann", latitude=52.5, longitude=13.4, name="Oven")
            assert (await ann.receives()).message.locationMessage.name == "Oven"

            poll = await call(
                client, "send_poll", chat="Ann", question="Which?", options=["Funghi", "Diavola"]
            )
            made = (await ann.receives()).message
            assert [o.optionName for o in made.pollCreationMessage.options] == ["Funghi", "Diavola"]

            await call(client, "vote_poll", message=poll["ref"], options=["funghi"])
            assert (await ann.receives()).message.pollUpdateMessage.pollCreationMessageKey.ID == poll[
                "message_id"
            ]

            await call(client, "forward_message", message=asked, chat="Ann")
            assert (await ann.receives()).message.extendedTextMessage.contextInfo.isForwarded

            await call(client, "delete_message", message=sent["ref"])
            assert (await ann.receives()).message.protocolMessage.key.ID == sent["message_id"]

            await call(client, "mark_read", chat="Ann")
            listed = await call(client, "list_messages", chat="Ann", detail="full")
            by_ref: dict[str, Any] = {message["ref"]: message for message in listed["messages"]}
            assert by_ref[asked]["reactions"][0]["emoji"] == "👍"
            assert by_ref[sent["ref"]]["revoked_at"]
            assert by_ref[poll["ref"]]["kind"] == "poll"
            results = await call(client, "get_poll_results", message=poll["ref"])
            assert [option["votes"] for option in results["options"]] == [1, 0]
            chats = await call(client, "list_chats")
            assert chats["chats"][0]["unread"] == 0
