"""The real client links itself to the simulated phone."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio.to_thread
import pytest

from tests.simulator.neonize_client import NeonizeClient, linked, neonize_client
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.simulator.adv import LinkingError

pytestmark = pytest.mark.anyio


async def test_a_client_links_by_qr_and_logs_in(wa: WhatsApp, client: NeonizeClient) -> None:
    me = await client.call("client.get_me()")
    assert (me.JID.User, me.LID.User) == (wa.me.pn.user, wa.me.lid.user)
    assert wa.me.companion is not None
    assert len(wa.me.companion.prekeys) > 800


async def test_a_client_links_by_pairing_code(wa: WhatsApp, unlinked: NeonizeClient) -> None:
    await unlinked.connect()
    await unlinked.qr()
    code = await unlinked.call(f"client.PairPhone('{wa.me.pn.user}', True)")
    await wa.me.enter_code(code)
    await unlinked.wait("Connected")
    await wa.me.online()


async def test_a_wrong_pairing_code_links_nothing(wa: WhatsApp, unlinked: NeonizeClient) -> None:
    await unlinked.connect()
    await unlinked.qr()
    await unlinked.call(f"client.PairPhone('{wa.me.pn.user}', True)")
    with pytest.raises(LinkingError):
        await wa.me.enter_code("AAAA-AAAA")
    assert wa.me.companions == {}


async def test_a_code_that_nobody_shows_links_nothing(wa: WhatsApp, unlinked: NeonizeClient) -> None:
    await unlinked.connect()
    text = await unlinked.qr()
    with pytest.raises(LinkingError):
        await wa.me.scan(text.replace("#2@", "#3@"))
    await wa.me.scan(text)
    await wa.me.online()


async def test_a_killed_client_logs_in_again_from_its_database(wa: WhatsApp, tmp_path: Path) -> None:
    async with neonize_client(wa, tmp_path / "client.db") as first:
        await linked(wa, first)
        await first.kill()
        await wa.me.offline()
    ann = wa.person("Ann")
    sent = [await ann.says(f"while you were away {number}") for number in range(3)]
    async with neonize_client(wa, tmp_path / "client.db") as second:
        await second.connect()
        arrived = [(await second.message()).Info.ID for _ in sent]
    assert arrived == sent


async def test_two_companions_of_one_phone_see_each_others_messages(wa: WhatsApp, tmp_path: Path) -> None:
    ann = wa.person("Ann")
    async with neonize_client(wa, tmp_path / "a.db") as a, neonize_client(wa, tmp_path / "b.db") as b:
        await linked(wa, a)
        await b.connect()
        await wa.me.scan(await b.qr())
        await b.wait("Connected")
        await ann.says("to both")
        await a.message("to both")
        await b.message("to both")
        await a.call(f"client.send_message(jid('{ann.pn.user}'), 'from one of two')")
        copy = await b.message("from one of two")
    assert (await ann.receives()).text == "from one of two"
    assert copy.Info.MessageSource.IsFromMe


def _copied(folder: Path) -> Path:
    """A copy of the client's database, in a folder of its own."""
    copy = folder / "copy"
    copy.mkdir()
    for part in folder.glob("client.db*"):
        shutil.copy(part, copy)
    return copy / "client.db"


async def test_the_same_session_from_a_second_client_replaces_the_first(
    wa: WhatsApp, client: NeonizeClient, tmp_path: Path, tolerated: list[str]
) -> None:
    tolerated.append("Error reading from websocket")
    copy = await anyio.to_thread.run_sync(_copied, tmp_path)
    async with neonize_client(wa, copy) as second:
        await second.connect()
        await second.wait("Connected")
        await client.wait("StreamReplaced")
        ann = wa.person("Ann")
        await ann.says("to the second")
        await second.message("to the second")
    assert list(wa.me.companions) == [1]


async def test_nothing_in_an_ordinary_life_makes_the_library_warn(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    for turn in range(2):
        await ann.says(f"direct {turn}")
        await ann.says(f"group {turn}", group)
        await client.message(f"group {turn}")
        await client.call(f"client.send_message(jid('{ann.pn.user}'), 'to Ann {turn}')")
        await client.call(f"client.send_message(jid('{group.jid.user}', 'g.us'), 'to all {turn}')")
        await ann.reads((await ann.receives()).id)
    group.rename("Ship")
    await client.wait("GroupInfoEvent")
