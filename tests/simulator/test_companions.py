"""Two real clients linked to one phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.simulator.faultless import settled
from tests.simulator.neonize_client import NeonizeClient, linked, neonize_client
from whatsapp_simulator import WhatsApp, devices

pytestmark = pytest.mark.anyio


@pytest.fixture
def wa(shared_wa: WhatsApp) -> WhatsApp:
    """One WhatsApp for the whole module."""
    return shared_wa


@pytest.fixture
def client(shared_client: NeonizeClient) -> NeonizeClient:
    """One linked client for the whole module."""
    return shared_client


@asynccontextmanager
async def another(wa: WhatsApp, database: Path) -> AsyncIterator[NeonizeClient]:
    """One more client linked to `wa.me`, until it is killed and unlinked."""
    async with neonize_client(wa, database) as client:
        await linked(wa, client)
        await settled(wa)
        companion = wa.me.companion
        assert companion is not None
        yield client
        devices.unlink(wa.me, companion)
    await wa.network.until(lambda: companion.connection is None, 10)


@pytest.fixture
async def other(wa: WhatsApp, client: NeonizeClient, tmp_path: Path) -> AsyncIterator[NeonizeClient]:
    """A second client linked to `wa.me`, after `client`."""
    async with another(wa, tmp_path / "other.db") as second:
        yield second


async def test_both_get_what_others_say_and_what_either_of_them_says(
    wa: WhatsApp, client: NeonizeClient, other: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    await ann.says("to both")
    await ann.says("in the group", group)
    for each in (client, other):
        assert (await each.message("to both")).Info.Pushname == "Ann"
        await each.message("in the group")
    for sender, reader, text in ((client, other, "by the first"), (other, client, "by the second")):
        for chat in (f"jid('{ann.lid.user}', 'lid')", f"jid('{group.jid.user}', 'g.us')"):
            await sender.call(f"client.send_message({chat}, {text!r})")
            assert (await ann.receives()).text == text
            copy = await reader.message(text)
            assert copy.Info.MessageSource.IsFromMe


async def test_a_companion_that_is_linked_later_gets_what_the_first_one_sends(
    wa: WhatsApp, client: NeonizeClient, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    send = f"client.send_message(jid('{ann.lid.user}', 'lid'), {{!r}})"
    await client.call(send.format("before"))  # now the device list is in its cache
    async with another(wa, tmp_path / "other.db") as later:
        assert len(wa.me.companions) == 2
        await client.call(send.format("after"))
        await later.message("after")
    await client.call(send.format("to the phone alone"))
    assert [(await ann.receives()).text for _ in range(3)] == ["before", "after", "to the phone alone"]


async def test_a_change_of_one_reaches_the_other(
    wa: WhatsApp, client: NeonizeClient, other: NeonizeClient
) -> None:
    ann, state = wa.person("Ann"), wa.me.app_state
    state.share_key()
    await state.synced()
    await client.call("client.set_profile_name('Me Myself')")
    state.name_contact(ann, "Ann Miller")
    await state.synced()
    assert wa.me.name == "Me Myself"
    for each in (client, other):
        known = f"client.contact.get_contact(jid('{ann.pn.user}'))"
        await each.eventually(known, lambda contact: contact.FullName == "Ann Miller")
