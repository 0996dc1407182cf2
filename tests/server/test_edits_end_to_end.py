"""Edits, from an MCP client to what phones show."""

from __future__ import annotations

import base64
from typing import Any, Literal

import pytest

from tests.fixtures import until
from tests.server.linked import Linked, png
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

KEPT = (
    "URL",
    "directPath",
    "mediaKey",
    "mediaKeyTimestamp",
    "fileSHA256",
    "fileEncSHA256",
    "fileLength",
    "mimetype",
    "JPEGThumbnail",
)


def edited(message: E2E.Message) -> E2E.Message:
    """The new content of an edit."""
    edit = message.editedMessage.message.protocolMessage
    assert edit.type == E2E.ProtocolMessage.MESSAGE_EDIT
    return edit.editedMessage


async def sent_file(linked: Linked, chat: str, **arguments: Any) -> dict[str, Any]:
    data = base64.b64encode(png(8, 8)).decode()
    _, sent = await answer(linked.client, "send_file", chat=chat, data=data, **arguments)
    return sent


@pytest.mark.parametrize("kind", ["image", "document"])
async def test_an_edited_caption_stands_under_the_same_file(linked: Linked, kind: str) -> None:
    sent = await sent_file(linked, "Ann", kind=kind, caption="Ready at eight")
    original = getattr((await linked.ann.receives()).message, f"{kind}Message")
    for caption in ("Ready at nine", "Ready at ten"):
        await answer(linked.client, "edit_message", message=sent["ref"], text=caption)
        new = getattr(edited((await linked.ann.receives()).message), f"{kind}Message")
        assert new.caption == caption
        assert {name: getattr(new, name) for name in KEPT} == {name: getattr(original, name) for name in KEPT}
    _, listed = await answer(linked.client, "list_messages", chat="Ann", limit=1)
    assert (listed["messages"][0]["kind"], listed["messages"][0]["text"]) == (kind, "Ready at ten")
    assert not linked.wa.log


@pytest.mark.parametrize("kind", ["image", "video", "document"])
async def test_a_caption_that_was_sent_on_the_phone_is_edited_with_all_that_came_with_it(
    linked: Linked, kind: Literal["image", "video", "document"]
) -> None:
    group = linked.wa.group(f"Painters {kind}", [linked.ann, linked.ben])
    file = linked.wa.media.attach(kind, png(8, 8), caption=f"@{linked.ben.lid.user} painted it")
    original = getattr(file, f"{kind}Message")
    original.contextInfo.mentionedJID.append(str(linked.ben.lid))
    original.thumbnailDirectPath = "/v/small"
    await linked.ben.says("Look", group)
    said = await linked.wa.me.says(group, file)
    await until(
        linked.client,
        lambda got: any(each["message_id"] == said for each in got["messages"]),
        "list_messages",
    )
    await answer(linked.client, "edit_message", message=said, text="@Ben painted it blue")
    (_, received) = [await linked.ben.receives() for _ in range(2)]
    original.caption = f"@{linked.ben.lid.user} painted it blue"
    assert getattr(edited(received.message), f"{kind}Message") == original
    assert not linked.wa.log


async def test_a_caption_that_somebody_edits_changes_under_its_picture(linked: Linked) -> None:
    said = await linked.cleo.says(linked.wa.media.attach("image", png(8, 8), caption="Ready at eight"))
    await linked.cleo.edits(said, "Ready at nine")
    listed = await until(
        linked.client,
        lambda got: any(each["message_id"] == said and each["edited_at"] for each in got["messages"]),
        "list_messages",
        detail="full",
    )
    shown = next(each for each in listed["messages"] if each["message_id"] == said)
    assert (shown["kind"], shown["text"]) == ("image", "Ready at nine")
    assert not linked.wa.log


async def test_an_edited_text_keeps_its_quote_and_its_mentions_and_gets_new_ones(linked: Linked) -> None:
    group = linked.wa.group("Rowers", [linked.ann, linked.ben])
    asked = await linked.ann.says("Who rows?", group)
    chat = str(group.jid)
    await until(
        linked.client,
        lambda got: any(each["message_id"] == asked for each in got["messages"]),
        "list_messages",
    )
    _, sent = await answer(
        linked.client, "send_message", chat=chat, text="@Ann does", mentions=["Ann"], reply_to=asked
    )
    original = (await linked.ben.receives(), await linked.ben.receives())[1].message.extendedTextMessage
    await answer(
        linked.client, "edit_message", message=sent["ref"], text="@Ann and @Ben do", mentions=["Ben"]
    )
    new = edited((await linked.ben.receives()).message).extendedTextMessage
    assert new.text == f"@{linked.ann.lid.user} and @{linked.ben.lid.user} do"
    assert list(new.contextInfo.mentionedJID) == [str(linked.ann.lid), str(linked.ben.lid)]
    assert new.contextInfo.stanzaID == original.contextInfo.stanzaID == asked
    assert new.contextInfo.quotedMessage == original.contextInfo.quotedMessage
    assert not linked.wa.log


async def test_what_has_no_text_to_edit_is_refused_before_anything_is_sent(linked: Linked) -> None:
    _, place = await answer(linked.client, "send_location", chat="Cleo", latitude=1.5, longitude=2.0)
    once = await sent_file(linked, "Cleo", kind="image", caption="Look", view_once=True)
    for _ in range(2):
        await linked.cleo.receives()
    for message in (place, once):
        error = await refusal(linked.client, "edit_message", message=message["ref"], text="There")
        assert error["code"] == "UNSUPPORTED"
    await answer(linked.client, "send_message", chat="Cleo", text="Next")
    assert (await linked.cleo.receives()).text == "Next"
