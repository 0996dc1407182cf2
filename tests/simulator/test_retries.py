"""Either side requests again what it cannot decrypt."""

from __future__ import annotations

import pytest

from tests.simulator.faultless import CORRUPTED
from tests.simulator.neonize_client import NeonizeClient
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def test_a_corrupted_message_is_asked_for_again(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated += CORRUPTED
    wa, client = shared_wa, shared_client
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


@pytest.mark.parametrize("by_pn", [False, True])
async def test_a_corrupted_group_message_is_asked_for_again(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str], by_pn: bool
) -> None:
    tolerated += CORRUPTED
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann], by_pn=by_pn)
    await ann.says("fine", group)
    await client.message("fine")
    wa.corrupt(1)
    await ann.says("corrupted", group)
    await client.message("corrupted")
    await ann.says("fine again", group)
    await client.message("fine again")


async def test_a_withheld_message_is_requested_from_the_phone(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("Unavailable message")
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    await wa.me.says(ann, "begins the session that the request needs")
    for to in (None, group):
        await ann.says("seen", to)
        await client.message("seen")
        wa.withhold(1)
        sent = await ann.says("withheld", to)
        missing = await client.wait("UndecryptableMessage")
        assert (missing.Info.ID, missing.IsUnavailable) == (sent, True)
        event = await client.message("withheld")
        assert event.UnavailableRequestID
        assert sent == event.Info.ID
        source, expected = event.Info.MessageSource, ann.lid if to is None else group.jid
        assert (source.Chat.User, source.Sender.User) == (expected.user, ann.lid.user)


async def test_a_person_with_a_new_phone_asks_the_client_again(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated += ["no prekey", "untrusted identity"]
    wa, client = shared_wa, shared_client
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


@pytest.mark.parametrize("by_pn", [False, True])
async def test_only_the_person_that_cannot_decrypt_a_group_message_gets_it_again(
    shared_wa: WhatsApp, shared_client: NeonizeClient, by_pn: bool
) -> None:
    wa, client = shared_wa, shared_client
    ann, ben = wa.person("Ann"), wa.person("Ben")
    group = wa.group("Boat", [ann, ben], by_pn=by_pn)
    await client.call(f"client.send_message(jid('{group.jid.user}', 'g.us'), 'one')")
    assert ((await ann.receives()).text, (await ben.receives()).text) == ("one", "one")
    ann._sessions.clear()
    response = await client.call(f"client.send_message(jid('{group.jid.user}', 'g.us'), 'two')")
    received = await ann.receives()
    assert (received.id, received.chat, received.text) == (response.ID, group.jid, "two")
    assert [each.text for each in ben.inbox] == ["one", "two"]
    assert [each.kind for each in wa.log] == ["undecryptable"]
    wa.log.clear()
