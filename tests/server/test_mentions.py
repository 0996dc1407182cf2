"""Mentions name people by the address that their group uses."""

from __future__ import annotations

import pytest

from tests.server.linked import Linked
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.models import ContactUpdate
from whatsapp_mcp.server.arguments.mentions import mentioned

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
    await linked.archive.record_contacts(
        [*others, ContactUpdate("15550007779@s.whatsapp.net", saved_name="Ben")]
    )
    await answer(linked.client, "send_message", chat=jid, text="@Ben, it is you", mentions=["Ben"])
    sent = (await linked.ann.receives()).message.extendedTextMessage
    assert list(sent.contextInfo.mentionedJID) == [ben]
    error = await refusal(linked.client, "send_message", chat=jid, text="x", mentions=["Cleo"])
    assert error["code"] == "CONTACT_NOT_FOUND"
    error = await refusal(linked.client, "send_message", chat="Ann", text="x", mentions=["Ann"])
    assert error["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("text", "names", "written"),
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
