"""What cannot be decrypted is asked for again, on either side."""

from __future__ import annotations

import pytest

from tests.simulator.neonize_client import NeonizeClient
from whatsapp_mcp.simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def test_a_corrupted_message_is_asked_for_again(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    await ann.says("fine")
    await client.message("fine")
    wa.corrupt(1)
    sent = await ann.says("corrupted on its way")
    lost = await client.wait("UndecryptableMessage")
    assert sent == lost.Info.ID
    event = await client.message("corrupted on its way")
    assert sent == event.Info.ID
    assert [each.kind for each in wa.log] == ["undecryptable"]
    await ann.says("fine again")
    await client.message("fine again")


async def test_a_corrupted_group_message_is_asked_for_again(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    await ann.says("fine", group)
    await client.message("fine")
    wa.corrupt(1)
    await ann.says("corrupted", group)
    await client.message("corrupted")
    await ann.says("fine again", group)
    await client.message("fine again")


async def test_a_person_with_a_new_phone_asks_the_client_again(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    await client.call(f"client.send_message(jid('{ann.pn.user}'), 'to the old phone')")
    await ann.receives()
    ann.reinstalls()
    assert (await client.wait("IdentityChange")).JID.User == ann.lid.user
    response = await client.call(f"client.send_message(jid('{ann.pn.user}'), 'to the new phone')")
    received = await ann.receives()
    assert (received.id, received.text) == (response.ID, "to the new phone")
    await ann.says("got it")
    await client.message("got it")


async def test_a_person_that_cannot_decrypt_a_group_message_gets_it_anew_alone(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann, ben = wa.person("Ann"), wa.person("Ben")
    group = wa.group("Boat", [ann, ben])
    await client.call(f"client.send_message(jid('{group.jid.user}', 'g.us'), 'one')")
    assert ((await ann.receives()).text, (await ben.receives()).text) == ("one", "one")
    ann._sessions.clear()
    response = await client.call(f"client.send_message(jid('{group.jid.user}', 'g.us'), 'two')")
    received = await ann.receives()
    assert (received.id, received.chat, received.text) == (response.ID, group.jid, "two")
    assert [each.text for each in ben.inbox] == ["one", "two"]
    assert [each.kind for each in wa.log] == ["undecryptable"]
    wa.log.clear()
