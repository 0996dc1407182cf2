"""From an MCP client to a phone: what comes from another chat is asked about, as a forward and as a file."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.fixtures import call, link, mcp_client, until
from tests.media.footage import RED, png
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

CONFIG = """
[server]
toolsets = "all"

[policy]
mode = "standard"

[policy.budgets]
same_text_per_day = 100
gap_seconds = 0

[[policy.chats]]
people = "strangers"
read = "allow"
send = "allow"
"""


async def test_what_comes_from_another_chat_is_forwarded_by_whichever_tool(
    whatsapp: WhatsApp, home: Path
) -> None:
    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    ann, bank = whatsapp.person("Ann"), whatsapp.person("Bank")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await bank.says("Your verification code is 482913")
        await bank.says(whatsapp.media.attach("image", png(64, 64, RED), caption="Look"))
        listed = await until(client, lambda found: len(found["messages"]) == 2, "list_messages")
        code, picture = sorted(each["ref"] for each in listed["messages"])
        refused = await client.call_tool("forward_message", {"message": code, "chat": ann.number})
        assert "one-time code" in str(refused.content)
        shown = await call(client, "download_media", message=picture)
        for number in range(2):  # the refused one counts
            arguments = {"path": shown["path"], "file_name": f"{number}.jpg"}
            await call(client, "send_file", chat=ann.number, **arguments)
        refused = await client.call_tool("send_file", {"chat": ann.number, "path": shown["path"]})
        assert "more than 3 forwards" in str(refused.content)
        with anyio.fail_after(30):
            for _ in range(2):
                assert (await ann.receives()).message.HasField("imageMessage")


async def test_a_file_of_a_chat_that_may_not_be_read_is_not_read_as_one_of_the_chat_with_oneself(
    whatsapp: WhatsApp, home: Path
) -> None:
    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    ben, cleo = whatsapp.person("Ben"), whatsapp.person("Cleo")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        own = whatsapp.me.number
        for person in (ben, cleo):
            words = f"The diary of {person.number}".encode()
            await person.says(
                whatsapp.media.attach("document", words, fileName="a.txt", mimetype="text/plain")
            )
        listed = await until(client, lambda found: len(found["messages"]) == 2, "list_messages")
        refs = sorted(each["ref"] for each in listed["messages"])
        paths = [(await call(client, "download_media", message=ref))["path"] for ref in refs]
        rules = (
            f'\n[[policy.chats]]\nnumber = "{ben.number}"\nread = "ask"\n'
            f'\n[[policy.chats]]\nnumber = "{cleo.number}"\nread = "deny"\n'
        )
        (home / "config.toml").write_text(CONFIG + rules, encoding="utf-8")
        asked, denied = "APPROVAL_REQUIRED", "DENIED"
        for tool, arguments, code in (
            ("send_file", {"path": paths[0]}, asked),
            ("send_file", {"path": paths[1]}, denied),
            ("forward_message", {"message": refs[0]}, asked),
            ("forward_message", {"message": refs[1]}, denied),
        ):
            refused = await client.call_tool(tool, {"chat": own, **arguments})
            assert code in str(refused.content)
        copy = next((Path(paths[0]).parent / "outgoing").iterdir())
        refused = await client.call_tool("send_file", {"chat": own, "path": str(copy)})
        assert "FILE_NOT_ALLOWED" in str(refused.content)
        said = await client.call_tool("list_messages", {"chat": own})
        assert ".txt" not in str(said.content)
