"""Groups that fall silent together, while direct messages come, are counted; a quiet day of some is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, NOON, Raw, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

DAY = 86_400
GROUPS = [f"12036300000000000{n}@g.us" for n in range(3)]
NOW = datetime.fromtimestamp(NOON, UTC)


def week(group: str, days: range = range(1, 8), sender: str | None = BOB) -> list[Raw]:
    """A message in a group on each of some days before the last one."""
    return [
        ev.message(f"{group}{day}", chat=group, sender=sender, at=NOON - DAY - day * DAY + 60) for day in days
    ]


BUSY = [event for group in GROUPS for event in week(group)]
DIRECT = ev.message("D", chat=ANA, at=NOON - 60)


async def test_groups_that_were_busy_and_fall_silent_together_are_counted(archive: Archive) -> None:
    await archive.ingest(journal([*BUSY, DIRECT]))
    assert await archive.silent_groups(NOW) == len(GROUPS)


@for_each(
    "events",
    [
        [*BUSY],
        [*BUSY, DIRECT, ev.message("G", chat="120363000000000009@g.us", sender=ANA, at=NOON - 120)],
        [*BUSY, ev.message("own", chat=ANA, sender=None, at=NOON - 60)],
        [*week(GROUPS[0]), *week(GROUPS[1]), *week(GROUPS[2], range(1, 6)), DIRECT],
        [*week(GROUPS[0]), *week(GROUPS[1]), *week(GROUPS[2], sender=None), DIRECT],
    ],
    archive="archives",
)
async def test_a_quiet_day_of_groups_is_no_sign(archive: Archive, events: list[Raw]) -> None:
    await archive.ingest(journal(events))
    assert await archive.silent_groups(NOW) == 0


async def test_a_notice_of_a_group_is_no_message_of_it(archive: Archive) -> None:
    pin = E2E.Message(pinInChatMessage=E2E.PinInChatMessage(type=E2E.PinInChatMessage.PIN_FOR_ALL))
    await archive.ingest(
        journal([*BUSY, DIRECT, ev.message("N", pin, chat=GROUPS[0], sender=BOB, at=NOON - 90)])
    )
    assert (await archive.message("N")).kind is MessageKind.SYSTEM
    assert await archive.silent_groups(NOW) == len(GROUPS)
