"""What is not plain text, from an MCP client to the decrypted message at the other end."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fixtures import call, link, mcp_client, until
from tests.server.test_file_tools import PNG, sound
from whatsapp_simulator import WhatsApp

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

            sent = await call(client, "send_message", chat=ann.number, text="Yes", reply_to=asked)
            answered = (await ann.receives()).message.extendedTextMessage
            assert answered.contextInfo.quotedMessage.conversation == "Pizza on Friday?"

            await call(client, "edit_message", message=sent["ref"], text="Yes!")
            edit = (await ann.receives()).message.editedMessage.message.protocolMessage
            assert edit.editedMessage.extendedTextMessage.text == "Yes!"
            assert edit.editedMessage.extendedTextMessage.contextInfo == answered.contextInfo

            await call(client, "send_location", chat=ann.number, latitude=52.5, longitude=13.4, name="Oven")
            assert (await ann.receives()).message.locationMessage.name == "Oven"

            poll = await call(
                client, "send_poll", chat=ann.number, question="Which?", options=["Funghi", "Diavola"]
            )
            made = (await ann.receives()).message
            assert [o.optionName for o in made.pollCreationMessage.options] == ["Funghi", "Diavola"]

            await call(client, "vote_poll", message=poll["ref"], options=["funghi"])
            assert (
                poll["message_id"]
                == (await ann.receives()).message.pollUpdateMessage.pollCreationMessageKey.ID
            )

            await call(client, "forward_message", message=asked, chat=ann.number)
            assert (await ann.receives()).message.extendedTextMessage.contextInfo.isForwarded

            await call(client, "delete_message", message=sent["ref"])
            assert sent["message_id"] == (await ann.receives()).message.protocolMessage.key.ID

            read = await call(client, "mark_read", chat=ann.number)
            assert read["marked"] == 1
            await whatsapp.network.until(lambda: "read" in [each.kind for each in ann.receipts], LIMIT)
            listed = await call(client, "list_messages", chat=ann.number, detail="full")
            by_ref: dict[str, Any] = {message["ref"]: message for message in listed["messages"]}
            assert by_ref[asked]["reactions"][0]["emoji"] == "👍"
            assert by_ref[sent["ref"]]["revoked_at"]
            assert by_ref[poll["ref"]]["kind"] == "poll"
            results = await call(client, "get_poll_results", message=poll["ref"])
            assert [option["votes"] for option in results["options"]] == [1, 0]
            chats = await call(client, "list_chats")
            assert chats["chats"][0]["unread"] == 0


async def test_files_go_out_and_come_in(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            await ann.says(whatsapp.media.attach("image", PNG, caption="Look"))
            lost = whatsapp.media.attach(
                "document", b"%PDF-", fileName="bill.pdf", mimetype="application/pdf"
            )
            await ann.says(lost)
            whatsapp.media.expire(lost, 410)
            read = await until(client, lambda answer: len(answer["messages"]) == 2, "list_messages")
            image, bill = (message["ref"] for message in read["messages"])

            shown = await client.call_tool("download_media", {"message": image})
            assert [block.type for block in shown.content] == ["image", "text"]
            gone = await client.call_tool("download_media", {"message": bill})
            assert gone.is_error
            assert (gone.structured_content or {})["error"]["code"] == "MEDIA_UNAVAILABLE"

            for kind, data in (("image", PNG), ("voice", sound()), ("document", PNG)):
                encoded = base64.b64encode(data).decode()
                caption = "" if kind == "voice" else "Mine"
                sent = await call(
                    client, "send_file", chat=ann.number, data=encoded, kind=kind, caption=caption
                )
                got = await ann.receives()
                assert got.id == sent["message_id"]
                assert kind != "document" or whatsapp.media.open(got.message) == data
            listed = await call(client, "list_messages", chat=ann.number, from_me=True)
            assert [message["kind"] for message in listed["messages"]] == ["image", "voice", "document"]
            assert listed["messages"][0]["text"] == "Mine"
