"""Mentions name people by the address that their group uses."""

from __future__ import annotations

import base64

import pytest

from tests.fixtures import until
from tests.server.linked import Linked, png
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp.archive import recording
from whatsapp_mcp.models import ContactUpdate, TextContent
from whatsapp_mcp.server.arguments.finding import mentioned

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("by_pn", [False, True])
async def test_a_mention_renders_and_notifies(linked: Linked, by_pn: bool) -> None:
    group = linked.wa.group(f"Rowers {by_pn}", [linked.ann, linked.ben], by_pn=by_pn)
    ann, ben = (str(person.pn if by_pn else person.lid) for person in (linked.ann, linked.ben))
    jid = str(group.jid)
    await answer(
        linked.client,
        "send_message",
        chat=jid,
        text="Hi @Ann, and you",
        mentions=["Ann", f"+{linked.ben.pn.user}"],
    )
    sent = (await linked.ann.receives()).message.extendedTextMessage
    assert list(sent.contextInfo.mentionedJID) == [ann, ben]
    assert sent.text == f"@{ben.partition('@')[0]} Hi @{ann.partition('@')[0]}, and you"
    await answer(linked.client, "send_message", chat=jid, text="All of you", mentions="everyone")
    sent = (await linked.ann.receives()).message.extendedTextMessage
    assert (sent.text, set(sent.contextInfo.mentionedJID)) == ("All of you", {ann, ben})
    others = [ContactUpdate(f"1555000777{n}@s.whatsapp.net", saved_name=f"Ann {n}") for n in range(2)]
    await linked.archive.write(
        recording.record_contacts, [*others, ContactUpdate("15550007779@s.whatsapp.net", saved_name="Ben")]
    )
    await answer(linked.client, "send_message", chat=jid, text="@Ben, it is you", mentions=["Ben"])
    sent = (await linked.ann.receives()).message.extendedTextMessage
    assert list(sent.contextInfo.mentionedJID) == [ben]
    error = await refusal(linked.client, "send_message", chat=jid, text="x", mentions=["Cleo"])
    assert error["code"] == "CONTACT_NOT_FOUND"
    error = await refusal(linked.client, "send_message", chat="Ann", text="x", mentions=["Ann"])
    assert error["code"] == "INVALID_ARGUMENT"


async def test_a_scheduled_text_that_changes_keeps_whom_it_still_mentions(linked: Linked) -> None:
    group = linked.wa.group("Planners", [linked.ann, linked.ben])
    mentions, tomorrow = {"mentions": ["Ann", "Ben"]}, {"at": "1d"}
    _, sent = await answer(
        linked.client, "send_message", chat=str(group.jid), text="@Ann @Ben soon", **mentions, **tomorrow
    )
    await answer(linked.client, "change_scheduled", send_id=sent["send_id"], text="later, @Ann")
    (waiting,) = await linked.archive.outbox_scheduled()
    content = waiting.request.content
    assert isinstance(content, TextContent)
    assert (content.text, content.mentions) == (f"later, @{linked.ann.lid.user}", (str(linked.ann.lid),))


@for_each(
    "text, names, written",
    [
        ("@Bob ok", ("Bob Bell",), "@49 ok"),
        ("@Bob Bell ok", ("Bob Bell",), "@49 ok"),
        ("ok, @bell?", ("Bob Bell",), "ok, @49?"),
        ("@Bob ok", ("+1555", "Bob Bell"), "@49 ok"),
        ("@Bobby ok", ("Bob Bell",), "@49 @Bobby ok"),
        ("ok @49", ("Bob Bell",), "ok @49"),
        ("ok", ("@Bob Bell",), "@49 ok"),
    ],
)
def test_the_part_of_a_name_that_stands_in_the_text_becomes_the_mention(
    text: str, names: tuple[str, ...], written: str
) -> None:
    assert mentioned(text, names, "49") == written


async def test_a_members_number_in_a_caption_is_a_mention_and_another_number_is_text(linked: Linked) -> None:
    group = linked.wa.group("Captions", [linked.ann, linked.ben])
    ben = str(linked.ben.lid)
    caption = f"@{linked.ben.number} and @15559990000, look"
    picture = base64.b64encode(png(8, 8)).decode()
    await answer(linked.client, "send_file", chat=str(group.jid), data=picture, caption=caption)
    image = (await linked.ann.receives()).message.imageMessage
    assert list(image.contextInfo.mentionedJID) == [ben]
    assert image.caption == f"@{ben.partition('@')[0]} and @15559990000, look"
    text, _ = await answer(linked.client, "list_messages", chat=str(group.jid))
    assert "@Ben and @15559990000, look" in text


async def test_a_caption_that_somebody_wrote_shows_who_is_mentioned_by_name(linked: Linked) -> None:
    group = linked.wa.group("Tagged", [linked.ann, linked.ben])
    tagged = linked.wa.media.attach("image", png(8, 8), caption=f"@{linked.ben.lid.user} was there")
    tagged.imageMessage.contextInfo.mentionedJID.append(str(linked.ben.lid))
    await linked.ann.says(tagged, group)
    await until(
        linked.client,
        lambda got: any("was there" in each["text"] for each in got["messages"]),
        "list_messages",
    )
    text, _ = await answer(linked.client, "list_messages", chat=str(group.jid))
    assert "@Ben was there" in text
