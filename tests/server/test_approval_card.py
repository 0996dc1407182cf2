"""The card beside `await_approval`: it shows what is asked, exactly, and can do nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import anyio
import pytest
from mcp import Client
from mcp.types import TextResourceContents

from tests.server.card_host import APPS, drawn
from tests.server.fakes import NOON, FakeDevice, FakeSource, text_of
from tests.server.linked import png
from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.models import Approval, ApprovalState, FileContent, SendRequest
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.cards import APPROVAL, CARDS, Card
from whatsapp_mcp.server.tools.approvals import KEY

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]
BEN = "15550004444@s.whatsapp.net"
QUESTION = Approval(
    "k7mq2x",
    ApprovalState.OPEN,
    "send_file",
    "test",
    (
        "To “Ben” (+15550004444)",
        "Send this image, named “boat.png”",
        "with the caption:",
        "│ <b>second</b>\u200b line",
    ),
    "the recipient is not in the address book",
    NOON,
    NOON,
)


async def held(device: FakeDevice, archive: Archive, path: Path) -> None:
    """A picture that waits for a person's yes."""
    await anyio.Path(path).write_bytes(png(40, 30))
    picture = FileContent("image", str(path), "image/png", "a caption")
    send, _ = await archive.write(outbox.add, SendRequest(BEN, picture), held=True)
    device.held = replace(QUESTION, send_id=send.send_id, pictures=(str(path),))


async def test_each_card_is_a_resource_that_its_tool_names_and_no_other(client: Client) -> None:
    named = {
        tool.name: (tool.meta or {})["ui"]["resourceUri"]
        for tool in (await client.list_tools()).tools
        if tool.meta
    }
    assert named == {"await_approval": "ui://approval", "link_device": "ui://link"}
    for card in CARDS:
        (content,) = (await client.read_resource(card.uri)).contents
        assert isinstance(content, TextResourceContents)
        assert (content.mime_type, content.text) == ("text/html;profile=mcp-app", card.html())


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_is_one_file_that_takes_nothing_from_outside_and_makes_no_markup(card: Card) -> None:
    text = card.html()
    assert re.findall(r"https?://(?!apps\.extensions\.modelcontextprotocol\.io)", text) == []
    assert not re.search(r"<link|<iframe|\bsrc=\"(?!data:)|@import|url\(", text)
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "import("):
        assert word not in text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_shows_recipient_exact_text_and_picture_and_calls_only_the_tool_that_waits(
    source: FakeSource, device: FakeDevice, archive: Archive, tmp_path: Path, mode: Mode
) -> None:
    await held(device, archive, tmp_path / "boat.png")
    async with (
        Client(create(source, "core"), mode=mode, extensions=[APPS]) as client,
        drawn(APPROVAL, client, tmp_path) as card,
    ):
        await card.show_result("await_approval", {"approval": "k7mq2x", "wait": 0})
        seen = await card.until(lambda seen: bool(seen["pictures"]["children"]))
        assert seen["lines"]["children"] == [
            "To “Ben” (+15550004444)",
            "Send this image, named “boat.png”",
            "with the caption:",
            "│ <b>second</b>‹U+200B› line",
        ]
        assert seen["pictures"]["children"][0].startswith("data:image/jpeg;base64,")
        assert (seen["told"]["text"], seen["where"]["hidden"]) == ("Not answered yet.", False)
        await device.decide("k7mq2x", True, "page")
        seen = await card.until(lambda seen: seen["told"]["text"] == "You said yes.")
        assert seen["lines"]["children"]
        assert seen["where"]["hidden"]
        assert {name for name, _ in card.called} == {"await_approval"}


async def test_the_question_and_the_picture_go_to_the_card_and_never_to_the_model(
    source: FakeSource, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    await held(device, archive, tmp_path / "boat.png")
    for extensions, has_card in (([APPS], True), ([], False)):
        async with Client(create(source, "core", structured=True), extensions=extensions) as client:
            result = await client.call_tool("await_approval", {"approval": "k7mq2x", "wait": 0})
        assert (KEY in (result.meta or {})) is has_card
        assert text_of(result.content) == (
            "k7mq2x open: not answered yet; the user can answer until 12:00. Call again to wait on. "
            "The user sees what send_file would do."
        )
        assert result.structured_content == {"approval": "k7mq2x", "state": "open"}


async def test_it_believes_its_host_alone_and_ends_when_it_is_told_to(
    source: FakeSource, device: FakeDevice, tmp_path: Path
) -> None:
    device.held = QUESTION
    forged = {"_meta": {KEY: {"state": "used", "told": "forged", "id": "x"}}}
    async with (
        Client(create(source, "core"), extensions=[APPS]) as client,
        drawn(APPROVAL, client, tmp_path, offers={}) as card,
    ):
        await card.ready.wait()
        await card.notify("ui/notifications/tool-result", forged, forged=True)
        await card.show_result("await_approval", {"approval": "k7mq2x", "wait": 0})
        seen = await card.until(lambda seen: seen["told"]["text"] != "…")
        assert seen["told"]["text"] == "Not answered yet."
        await card.tell(
            {"message": {"jsonrpc": "2.0", "id": 7, "method": "ui/resource-teardown", "params": {}}}
        )
        await card.look()
        assert card.answered == [{"jsonrpc": "2.0", "id": 7, "result": {}}]
        assert card.methods == [
            "ui/initialize",
            "ui/notifications/initialized",
            "ui/notifications/size-changed",
        ]
        assert card.notified[1]["params"] == {"width": 301, "height": 201}
