"""Channels: the real client follows, reads and writes them."""

from __future__ import annotations

import pytest

from tests.simulator.neonize_client import NeonizeClient
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def test_a_followed_channel_is_listed_and_its_posts_arrive(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    channel = wa.channel("News", "All of it")
    await client.call(f"client.follow_newsletter(jid('{channel.jid.user}', 'newsletter'))")
    assert channel.followers == {wa.me.lid: "subscriber"}
    (listed,) = await client.call("client.get_subscribed_newletters()")
    assert (listed.ID.User, listed.ThreadMeta.Name.Text) == (channel.jid.user, "News")
    await client.call(f"client.newsletter_toggle_mute(jid('{channel.jid.user}', 'newsletter'), True)")
    assert channel.muted == {wa.me.lid}
    await client.call(f"client.newsletter_toggle_mute(jid('{channel.jid.user}', 'newsletter'), False)")
    assert channel.muted == set()
    post = channel.post("today")
    event = await client.message("today")
    assert (event.Info.ID, event.Info.ServerID) == (post.id, post.number)
    assert event.Info.MessageSource.Chat.User == channel.jid.user
    await client.call(f"client.unfollow_newsletter(jid('{channel.jid.user}', 'newsletter'))")
    assert channel.followers == {}


async def test_posts_are_fetched_and_reacted_to(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    wa, client = shared_wa, shared_client
    channel = wa.channel("Quotes")
    for number in range(5):
        channel.post(f"quote {number}")
    address = f"jid('{channel.jid.user}', 'newsletter')"
    fetched = await client.call(f"client.get_newsletter_messages({address}, 3, 0)")
    assert [each.Message.conversation for each in fetched] == ["quote 2", "quote 3", "quote 4"]
    last = channel.posts[-1]
    await client.call(f"client.newsletter_send_reaction({address}, {last.number}, '👍', 'R1')")
    assert last.reactions == {wa.me.lid: "👍"}
    assert await client.call(f"client.newsletter_subscribe_live_updates({address})") == 300 * 10**9
    (updated,) = await client.call(f"client.get_newsletter_message_update({address}, 1, 0, 0)")
    assert {each.type: each.count for each in updated.ReactionCounts} == {"👍": 1}
    info = await client.call(f"client.get_newsletter_info_with_invite('{channel.invite_code}')")
    assert info.ThreadMeta.Name.Text == "Quotes"


async def test_the_client_makes_a_channel_and_writes_in_it(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    created = await client.call("client.create_newsletter('Mine', 'about me', b'')")
    channel = next(each for each in wa.network.channels.values() if each.jid.user == created.ID.User)
    await client.call(f"client.send_message(jid('{channel.jid.user}', 'newsletter'), 'first post')")
    assert [each.message.extendedTextMessage.text for each in channel.posts] == ["first post"]
