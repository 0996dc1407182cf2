"""Albums, from an MCP client to what the other person's phone shows as one, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.fixtures import call, link, mcp_client, until
from tests.server.fakes import FakeDevice, text_of
from tests.server.test_core_tools import refusal
from tests.server.test_file_tools import PNG
from whatsapp_mcp.simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 90


async def test_an_album_is_one_on_both_sides(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    media = home / "accounts" / "default" / "media"
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            media.mkdir(parents=True, exist_ok=True)
            for name in ("a.png", "b.png"):
                (media / name).write_bytes(PNG)
            arguments = {
                "chat": ann.number,
                "path": "a.png\nb.png",
                "caption": "At the lake",
                "idempotency_key": "k1",
            }
            sent = await call(client, "send_file", **arguments)
            assert sent["status"] in {"sent", "delivered", "read"}
            assert (await call(client, "send_file", **arguments))["message_id"] == sent["message_id"]
            [(album, files)] = ann.albums().items()
            assert album == sent["message_id"]
            assert [file.message.imageMessage.caption for file in files] == ["At the lake", ""]
            assert all(whatsapp.media.open(file.message) for file in files)

            theirs = await ann.says_album([whatsapp.media.attach("image", PNG) for _ in range(3)])
            await until(
                client,
                lambda got: any(
                    each["message_id"] == theirs and len(each["album"]["files"]) == 3
                    for each in got["messages"]
                    if "album" in each
                ),
                "list_messages",
                chat=ann.number,
            )
            listed = await client.call_tool("list_messages", {"chat": ann.number})
            lines = [line for line in text_of(listed.content).splitlines() if "album" in line]
            assert [line.partition("[")[2] for line in lines] == [
                "album of 2: #2 #3]",
                "image 1 kB] At the lake",
                "album of 3: #5 #6 #7]",
            ]
            shown = await client.call_tool("download_media", {"message": "#5"})
            assert [block.type for block in shown.content] == ["image", "text"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"path": "a.png\nb.txt"}, "file 2 is sent as document"),
        ({"path": "a.png\na.png", "view_once": True}, "view_once"),
        ({"path": "a.png\na.png", "data": "QUFB"}, "exactly one"),
        ({"path": "\n".join(["a.png"] * 31)}, "at most 30"),
    ],
)
async def test_what_no_album_can_hold_is_refused_before_anything_is_sent(
    client: Client, device: FakeDevice, tmp_path: Path, arguments: dict[str, Any], told: str
) -> None:
    media = tmp_path / "accounts" / "default" / "media"
    (media / "a.png").write_bytes(PNG)
    (media / "b.txt").write_bytes(b"words")
    error = await refusal(client, "send_file", chat="Bob", **arguments)
    assert error["code"] == "INVALID_ARGUMENT"
    assert told in error["message"] + error["action"]
    assert device.sends == []
