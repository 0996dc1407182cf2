"""The real client links itself to the simulated phone."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import anyio.to_thread
import pytest

from tests.simulator.neonize_client import NeonizeClient, linked, neonize_client
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.adv import LinkingError
from whatsapp_simulator.launcher import trusting

pytestmark = pytest.mark.anyio


async def test_a_client_that_was_linked_by_qr_knows_who_it_is_and_has_published_its_keys(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    me = await shared_client.call("client.get_me()")
    assert (me.JID.User, me.LID.User) == (shared_wa.me.pn.user, shared_wa.me.lid.user)
    assert shared_wa.me.companion is not None
    assert len(shared_wa.me.companion.prekeys) > 600


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


def _patched(wa: WhatsApp, folder: Path) -> Path:
    """The client library at another path, with a shared library that trusts `wa`."""
    spec = find_spec("neonize")
    assert spec is not None
    assert spec.origin is not None
    package = folder / "neonize"
    package.mkdir(parents=True)
    for each in Path(spec.origin).parent.iterdir():
        if each.suffix == ".so":
            shutil.copy(wa.trusting(each), package)
        else:
            (package / each.name).symlink_to(each)
    return folder


async def test_a_copy_in_which_the_root_key_is_replaced_needs_nothing_more(
    wa: WhatsApp, tmp_path: Path
) -> None:
    class Wired:
        def environment(self) -> dict[str, str]:
            """The variables for a Go program, which reads neither of the two that are omitted."""
            given = wa.environment()
            del given["WHATSAPP_SIMULATOR_NOISE_ROOT"]
            return {**given, "PYTHONPATH": str(path)}

    path = await anyio.to_thread.run_sync(_patched, wa, tmp_path / "patched")
    async with neonize_client(Wired(), tmp_path / "client.db") as client:
        await linked(wa, client)


def test_what_does_not_hold_the_root_key_is_not_copied(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"ELF")
    with pytest.raises(InvalidArgument, match="not built on whatsmeow"):
        trusting(program, tmp_path, bytes(32))


async def test_nothing_in_an_ordinary_life_makes_the_library_warn(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
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
