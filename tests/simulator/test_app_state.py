"""App state between the phone and the real client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.neonize_client import CallError, NeonizeClient, linked
from whatsapp_mcp.protobufs import SyncAction
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.app_state_crypto import Mutation
from whatsapp_simulator.user import User

pytestmark = pytest.mark.anyio

_KEYS = "whatsmeow_app_state_sync_keys"


@pytest.fixture
async def synced(shared_wa: WhatsApp, shared_client: NeonizeClient) -> NeonizeClient:
    """A client that has the app state key and all five collections."""
    shared_wa.me.app_state.share_key()
    await shared_wa.me.app_state.synced()
    return shared_client


async def settings(client: NeonizeClient, chat: User, fits: Callable[[Any], bool]) -> Any:
    source = f"client.chat_settings.get_chat_settings(jid('{chat.jid.user}', 'lid'))"
    return await client.eventually(source, fits)


async def test_what_was_there_before_the_key_arrives_as_a_snapshot(
    wa: WhatsApp, unlinked: NeonizeClient
) -> None:
    ann, ben = wa.person("Ann"), wa.person("Ben")
    state = wa.me.app_state
    state.name_contact(ann, "Ann Miller")
    state.pin(ann)
    state.archive(ben)
    state.mute(ben)
    client = unlinked
    await linked(wa, client)
    state.share_key()
    await state.synced()
    told = await settings(client, ann, lambda each: each.Pinned)
    assert not told.Archived
    await settings(client, ben, lambda each: each.Archived)
    contacts = await client.eventually("client.contact.get_all_contacts()", bool)
    named = [each for each in contacts if each.JID.User == ann.pn.user]
    assert [each.Info.FullName for each in named] == ["Ann Miller"]


async def test_each_change_on_the_phone_reaches_the_client(
    shared_wa: WhatsApp, synced: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    state = shared_wa.me.app_state
    state.pin(ann)
    await settings(synced, ann, lambda each: each.Pinned)
    state.pin(ann, pinned=False)
    await settings(synced, ann, lambda each: not each.Pinned)
    state.mute(ann, until=4_000_000_000)
    told = await settings(synced, ann, lambda each: each.MutedUntil > 0)
    assert told.MutedUntil == 4_000_000_000
    state.archive(ann)
    await settings(synced, ann, lambda each: each.Archived)
    state.archive(ann, archived=False)
    await settings(synced, ann, lambda each: not each.Archived)
    await state.synced()


async def test_changes_of_every_kind_are_taken_without_complaint(
    shared_wa: WhatsApp, synced: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    sent = await ann.says("hi")
    state = shared_wa.me.app_state
    state.set_push_name("Me Myself")
    state.star(ann, sent)
    state.delete_for_me(ann, sent)
    state.mark_read(ann)
    state.edit_label("1", "Family", color=3)
    state.label(ann, "1")
    state.name_contact(ann, "Ann Miller")
    state.remove_contact(ann)
    state.clear_chat(ann)
    state.delete_chat(ann)
    await state.synced()
    await synced.message("hi")
    assert state.value("contact", str(ann.pn)) is None
    assert state.value("star", str(ann.jid), sent, "0", "0").starAction.starred
    for action in (("clearChat", str(ann.jid), "1", "0"), ("deleteChat", str(ann.jid), "1")):
        assert state.value(*action) is not None


async def test_a_patch_of_the_client_is_verified_and_taken_over(
    shared_wa: WhatsApp, synced: NeonizeClient
) -> None:
    collection = shared_wa.me.app_state.collections["critical_block"]
    before = collection.version
    await synced.call("client.set_profile_name('Me Myself')")
    value = shared_wa.me.app_state.value("setting_pushName")
    assert value.pushNameSetting.name == "Me Myself"
    assert shared_wa.me.name == "Me Myself"
    assert collection.version == before + 1


async def test_the_clients_patch_on_an_old_version_is_made_again_on_the_new_one(
    shared_wa: WhatsApp, synced: NeonizeClient
) -> None:
    collection = shared_wa.me.app_state.collections["critical_block"]
    before = collection.version
    name = SyncAction.PushNameSetting(name="From the phone")
    value = SyncAction.SyncActionValue(timestamp=1, pushNameSetting=name)
    collection.change([Mutation(("setting_pushName",), value, 1)])  # unannounced
    await synced.call("client.set_profile_name('Me Myself')")
    assert shared_wa.me.app_state.value("setting_pushName").pushNameSetting.name == "Me Myself"
    assert collection.version == before + 2


async def test_a_patch_for_no_collection_is_refused(
    shared_wa: WhatsApp, synced: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("no collection")
    with pytest.raises(CallError, match="404"):  # the library names none
        await synced.call(
            "client.send_app_state(Neonize.PatchInfo(Timestamp=1, Type=Neonize.PatchInfo.REGULAR))"
        )
    assert [remark.kind for remark in shared_wa.log] == ["app state"]


async def test_a_long_way_behind_is_caught_up_in_several_answers(
    shared_wa: WhatsApp, synced: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    collection = shared_wa.me.app_state.collections["regular_low"]
    before = collection.version
    for number in range(120):
        pin = SyncAction.SyncActionValue(timestamp=1, pinAction=SyncAction.PinAction(pinned=number % 2 == 0))
        collection.change([Mutation(("pin_v1", f"{number}@lid"), pin, 5)])
    shared_wa.me.app_state.pin(ann)
    await settings(synced, ann, lambda each: each.Pinned)
    assert collection.version == before + 121


async def test_a_patch_of_many_mutations_comes_as_a_blob(shared_wa: WhatsApp, synced: NeonizeClient) -> None:
    ann = shared_wa.person("Ann")
    pin = SyncAction.SyncActionValue(timestamp=1, pinAction=SyncAction.PinAction(pinned=True))
    chats = [*(f"{number}@lid" for number in range(150)), str(ann.jid)]
    shared_wa.me.app_state.change("regular_low", *(Mutation(("pin_v1", chat), pin, 5) for chat in chats))
    await settings(synced, ann, lambda each: each.Pinned)


async def test_after_a_rotation_both_sides_go_on_with_the_new_key(
    shared_wa: WhatsApp, synced: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    state = shared_wa.me.app_state
    state.pin(ann)
    await settings(synced, ann, lambda each: each.Pinned)
    former, keys = state.newest_key_id, synced.stored(_KEYS)
    state.rotate_key()
    # The library stores a key beside what comes after it.
    await synced.eventually("None", lambda _: synced.stored(_KEYS) > keys)
    state.pin(ann, pinned=False)
    await settings(synced, ann, lambda each: not each.Pinned)
    await synced.call("client.set_profile_name('Me Again')")
    last = state.collections["critical_block"].patches[-1]
    assert last.keyID.ID == state.newest_key_id != former
    assert state.value("setting_pushName").pushNameSetting.name == "Me Again"
    await state.synced()


async def test_a_client_without_the_key_asks_for_it(
    wa: WhatsApp, client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("didn't find app state key")
    ann = wa.person("Ann")
    await wa.me.says(ann, "hi")  # begins the session that the request needs
    await client.message("hi")
    wa.me.app_state.pin(ann)
    await settings(client, ann, lambda each: each.Pinned)
