"""Every operation of the device, from an MCP client of a follower, to WhatsApp and back.

Each case, `does_` and the operation's name, calls a tool of the follower, looks at what WhatsApp saw
of it, and has the leader answer the same call alike.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import pytest
from mcp import Client

from tests.core import CORE_OPERATIONS
from tests.fixtures import said, until
from tests.server.fakes import ledger_in
from tests.server.linked import LIMIT, png
from tests.server.pair import Pair, Source, link, pair_of_servers
from whatsapp_mcp.device.leader import pausing
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import agents, approvals, contacts, control, files
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import AgentStatus, Permit
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import Settings
from whatsapp_simulator.groups import Group

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """One linked pair for all cases that leave it linked."""
    async with pair_of_servers(tmp_path_factory.mktemp("shared")) as pair:
        await link(pair)
        yield pair


@pytest.fixture
def pair(shared: Pair) -> Pair:
    """The pair, nothing asked yet."""
    shared.asked.clear()
    return shared


# The link.


async def does_status(pair: Pair) -> None:
    told = await pair.both_meanwhile("connection_status")
    assert (told["state"], told["leader_pid"]) == ("online", os.getpid())


async def does_figures(pair: Pair) -> None:
    async with pair.person() as follower:
        told, status = await follower.do(control.figures), await follower.do(control.status)
    assert told.logins >= 1
    assert told.client_pid is not None
    assert (told.client_memory or 0) > 1_000_000
    assert told.client_seconds is not None
    assert told.archived <= told.journaled
    assert not told.sends.keys() - {"sent", "failed", "unknown"}
    assert status.leader_pid == os.getpid()


async def does_reconnect(pair: Pair) -> None:
    before = (await pair.told(pair.follower, "connection_status", {}))[1]["generation"]
    await pair.told(pair.follower, "reconnect", {})
    for client in (pair.follower, pair.leader):
        told = await until(client, lambda status: status["state"] == "online", "connection_status")
        assert told["generation"] == before + 1
    await pair.wa.me.online()


async def does_link(pair: Pair) -> None:
    async with pair_of_servers(pair.home / "linking") as fresh:
        shown = await fresh.both("link_device")
        await fresh.wa.me.scan(shown["qr"]["text"])
        await until(fresh.follower, lambda status: status["state"] == "online", "connection_status")
        assert fresh.wa.me.companion is not None
        pair.asked.extend(fresh.asked)


async def does_link_state(pair: Pair) -> None:
    async with pair_of_servers(pair.home / "link_state") as fresh:
        await link(fresh)
        pair.asked.extend(fresh.asked)


async def does_unlink(pair: Pair) -> None:
    async with pair_of_servers(pair.home / "unlink") as fresh:
        await link(fresh)
        text, _ = await fresh.told(fresh.follower, "unlink_device", {})
        assert fresh.wa.me.companion is None, text
        for client in (fresh.follower, fresh.leader):
            await until(client, lambda status: status["state"] == "unlinked", "connection_status")
        pair.asked.extend(fresh.asked)


async def does_pause(pair: Pair) -> None:
    # A person pauses at the command line, which asks the leader as a follower does.
    await pausing.pause(Settings(home=pair.home).account_folder())
    for client in (pair.follower, pair.leader):
        text, told = await pair.told(client, "connection_status", {})
        assert (told["state"], told["until"]) == ("paused", None)
        assert "`whatsapp-mcp resume`" in text
        refused = (await pair.told(client, "reconnect", {}))[1]["error"]
        assert (refused["code"], "resume" in refused["action"]) == ("NOT_CONNECTED", True)
    await does_resume(pair)


async def does_resume(pair: Pair) -> None:
    await pausing.resume(Settings(home=pair.home).account_folder())
    for client in (pair.follower, pair.leader):
        await until(client, lambda status: status["state"] == "online", "connection_status")
    await pair.wa.me.online()


# Messages and people.


async def does_send(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    answer = await pair.both("send_message", chat=ann.number, text="hello")
    got = await ann.receives()
    assert (got.id, got.text) == (answer["message_id"], "hello")


async def does_cancel_send(pair: Pair) -> None:
    later = {"chat": pair.wa.person("Ann").number, "text": "tomorrow", "at": "2h"}
    _, accepted = await pair.told(pair.follower, "send_message", later)
    text, _ = await pair.told(pair.follower, "delete_message", {"send_id": accepted["send_id"]})
    assert "will not go out" in text
    assert (await pair.told(pair.leader, "scheduled", {}))[1]["scheduled"] == []


async def does_activity(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    async with anyio.create_task_group() as tasks:

        async def answer_once_waited_for() -> None:
            while "activity" not in pair.asked:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            await ann.says("are you there?")

        tasks.start_soon(answer_once_waited_for)
        with anyio.fail_after(LIMIT):
            _, heard = await pair.told(pair.follower, "wait_for_messages", {"wait": 50})
        assert [each["text"] for each in heard["messages"]] == ["are you there?"]


async def does_resolve_number(pair: Pair) -> None:
    nobody = {"chat": "+1 555 999 9999", "text": "hi"}
    for client in (pair.follower, pair.leader):
        assert (await pair.told(client, "send_message", nobody))[1]["error"]["code"] == "NOT_ON_WHATSAPP"


async def does_mark_read(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.says(ann, "one")
    read = await pair.both("mark_read", chat=ann.number, between=lambda: pair.says(ann, "two"))
    assert read["marked"] == 1
    await pair.wa.network.until(lambda: [each.kind for each in ann.receipts].count("read") == 2, LIMIT)


async def does_download(pair: Pair) -> None:
    ref = await pair.says(pair.wa.person("Ann"), pair.wa.media.attach("image", png(8, 8)))
    answer = await pair.both("download_media", message=ref)
    assert await anyio.Path(answer["path"]).read_bytes() == png(8, 8)


async def does_read_file(pair: Pair) -> None:
    letter = pair.wa.media.attach("document", b"the deposit", fileName="a.txt", mimetype="text/plain")
    ref = await pair.says(pair.wa.person("Ann"), letter)
    with suppress(Unsupported):  # where nothing reads files, which the leader says
        async with pair.devices.use() as device:
            await device.do(files.read_file, int(ref.removeprefix("#")))


async def does_contact_details(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    ann.about = "At sea"
    assert (await pair.both("get_contact", contact=ann.number))["about"] == "At sea"


async def does_typing(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.both("send_typing", chat=ann.number)
    await pair.wa.network.until(lambda: len(ann.activities) == 2, LIMIT)


async def does_check_numbers(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    answer = await pair.both("check_numbers", numbers=[ann.number, "+15559999999"])
    assert [each["on_whatsapp"] for each in answer["numbers"]] == [True, False]


async def does_block(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.both("block_contact", contact=ann.number)
    assert ann.lid in pair.wa.me.blocked or ann.pn in pair.wa.me.blocked
    await pair.both("unblock_contact", contact=ann.number)
    assert pair.wa.me.blocked == {}


async def does_blocked(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.told(pair.follower, "block_contact", {"contact": ann.number})
    assert [each["jid"] for each in (await pair.both("list_blocked"))["blocked"]] == [str(ann.pn)]
    await pair.told(pair.follower, "unblock_contact", {"contact": ann.number})


async def does_save_contact(pair: Pair) -> None:
    await pair.both("save_contact", contact=pair.wa.person("D").number, name="Dora Doe")
    found = await pair.both("search_contacts", query="Dora Doe")
    assert [each["name"] for each in found["contacts"]] == ["Dora Doe"]


async def does_confirm_person(pair: Pair) -> None:
    jid = str(pair.wa.person("D").pn)
    async with pair.person() as device:
        await device.do(contacts.confirm_person, jid, True)
    assert [each.jid for each in await pair.archive.confirmed()] == [jid]


async def does_clear_exposures(pair: Pair) -> None:
    await ledger_in(pair.home).expose("stdio:agent", Exposure.STRANGER)
    async with pair.person() as device:
        await device.do(approvals.clear_exposures)
    assert ledger_in(pair.home).tainted() == {}


async def does_permit(pair: Pair) -> None:
    async with pair.devices.use() as device:
        await device.do(approvals.permit, Permit("fetch", (), ("https://example.org",)))


async def does_approvals(pair: Pair) -> None:
    async with pair.person() as device:
        assert await device.do(approvals.approvals) == ()


async def does_approval(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument):
            await device.do(approvals.approval, "unknown")


async def does_ask_on_phone(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument):
            await device.do(approvals.ask_on_phone, "unknown")


async def does_withdraw(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument):
            await device.do(approvals.withdraw, "unknown")


async def does_decide(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument):
            await device.do(approvals.decide, "unknown", True, "terminal")


async def does_handed_on(pair: Pair) -> None:
    async with pair.devices.use() as device:
        with pytest.raises(InvalidArgument, match="no channel"):
            await device.do(agents.handed_on, str(pair.wa.person("Ann").pn))


async def does_handed_on_done(pair: Pair) -> None:
    async with pair.devices.use() as device:
        with pytest.raises(InvalidArgument, match="handed on"):
            await device.do(agents.handed_on_done, str(pair.wa.person("Ann").pn), 1)


async def does_agent_status(pair: Pair) -> None:
    async with pair.person() as device:
        assert await device.do(agents.agent_status) == AgentStatus()


async def does_pair(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument, match="code"):
            await device.do(agents.pair, "000000")


async def does_drop_pairing(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument, match="let in"):
            await device.do(agents.drop_pairing, str(pair.wa.person("Ann").pn))


async def does_presence(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    ann.goes_online()
    assert (await pair.both("is_online", contact=ann.number))["online"] is True


# Groups.


def group(pair: Pair, name: str, *, mine: bool = True, without_me: bool = False) -> Group:
    """A group with one other member, founded by the account or by that member."""
    other = pair.wa.person("Ann")
    made = pair.wa.group(name, [other], founder=None if mine else other)
    if without_me:
        made.remove(pair.wa.me)
    return made


async def does_group(pair: Pair) -> None:
    assert (await pair.both("get_group", chat=str(group(pair, "Rowers").jid)))["size"] == 2


async def does_group_by_invite(pair: Pair) -> None:
    book = group(pair, "Book club", without_me=True, mine=False)
    answer = await pair.both("get_group_invite", chat=f"https://chat.whatsapp.com/{book.invite_code}")
    assert (answer["jid"], answer["name"]) == (str(book.jid), "Book club")


async def does_create_group(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    answer = await pair.both("create_group", name="Saturday", members=[ann.number])
    made = [each for each in pair.wa.network.groups.values() if str(each.jid) == answer["jid"]]
    assert [set(each.members) for each in made] == [{ann.lid, pair.wa.me.lid}]


async def does_change_group(pair: Pair) -> None:
    choir = group(pair, "Choir")
    await pair.both("get_group", chat=str(choir.jid))
    await pair.both("update_group", chat=str(choir.jid), topic="Mondays", announce=True)
    assert choir.topic is not None
    assert (choir.topic[1], choir.switches) == ("Mondays", {"announcement"})


async def does_change_members(pair: Pair) -> None:
    hikers, ben = group(pair, "Hikers"), pair.wa.person("Ben")

    async def out() -> None:
        assert ben.lid in hikers.members
        hikers.remove(ben)

    await pair.both("get_group", chat=str(hikers.jid))
    await pair.both("add_group_members", between=out, chat=str(hikers.jid), members=[ben.number])
    await pair.both("set_group_admins", chat=str(hikers.jid), members=[ben.number])
    assert hikers.members[ben.lid].role == "admin"


async def does_group_invite(pair: Pair) -> None:
    rowers = group(pair, "Rowers")
    link = (await pair.both("get_group_invite", chat=str(rowers.jid)))["link"]
    assert link.endswith(rowers.invite_code)


async def does_reset_group_invite(pair: Pair) -> None:
    rowers = group(pair, "Rowers")
    before = rowers.invite_code
    answer = await pair.both("reset_group_invite", chat=str(rowers.jid))
    assert before != rowers.invite_code
    assert answer["link"]


async def does_join_group(pair: Pair) -> None:
    book = group(pair, "Book club", without_me=True, mine=False)

    async def out() -> None:
        assert pair.wa.me.lid in book.members
        book.remove(pair.wa.me)

    await pair.both("join_group", link=f"https://chat.whatsapp.com/{book.invite_code}", between=out)


async def does_leave_group(pair: Pair) -> None:
    short = group(pair, "Short", mine=False)

    async def back() -> None:
        assert pair.wa.me.lid not in short.members
        short.add(pair.wa.me)

    await until(pair.follower, lambda chats: True, "list_chats")
    await pair.both("leave_group", chat=str(short.jid), between=back)


async def does_join_requests(pair: Pair) -> None:
    ours, cleo = group(pair, "Ours"), pair.wa.person("Cleo")
    ours.requests_to_join(cleo)
    answer = await pair.both("list_join_requests", chat=str(ours.jid))
    assert [each["jid"] for each in answer["requests"]] in ([str(cleo.pn)], [str(cleo.lid)])


async def does_link_group(pair: Pair) -> None:
    _, village = await pair.told(pair.follower, "create_group", {"name": "Village", "community": True})
    market = group(pair, "Market")
    await pair.both("add_to_community", chat=str(market.jid), community=village["jid"])
    assert str(market.parent) == village["jid"]


async def does_sub_groups(pair: Pair) -> None:
    _, town = await pair.told(pair.follower, "create_group", {"name": "Town", "community": True})
    market = group(pair, "Market square")
    await pair.told(pair.follower, "add_to_community", {"chat": str(market.jid), "community": town["jid"]})
    answer = await pair.both("get_group", chat=town["jid"])
    assert [each["jid"] for each in answer["groups"] if not each["announcements"]] == [str(market.jid)]


# Chats, the profile, channels.


async def does_set_timer(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.both("update_chat", chat=ann.number, timer="7d")
    assert (await ann.receives()).message.protocolMessage.ephemeralExpiration == 604_800


async def does_set_aside(pair: Pair) -> None:
    nina = pair.wa.person("Nina")

    async def waiting() -> list[str]:
        listed = await pair.both("list_chats", unanswered="me")
        return [chat["name"] for chat in listed["chats"]]

    await pair.says(nina, "are you coming?")
    assert nina.name in await waiting()
    await pair.both("set_aside", chat=nina.number, between=lambda: pair.says(nina, "so, are you?"))
    assert nina.name not in await waiting()


async def does_forget_chat(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.says(ann, "one")
    answer = await pair.both("delete_chat", chat=ann.number, between=lambda: pair.says(ann, "two"))
    assert (answer["deleted"], answer["cancelled"]) == (1, 0)


async def does_change_profile(pair: Pair) -> None:
    await pair.both("update_profile", about="At sea")
    assert pair.wa.me.about == "At sea"


async def does_privacy(pair: Pair) -> None:
    assert (await pair.both("privacy_settings"))["settings"]["photo"] == "all"


async def does_change_privacy(pair: Pair) -> None:
    answer = await pair.both("update_privacy", setting="last_seen", value="none")
    assert answer["settings"]["last_seen"] == "none"
    assert pair.wa.me.privacy["last"] == "none"


async def does_show_presence(pair: Pair) -> None:
    pair.wa.me.app_state.set_push_name("Me")
    pair.wa.me.app_state.share_key()
    while "error" in (await pair.told(pair.follower, "set_presence", {"available": False}))[1]:  # noqa: ASYNC110
        await anyio.sleep(0.05)
    companion = await pair.wa.me.online()
    await pair.both("set_presence", available=True)
    await pair.wa.network.until(lambda: companion.available, LIMIT)
    await pair.both("set_presence", available=False)
    await pair.wa.network.until(lambda: not companion.available, LIMIT)


async def does_reject_call(pair: Pair) -> None:
    ann = pair.wa.person("Ann")
    await pair.says(ann, "Can you talk?")
    call = ann.calls()
    listed = await until(
        pair.follower,
        lambda told: any(each["chat"] == str(ann.pn) for each in told["messages"]),
        "list_calls",
    )
    await pair.both("reject_call", message=listed["messages"][-1]["ref"])
    await pair.wa.network.until(lambda: call in ann.ended_calls, LIMIT)


async def does_channels(pair: Pair) -> None:
    pair.wa.channel("Weather").followers[pair.wa.me.lid] = "subscriber"
    listed = await pair.both("list_channels")
    assert "Weather" in [each["name"] for each in listed["channels"]]


async def does_channel_posts(pair: Pair) -> None:
    tides = pair.wa.channel("Tides")
    tides.post("High at nine")
    answer = await pair.both("list_messages", chat=str(tides.jid))
    assert [post["text"] for post in answer["posts"]] == ["High at nine"]


async def does_channel(pair: Pair) -> None:
    news = pair.wa.channel("Village news")
    link = f"https://whatsapp.com/channel/{news.invite_code}"
    assert (await pair.both("list_messages", chat=link))["chat"] == str(news.jid)


async def does_follow_channel(pair: Pair) -> None:
    news = pair.wa.channel("News")
    await pair.both("follow_channel", channel=str(news.jid))
    assert pair.wa.me.lid in news.followers


async def does_create_channel(pair: Pair) -> None:
    answer = await pair.both("create_channel", name="Club")
    assert answer["jid"] in {str(each) for each in pair.wa.network.channels}


async def does_react_in_channel(pair: Pair) -> None:
    news = pair.wa.channel("Ships")
    post = news.post("A ship")
    await pair.both("react", message=f"{news.jid}/{post.number}", emoji="🌊")
    await pair.wa.network.until(lambda: bool(post.reactions), LIMIT)


@pytest.mark.parametrize("operation", sorted(CORE_OPERATIONS))
async def test_a_follower_does_every_operation_as_the_leader_does(pair: Pair, operation: str) -> None:
    with anyio.fail_after(2 * LIMIT):
        await globals()[f"does_{operation}"](pair)
    assert operation in pair.asked


async def test_a_server_that_has_just_started_knows_at_once_that_the_link_is_up(pair: Pair) -> None:
    settings = Settings(home=pair.home)
    async with (
        open_device(settings) as (devices, archive, _),
        Client(create(Source(devices, archive, pair.home))) as client,
    ):
        assert (await said(client, "connection_status")).startswith("online")


async def test_a_refusal_of_whatsapp_reaches_the_follower_as_the_leader_words_it(pair: Pair) -> None:
    board, ben = group(pair, "Board", mine=False), pair.wa.person("Ben")
    board.add(ben)
    arguments = {"chat": str(board.jid), "members": [ben.number]}
    text, data = await pair.told(pair.follower, "remove_group_members", arguments)
    assert data["error"]["code"] == "REJECTED"
    assert await pair.told(pair.leader, "remove_group_members", arguments) == (text, data)
    assert ben.lid in board.members
