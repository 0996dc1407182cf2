"""Groups: the real client reads and writes them, looks at them and changes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.neonize_client import CallError, NeonizeClient
from whatsapp_simulator import WhatsApp, kinds, profiles
from whatsapp_simulator.groups import Group

pytestmark = pytest.mark.anyio


@pytest.fixture
def wa(shared_wa: WhatsApp) -> WhatsApp:
    """One WhatsApp for the whole module."""
    return shared_wa


@pytest.fixture
def client(shared_client: NeonizeClient) -> NeonizeClient:
    """One linked client for the whole module."""
    return shared_client


def _address(group: Group) -> str:
    return f"jid('{group.jid.user}', 'g.us')"


@pytest.mark.parametrize("by_pn", [False, True])
async def test_a_group_message_arrives_in_its_group(wa: WhatsApp, client: NeonizeClient, by_pn: bool) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    group = wa.group("Boat", [ann, bob], by_pn=by_pn)
    for person, text in ((ann, "first"), (bob, "second"), (ann, "third")):
        sent = await person.says(text, group)
        event = await client.message(text)
        source = event.Info.MessageSource
        assert (event.Info.ID, source.Chat.User, source.IsGroup) == (sent, group.jid.user, True)
        assert source.Sender.User == (person.pn if by_pn else person.lid).user
        assert source.SenderAlt.User == (person.lid if by_pn else person.pn).user
    assert [each.text for each in bob.inbox] == ["first", "third"]


@pytest.mark.parametrize("by_pn", [False, True])
async def test_the_client_writes_to_a_group_and_every_member_reads_it(
    wa: WhatsApp, client: NeonizeClient, by_pn: bool
) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    group = wa.group("Boat", [ann, bob], by_pn=by_pn)
    for turn in range(3):
        await client.call(f"client.send_message({_address(group)}, 'turn {turn}')")
        for person in (ann, bob):
            received = await person.receives()
            assert (received.text, received.sender, received.chat) == (f"turn {turn}", wa.me.lid, group.jid)
    await ann.reads(ann.inbox[-1].id)
    receipt = await client.wait("Receipt", lambda event: ann.inbox[-1].id in event.MessageIDs)
    assert receipt.MessageSource.Chat.User == group.jid.user
    assert receipt.MessageSource.Sender.User == (ann.pn if by_pn else ann.lid).user


async def test_the_phone_writes_to_a_group(wa: WhatsApp, client: NeonizeClient) -> None:
    group = wa.group("Boat", [wa.person("Ann")])
    await wa.me.says(group, "from the phone")
    event = await client.message("from the phone")
    assert event.Info.MessageSource.IsFromMe
    assert event.Info.MessageSource.Chat.User == group.jid.user


async def test_the_client_looks_at_its_groups(wa: WhatsApp, client: NeonizeClient) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    group = wa.group("Boat", [ann, bob], founder=ann)
    wa.group("Old", [bob], by_pn=True)
    group.describe("All about the boat", by=ann)
    group.promote(bob)
    group.switch("locked", True)
    group.disappear(86400)
    listed = await client.call("client.get_joined_groups()")
    assert {"Boat", "Old"} <= {each.GroupName.Name for each in listed}
    info = await client.call(f"client.get_group_info({_address(group)})")
    assert info.GroupTopic.Topic == "All about the boat"
    assert info.GroupLocked.isLocked
    assert info.GroupEphemeral.DisappearingTimer == 86400
    roles = {each.LID.User: (each.IsAdmin, each.IsSuperAdmin) for each in info.Participants}
    assert roles == {
        ann.lid.user: (True, True),
        bob.lid.user: (True, False),
        wa.me.lid.user: (False, False),
    }
    assert {each.PhoneNumber.User for each in info.Participants} == {ann.pn.user, bob.pn.user, wa.me.pn.user}


async def test_members_of_a_group_by_number_are_known_by_both_addresses(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.group("Old", [ann], by_pn=True)
    info = await client.call(f"client.get_group_info({_address(group)})")
    members = {(each.JID.User, each.JID.Server, each.LID.User) for each in info.Participants}
    assert members == {(each.pn.user, "s.whatsapp.net", each.lid.user) for each in (ann, wa.me)}
    group.promote(ann)
    event = await client.wait("GroupInfoEvent", lambda event: event.JID.User == group.jid.user)
    assert [(each.User, each.Server) for each in event.Promote] == [(ann.pn.user, "s.whatsapp.net")]


async def test_the_client_creates_and_changes_a_group(wa: WhatsApp, client: NeonizeClient) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    created = await client.call(f"client.create_group('Trip', [jid('{ann.lid.user}', 'lid')])")
    group = next(each for each in wa.network.groups.values() if each.jid.user == created.JID.User)
    assert set(group.members) == {wa.me.lid, ann.lid}
    address = _address(group)
    change = "__import__('neonize.utils.enum', fromlist=['x']).ParticipantChange"
    for action, user in (("ADD", bob), ("PROMOTE", bob), ("DEMOTE", bob), ("REMOVE", ann)):
        who = f"[jid('{user.lid.user}', 'lid')]"
        await client.call(f"client.update_group_participants({address}, {who}, {change}.{action})")
    assert {lid: each.role for lid, each in group.members.items()} == {
        wa.me.lid: "superadmin",
        bob.lid: "member",
    }
    await client.call(f"client.set_group_name({address}, 'Long trip')")
    await client.call(f"client.set_group_topic({address}, '', '', 'Where to?')")
    await client.call(f"client.set_group_announce({address}, True)")
    await client.call(f"client.set_group_locked({address}, True)")
    await client.call(f"client.set_disappearing_timer({address}, 86400 * 10**9)")
    assert group.ephemeral == 86400
    with pytest.raises(CallError, match=r"(?i)timer"):
        await client.call(f"client.set_disappearing_timer({address}, 5 * 10**9)")
    assert (group.name, group.topic and group.topic.text, group.switches) == (
        "Long trip",
        "Where to?",
        {"announcement", "locked"},
    )
    former = group.invite_code
    await client.call(f"client.get_group_invite_link({address}, True)")
    assert group.invite_code != former
    link = await client.call(f"client.get_group_invite_link({address})")
    assert link.endswith(group.invite_code)
    assert (await client.call(f"client.get_group_info_from_link('{link}')")).GroupName.Name == "Long trip"
    await client.call(f"client.leave_group({address})")
    assert wa.me.lid not in group.members


async def test_the_client_joins_by_link_and_asks_where_approval_is_needed(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.network.create_group("Open", ann, [])
    await client.call(f"client.join_group_with_link('https://chat.whatsapp.com/{group.invite_code}')")
    assert wa.me.lid in group.members
    event = await client.wait("JoinedGroup", lambda event: event.GroupInfo.JID.User == group.jid.user)
    assert event.GroupInfo.GroupName.Name == "Open"
    closed = wa.network.create_group("Closed", ann, [])
    closed.switch("membership_approval_mode", True)
    await client.call(f"client.join_group_with_link('https://chat.whatsapp.com/{closed.invite_code}')")
    assert wa.me.lid in closed.requests
    with pytest.raises(CallError):
        await client.call("client.join_group_with_link('https://chat.whatsapp.com/nothing')")


async def test_changes_by_others_reach_the_client(wa: WhatsApp, client: NeonizeClient) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    group = wa.group("Boat", [ann], founder=ann)

    async def changed() -> Any:
        return await client.wait("GroupInfoEvent", lambda event: event.JID.User == group.jid.user)

    group.add(bob)
    assert [each.User for each in (await changed()).Join] == [bob.lid.user]
    group.rename("Big boat")
    assert (await changed()).Name.Name == "Big boat"
    group.describe("For all")
    assert (await changed()).Topic.Topic == "For all"
    group.switch("announcement", True)
    assert (await changed()).Announce.IsAnnounce
    group.switch("locked", True)
    assert (await changed()).Locked.isLocked
    group.switch("locked", False)
    event = await changed()
    assert event.HasField("Locked")
    assert not event.Locked.isLocked
    group.disappear(86400)
    assert (await changed()).Ephemeral.DisappearingTimer == 86400
    group.disappear(0)
    assert not (await changed()).Ephemeral.IsEphemeral
    group.describe("")
    assert (await changed()).Topic.TopicDeleted
    group.renew_invite()
    assert (await changed()).NewInviteLink.endswith(group.invite_code)
    group.promote(wa.me)
    assert [each.User for each in (await changed()).Promote] == [wa.me.lid.user]
    group.demote(wa.me)
    assert [each.User for each in (await changed()).Demote] == [wa.me.lid.user]
    group.remove(bob)
    assert [each.User for each in (await changed()).Leave] == [bob.lid.user]
    other = wa.network.create_group("Surprise", bob, [ann])
    other.add(wa.me)
    assert (
        await client.wait("JoinedGroup", lambda event: event.GroupInfo.JID.User == other.jid.user)
    ).GroupInfo.GroupName.Name == "Surprise"
    await wa.network.until(lambda: wa.me.companion is not None and not wa.me.companion.pending, 5)


async def test_the_picture_of_a_group_is_set_by_either_side(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    profiles.change_picture(wa.network, group, b"jpeg", ann)
    event = await client.wait("Picture")
    assert (event.JID.User, event.Author.User, event.Remove) == (group.jid.user, ann.lid.user, False)
    await client.call(f"client.set_group_photo({_address(group)}, b'another jpeg')")
    assert group.picture is not None
    assert group.picture.data == b"another jpeg"
    looked = await client.call(f"client.get_profile_picture({_address(group)})")
    assert group.picture.id == looked.ID


async def test_after_somebody_left_the_others_write_with_new_keys(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    group = wa.group("Boat", [ann, bob])
    await ann.says("before", group)
    await client.message("before")
    group.remove(bob)
    await ann.says("after", group)
    await client.message("after")
    await client.call(f"client.send_message({_address(group)}, 'bye Bob')")
    assert [each.text for each in bob.inbox] == ["before"]


async def test_an_invitation_by_card_is_accepted(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    group = wa.network.create_group("By card", ann, [])
    await ann.says(kinds.group_invite(group.jid, group.name, group.invite_code, 1_900_000_000))
    event = await client.wait("Message", lambda event: event.Message.HasField("groupInviteMessage"))
    code = event.Message.groupInviteMessage.inviteCode
    inviter = f"jid('{ann.lid.user}', 'lid')"
    await client.call(f"client.join_group_with_invite({_address(group)}, {inviter}, '{code}', 1900000000)")
    assert wa.me.lid in group.members


async def test_requests_to_join_are_seen_and_communities_hold_groups(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.group("By request", [])
    group.requests_to_join(ann)
    asking = await client.call(f"client.get_group_request_participants({_address(group)})")
    assert [each.Participant.User for each in asking] == [ann.lid.user]
    community = wa.community("Town", [ann])
    await client.call(f"client.link_group({_address(community)}, {_address(group)})")
    linked = await client.call(f"client.get_sub_groups({_address(community)})")
    assert {(each.GroupName.Name, each.GroupIsDefaultSub.IsDefaultSubGroup) for each in linked} == {
        ("Town", True),
        ("By request", False),
    }
    everybody = await client.call(f"client.get_linked_group_participants({_address(community)})")
    assert {each.User for each in everybody.JIDS} == {wa.me.lid.user, ann.lid.user}
    await client.call(f"client.unlink_group({_address(community)}, {_address(group)})")
    assert group.parent is None
