"""Actions of people besides writing: typing, presence, calls, changes of picture and number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.simulator.neonize_client import CallError, NeonizeClient
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.profiles import contact_code

pytestmark = pytest.mark.anyio


@pytest.fixture
def wa(shared_wa: WhatsApp) -> WhatsApp:
    """One WhatsApp for the whole module."""
    return shared_wa


@pytest.fixture
def client(shared_client: NeonizeClient) -> NeonizeClient:
    """One linked client for the whole module."""
    return shared_client


_ENUM = "__import__('neonize.utils.enum', fromlist=['x'])"


@pytest.fixture
async def available(wa: WhatsApp, client: NeonizeClient) -> AsyncIterator[None]:
    """A client is available only once it knows its own name, from the app state."""
    wa.me.app_state.share_key()
    await wa.me.app_state.synced()
    wa.me.app_state.set_push_name("Me")
    await client.eventually("client.get_me()", lambda me: me.PushName == "Me")
    await client.call(f"client.send_presence({_ENUM}.Presence.AVAILABLE)")
    yield
    await client.call(f"client.send_presence({_ENUM}.Presence.UNAVAILABLE)")


@pytest.mark.usefixtures("available")
async def test_typing_is_seen_on_both_sides(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    ann.shows("composing")
    event = await client.wait("ChatPresence")
    assert (event.MessageSource.Sender.User, event.State) == (ann.lid.user, event.COMPOSING)
    ann.shows("recording")
    recording = await client.wait("ChatPresence")
    assert (recording.State, recording.Media) == (event.COMPOSING, event.AUDIO)
    ann.shows("paused")
    assert (await client.wait("ChatPresence")).State == event.PAUSED
    group = wa.group("Boat", [ann])
    ann.shows("composing", group)
    source = (await client.wait("ChatPresence")).MessageSource
    assert (source.Chat.User, source.Sender.User) == (group.jid.user, ann.lid.user)
    for to in (ann.lid, group.jid):
        for state, media in (("COMPOSING", "TEXT"), ("COMPOSING", "AUDIO"), ("PAUSED", "TEXT")):
            await client.call(
                f"client.send_chat_presence(jid('{to.user}', '{to.server}'), "
                f"{_ENUM}.ChatPresence.CHAT_PRESENCE_{state}, "
                f"{_ENUM}.ChatPresenceMedia.CHAT_PRESENCE_MEDIA_{media})"
            )
    await wa.network.until(lambda: len(ann.activities) == 6, 5)
    assert [(each.sender, each.chat, each.state) for each in ann.activities] == [
        (wa.me.lid, chat, state)
        for chat in (wa.me.lid, group.jid)
        for state in ("composing", "recording", "paused")
    ]


@pytest.mark.usefixtures("available")
async def test_subscribers_learn_who_is_online(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")

    async def seen() -> Any:
        return await client.wait("Presence", lambda event: event.From.User == ann.lid.user)

    await client.call(f"client.subscribe_presence(jid('{ann.lid.user}', 'lid'))")
    assert (await seen()).Unavailable
    ann.goes_online()
    assert not (await seen()).Unavailable
    ann.goes_offline(last_seen=1_790_000_000)
    event = await seen()
    assert (event.Unavailable, event.LastSeen) == (True, 1_790_000_000)


async def test_a_call_rings_ends_and_is_rejected(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    call = ann.calls()
    offer = await client.wait("CallOffer")
    assert offer.basicCallMeta.callID == call
    await client.call(f"client.reject_call(jid('{ann.lid.user}', 'lid'), '{call}')")
    await wa.network.until(lambda: ann.ended_calls == {call: "reject"}, 5)
    ann.hangs_up(call, reason="timeout")
    assert (await client.wait("CallTerminate")).reason == "timeout"


async def test_pictures_are_fetched_and_changes_are_notified(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    look = f"client.get_profile_picture(jid('{ann.lid.user}', 'lid'))"
    with pytest.raises(CallError, match="profile picture"):
        await client.call(look)
    ann.changes_picture(b"jpeg")
    assert not (await client.wait("Picture")).Remove
    picture = await client.call(look)
    assert ann.picture is not None
    assert ann.picture.id == picture.ID
    ann.changes_picture(None)
    assert (await client.wait("Picture")).Remove
    await client.call("client.set_profile_photo(b'another jpeg')")
    assert wa.me.picture is not None
    assert wa.me.picture.data == b"another jpeg"


async def test_who_has_whatsapp_can_be_asked(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    ann.about = "At the lake"
    found, missing = await client.call(f"client.is_on_whatsapp('{ann.pn.user}', '15559999999')")
    assert (found.IsIn, missing.IsIn) == (True, False)
    (info,) = await client.call(f"client.get_user_info(jid('{ann.pn.user}'))")
    assert info.UserInfo.Status == "At the lake"


async def test_privacy_block_list_and_about_are_kept(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    await client.call(f"client.update_blocklist(jid('{ann.lid.user}', 'lid'), {_ENUM}.BlocklistAction.BLOCK)")
    assert list(wa.me.blocked) == [ann.lid]
    listed = await client.call("client.get_blocklist()")
    assert [each.User for each in listed.JIDs] == [ann.lid.user]
    await client.call(
        f"client.update_blocklist(jid('{ann.lid.user}', 'lid'), {_ENUM}.BlocklistAction.UNBLOCK)"
    )
    assert list(wa.me.blocked) == []
    await client.call("client.set_status_message('Busy')")
    assert wa.me.about == "Busy"
    settings = await client.call("client.get_privacy_settings()")
    assert settings.GroupAdd == settings.ALL
    change = f"{_ENUM}.PrivacySettingType.GROUP_ADD, {_ENUM}.PrivacySetting.CONTACTS"
    with pytest.raises(CallError, match="SetPrivacySettingError"):  # the library misreads its own answer
        await client.call(f"client.set_privacy_setting({change})")
    assert wa.me.privacy["groupadd"] == "contacts"
    settings = await client.call("client.get_privacy_settings()")
    assert settings.GroupAdd == settings.CONTACTS
    await client.call("client.set_default_disappearing_timer(7 * 86400 * 10**9)")
    assert wa.me.default_disappearing == 7 * 86400
    (status,) = await client.call("client.get_status_privacy()")
    assert status.IsDefault


async def test_a_number_change_keeps_the_chat(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    await ann.says("old number")
    before = await client.message("old number")
    ann.changes_number("+15557770000")
    await ann.says("new number")
    after = await client.message("new number")
    assert before.Info.MessageSource.Chat == after.Info.MessageSource.Chat
    assert after.Info.MessageSource.SenderAlt.User == "15557770000"
    await client.call("client.send_message(jid('15557770000'), 'got it')")
    assert (await ann.receives()).text == "got it"


@pytest.mark.usefixtures("available")
async def test_a_chat_begins_by_number_and_goes_on_by_lid(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    ann.addressing = "pn"
    await ann.says("by number")
    event = await client.message("by number")
    assert event.Info.MessageSource.Sender.User == ann.pn.user
    assert event.Info.MessageSource.SenderAlt.User == ann.lid.user
    sent = await client.call(f"client.send_message(jid('{ann.pn.user}'), 'to the number')")
    await ann.reads((await ann.receives()).id)
    receipt = await client.wait("Receipt", lambda event: sent.ID in event.MessageIDs)
    assert receipt.MessageSource.Chat.User == ann.pn.user
    ann.shows("composing")
    assert (await client.wait("ChatPresence")).MessageSource.Chat.User == ann.pn.user
    call = ann.calls()
    assert (await client.wait("CallOffer")).basicCallMeta.callCreator.User == ann.pn.user
    ann.hangs_up(call)
    ann.addressing = "lid"
    await ann.says("by LID")
    event = await client.message("by LID")
    assert event.Info.MessageSource.Sender.User == ann.lid.user


async def test_a_contact_code_leads_to_its_owner(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    own = await client.call("client.get_contact_qr_link()")
    assert own.endswith(contact_code(wa.me))
    target = await client.call(f"client.resolve_contact_qr_link('{contact_code(ann)}')")
    assert (target.JID.User, target.PushName) == (ann.pn.user, "Ann")


async def test_a_business_is_known_by_its_verified_name(wa: WhatsApp, client: NeonizeClient) -> None:
    lea = wa.person("Lea")
    lea.becomes_business("Lea's Bakery")
    group = wa.group("Street", [lea])
    for to in (None, group):
        await lea.says("fresh bread", to)
        event = await client.message("fresh bread")
        assert event.Info.VerifiedName.Details.verifiedName == "Lea's Bakery"
    known = f"client.contact.get_contact(jid('{lea.lid.user}', 'lid'))"
    await client.eventually(known, lambda contact: contact.BusinessName == "Lea's Bakery")
    max_ = wa.person("Max")
    max_.becomes_business("Max's Boats")
    await client.call(f"client.get_user_info(jid('{max_.pn.user}'))")
    known = f"client.contact.get_contact(jid('{max_.pn.user}'))"
    await client.eventually(known, lambda contact: contact.BusinessName == "Max's Boats")
    (found,) = await client.call(f"client.is_on_whatsapp('{lea.pn.user}')")
    assert found.VerifiedName.Details.verifiedName == "Lea's Bakery"
    target = await client.call(f"client.resolve_business_message_link('{contact_code(lea)}')")
    assert (target.JID.User, target.VerifiedName, target.IsSigned) == (lea.pn.user, "Lea's Bakery", True)
