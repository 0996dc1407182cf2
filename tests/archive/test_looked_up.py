"""What a look at the device shows is the newest word, whatever the clock of the machine says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, journal
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.models import ContactUpdate, GroupUpdate
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

LATER = pytest.mark.parametrize("later", [0, -3600])
"""Seconds from one look to the next: within one second, and after the clock was set back."""


@pytest.fixture
def clock() -> list[float]:
    """The archive's clock, in one cell."""
    return [NOON + 1_000.0]


@pytest.fixture
async def archive(folder: AccountFolder, clock: list[float]) -> AsyncIterator[Archive]:
    """An empty archive with that clock."""
    async with open_archive(folder, write=True, now=lambda: datetime.fromtimestamp(clock[0], UTC)) as opened:
        yield opened


@LATER
async def test_how_a_chat_is_listed(archive: Archive, clock: list[float], later: float) -> None:
    await archive.ingest(journal([ev.message("A1")]))
    await archive.write(recording.record_chat_settings, ANA, archived=True, pinned=True, muted_until=None)
    clock[0] += later
    await archive.write(recording.record_chat_settings, ANA, archived=False, pinned=False, muted_until=None)
    (chat,) = (await archive.chats()).items
    assert (chat.archived, chat.pinned) == (False, False)


@LATER
async def test_after_how_long_messages_disappear(archive: Archive, clock: list[float], later: float) -> None:
    assert await archive.expires_in(ANA) == 0
    await archive.write(recording.record_timer, ANA, 86_400)
    assert await archive.expires_in(ANA) == 86_400
    clock[0] += later
    await archive.write(recording.record_timer, ANA, 0)
    assert await archive.expires_in(ANA) == 0


@LATER
async def test_what_a_person_is_called(archive: Archive, clock: list[float], later: float) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana Silva")])
    clock[0] += later
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana Müller")])
    contact = await archive.contact(ANA)
    assert contact is not None
    assert contact.name == "Ana Müller"


async def test_a_group_that_somebody_has_left_is_not_one_in_common(archive: Archive) -> None:
    await archive.write(recording.set_own, ev.ME, None, "Me")
    everybody = ((ev.ME, None, False, False), (ANA, None, True, False), (BOB, None, False, False))
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Book Club", participants=everybody)])
    assert [group.jid for group in await archive.common_groups(BOB)] == [GROUP]
    await archive.write(
        recording.record_groups, [GroupUpdate(GROUP, "Book Club", participants=everybody[:2])]
    )
    assert await archive.common_groups(BOB) == ()
    await archive.write(
        recording.record_groups, [GroupUpdate(GROUP, "Book Club", participants=everybody[1:])]
    )
    assert await archive.common_groups(BOB) == ()


@LATER
async def test_what_a_group_is_called_and_who_is_in_it(
    archive: Archive, clock: list[float], later: float
) -> None:
    both = ((ANA, None, True, False), (BOB, None, False, False))
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Book Club", participants=both)])
    clock[0] += later
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Boat Club", participants=both[:1])])
    assert [member.contact.jid for member in await archive.members(GROUP)] == [ANA]
    await archive.ingest(journal([ev.message("G1", chat=GROUP)]))
    assert [chat.name for chat in (await archive.chats()).items] == ["Boat Club"]


async def test_who_joins_in_the_second_in_which_a_group_is_looked_up_twice_is_in_it(
    archive: Archive, clock: list[float]
) -> None:
    for _ in range(2):
        await archive.write(
            recording.record_groups, [GroupUpdate(GROUP, "Club", participants=((ANA, None, True, False),))]
        )
    joined = Neonize.GroupInfoEvent(Notify="", Timestamp=int(clock[0]))
    ev.jid(joined.JID, GROUP)
    ev.jid(joined.Join.add(), BOB)
    await archive.ingest(journal([ev.Raw(EventCode.GROUP_INFO, joined.SerializePartialToString())]))
    assert {member.contact.jid for member in await archive.members(GROUP)} == {ANA, BOB}
