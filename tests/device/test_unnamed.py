"""What comes without a name is looked up at once, and nobody is asked too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.fake_clock import FakeClock
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.name_lookups import AGAIN, AT_ONCE, PAUSE, Unnamed
from whatsapp_mcp.errors import Rejected
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
GROUPS = [f"1203{number}@g.us" for number in range(25)]
PERSON = "15550001111@s.whatsapp.net"


class World:
    """An archive of chats without names, and a WhatsApp that knows some of them."""

    def __init__(self, *chats: str) -> None:
        self.chats = list(chats)
        self.asked: list[str] = []
        self.rounds_of_people = 0
        self.online = True
        self.clock = FakeClock()

    async def unnamed_chats(self) -> tuple[str, ...]:
        return tuple(self.chats)

    async def look_up_group(self, jid: str) -> None:
        self.asked.append(jid)
        if jid == GROUPS[0]:
            raise Rejected("The account is not in it.")
        self.chats.remove(jid)

    async def look_up_people(self) -> None:
        self.rounds_of_people += 1


@asynccontextmanager
async def looking(world: World) -> AsyncIterator[Unnamed]:
    unnamed = Unnamed(
        cast("Archive", world),
        world.clock,
        look_up_group=world.look_up_group,
        look_up_people=world.look_up_people,
        online=lambda: world.online,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(unnamed.run)
        yield unnamed
        tasks.cancel_scope.cancel()


async def test_a_round_asks_for_few_and_the_next_ones_for_the_rest() -> None:
    world = World(*GROUPS)
    async with looking(world) as unnamed:
        unnamed.wake()
        await anyio.wait_all_tasks_blocked()
        assert world.asked == GROUPS[:AT_ONCE]
        await world.clock.advance(3 * PAUSE)
    assert world.asked == GROUPS


async def test_what_whatsapp_does_not_tell_is_asked_again_only_after_an_hour() -> None:
    world = World(GROUPS[0])
    async with looking(world) as unnamed:
        for _ in range(3):
            unnamed.wake()
            await world.clock.advance(PAUSE)
        assert world.asked == GROUPS[:1]
        await world.clock.advance(AGAIN)
        unnamed.wake()
        await world.clock.advance(PAUSE)
    assert world.asked == [GROUPS[0]] * 2


async def test_people_are_looked_up_together() -> None:
    world = World(PERSON, "15550002222@s.whatsapp.net")
    async with looking(world) as unnamed:
        unnamed.wake()
        await world.clock.advance(PAUSE)
    assert world.rounds_of_people == 1


async def test_nobody_is_asked_while_the_connection_is_down() -> None:
    world = World(*GROUPS[1:3])
    world.online = False
    async with looking(world) as unnamed:
        unnamed.wake()
        await world.clock.advance(PAUSE)
        assert world.asked == []
        world.online = True
        unnamed.wake()
        await world.clock.advance(PAUSE)
    assert world.asked == GROUPS[1:3]


async def test_a_group_joined_while_away_is_known_by_its_name_with_its_first_message(
    wa: WhatsApp, linked: Leader
) -> None:
    ann = wa.person("Ann")
    # The first is perhaps found by the round of names that follows a login; that is over for the second.
    for name in ("Harbour", "Regatta"):
        group: Any = wa.group(name, [ann])
        await ann.says("hello", group)
        with anyio.fail_after(30):
            seen = 0
            while (chat := await linked.archive.chat(str(group.jid))) is None or chat.name != name:
                seen = await linked.archive.wait_change(seen, 0.2)
