"""Files of known people are fetched before they expire: at a human pace, within a quota, never pressing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.fake_clock import FakeClock
from tests.device.files_rig import HOUR, MEGABYTE, World, keeping
from whatsapp_mcp.device.files.files import NO_ROOM_PAUSE
from whatsapp_mcp.device.files.pace import BURST, BURST_SECONDS, FIRST_PAUSE, GAP, LONGEST_PAUSE, Pace
from whatsapp_mcp.device.files.waiting import LOOK
from whatsapp_mcp.errors import Busy, MessageNotFound, NotConnected, RateLimited, Rejected, TooLong
from whatsapp_mcp.models import FileProblem, FileStep
from whatsapp_mcp.settings import KeepSettings, MediaSettings

pytestmark = pytest.mark.anyio
MIDDLE = sum(GAP) / 2


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_files_are_fetched_newest_first_and_one_at_a_time_with_gaps(world: World) -> None:
    for ref, age in ((1, 3 * HOUR), (3, HOUR), (2, 2 * HOUR)):
        world.add(ref, age)
    async with keeping(world):
        assert world.fetched == [3]
        await world.clock.advance(MIDDLE - 0.5)
        assert world.fetched == [3]
        await world.clock.advance(2)
        assert world.fetched == [3, 2]
        await world.clock.advance(MIDDLE + 1)
        assert world.fetched == [3, 2, 1]


async def test_a_file_that_has_just_come_does_not_wait_for_the_gap(world: World) -> None:
    for ref in range(1, 10):
        world.add(ref)
    async with keeping(world) as keeper:
        world.add(50, age=1)
        keeper.wake()
        await world.clock.advance(1)
        assert world.fetched[1:] == [50]


async def test_a_burst_of_new_files_is_bounded(world: World) -> None:
    for ref in range(2 * BURST):
        world.add(ref, age=1)
    async with keeping(world):
        assert len(world.fetched) == BURST
        await world.clock.advance(2 * BURST_SECONDS)
        assert len(world.fetched) == 2 * BURST


@given(chances=st.lists(st.floats(0, 0.999), min_size=1, max_size=60))
def test_old_files_never_go_faster_than_the_least_gap(chances: list[float]) -> None:
    clock, queue = FakeClock(), list(chances)
    pace = Pace(clock, lambda: queue.pop() if queue else 0.5)
    for _ in range(len(chances)):
        pace.tried(is_new=False)
        least, most = GAP
        assert least <= pace.wait(is_new=False) <= most


async def test_whatsapp_is_left_alone_ever_longer_while_it_asks_for_fewer_requests(world: World) -> None:
    for ref in range(10):
        world.add(ref)
        world.answers[ref] = RateLimited("WhatsApp is overloaded.")
    async with keeping(world) as keeper:
        for _ in range(24 * 60):
            keeper.wake()
            await world.clock.advance(LOOK)
    gaps = [later - earlier for earlier, later in pairwise(world.fetched_at)]
    pauses = [min(LONGEST_PAUSE, FIRST_PAUSE * 2**count) for count in range(len(gaps))]
    assert len(gaps) > 6
    assert all(pause <= gap <= pause + 2 * LOOK for pause, gap in zip(pauses, gaps, strict=True))
    assert all(not problem.final for problem in world.problems.values())


async def test_after_an_answer_the_next_refusal_pauses_as_briefly_as_the_first(world: World) -> None:
    overloaded = RateLimited("WhatsApp is overloaded.")
    for ref, age in ((1, 4 * HOUR), (2, 3 * HOUR), (3, 2 * HOUR), (4, HOUR)):
        world.add(ref, age)
        world.answers[ref] = overloaded
    async with keeping(world):
        await world.clock.advance(FIRST_PAUSE + 2 * LOOK)
        world.answers = {2: overloaded}
        await world.clock.advance(2 * FIRST_PAUSE + 2 * LOOK)
        refused = world.fetched.index(2)
        world.answers = {}
        await world.clock.advance(FIRST_PAUSE + 2 * LOOK)
    assert world.fetched_at[refused + 1] - world.fetched_at[refused] <= FIRST_PAUSE + 2 * LOOK


async def test_nothing_is_fetched_while_the_connection_is_down(world: World) -> None:
    world.add(1)
    world.online = False
    async with keeping(world) as keeper:
        await world.clock.advance(HOUR)
        assert world.fetched == []
        world.online = True
        keeper.wake()
        await world.clock.advance(2)
        assert world.fetched == [1]


async def test_a_lost_connection_is_no_fault_of_the_file(world: World) -> None:
    world.add(1)
    world.answers[1] = NotConnected("The connection to WhatsApp is down.")
    async with keeping(world):
        assert (world.fetched, world.problems) == ([1], {})
        del world.answers[1]
        await world.clock.advance(GAP[1] + 1)
        assert len(world.kept) == 1


async def test_a_message_that_is_deleted_meanwhile_leaves_no_problem(world: World) -> None:
    world.add(1)
    world.answers[1] = MessageNotFound("There is no message #1.")
    async with keeping(world):
        assert (world.fetched, world.problems) == ([1], {})


async def test_where_there_is_no_room_it_waits_until_there_is(world: World) -> None:
    world.add(1)
    world.answers[1] = Busy("The folder of files is full: 9 files, 9 MB.")
    async with keeping(world):
        assert len(world.fetched) == 1
        await world.clock.advance(NO_ROOM_PAUSE - LOOK)
        assert (len(world.fetched), world.problems) == (1, {})
        del world.answers[1]
        await world.clock.advance(2 * LOOK)
        assert set(world.kept) == {1}


@pytest.mark.parametrize(
    ("error", "is_final"), [(TooLong("The file has 99 MB."), True), (Rejected("WhatsApp refused it."), False)]
)
async def test_what_cannot_be_fetched_is_noted_and_the_next_one_is_fetched(
    world: World, error: TooLong | Rejected, is_final: bool
) -> None:
    world.add(1, 2 * HOUR)
    world.add(2, HOUR)
    world.answers[2] = error
    async with keeping(world):
        await world.clock.advance(GAP[1] + 1)
        assert world.fetched == [2, 1]
        problem = world.problems[2]
        at = problem.at
        assert problem == FileProblem(FileStep.FETCH, error.code, error.message, 1, at, is_final)


async def test_an_unexpected_failure_of_one_file_stops_nothing(world: World) -> None:
    world.add(1)
    world.folder = Path("/nowhere/at/all")
    async with keeping(world):
        await world.clock.advance(1)
        assert world.fetched == [1]
        await world.clock.advance(NO_ROOM_PAUSE + LOOK)
        assert world.fetched == [1, 1]


@pytest.mark.parametrize("media", [{"keep": "off"}, {"keep": {"total_megabytes": 0}}])
async def test_nothing_is_kept_where_the_settings_say_so(world: World, media: dict[str, object]) -> None:
    world.media = MediaSettings.model_validate(media)
    world.add(1)
    async with keeping(world):
        await world.clock.advance(HOUR)
        assert world.fetched == []


async def test_the_oldest_kept_files_are_dropped_to_make_room_for_newer_ones(world: World) -> None:
    world.media = MediaSettings(keep=KeepSettings(total_megabytes=3))
    for ref in (1, 2, 3):
        world.add(ref, (10 - ref) * HOUR)
    async with keeping(world) as keeper:
        await world.clock.advance(HOUR)
        assert set(world.kept) == {1, 2, 3}
        world.add(4, age=1, size=2 * MEGABYTE)
        keeper.wake()
        await world.clock.advance(2)
        assert (set(world.kept), world.dropped) == ({3, 4}, [1, 2])


async def test_no_newer_file_is_dropped_for_an_older_one(world: World) -> None:
    world.media = MediaSettings(keep=KeepSettings(total_megabytes=3))
    for ref in range(1, 10):
        world.add(ref, (20 - ref) * HOUR)
    async with keeping(world):
        await world.clock.advance(HOUR)
        assert (set(world.kept), world.dropped) == ({9, 8, 7}, [])


async def test_a_file_larger_than_the_quota_drops_nothing_and_stops_no_other(world: World) -> None:
    world.media = MediaSettings(keep=KeepSettings(total_megabytes=3))
    world.add(1, 2 * HOUR)
    async with keeping(world) as keeper:
        world.add(2, age=HOUR, size=4 * MEGABYTE)
        world.add(3, age=3 * HOUR)
        keeper.wake()
        await world.clock.advance(HOUR)
        assert (set(world.kept), world.dropped) == ({1, 3}, [])


async def test_without_anything_to_do_the_archive_is_asked_once_a_minute(world: World) -> None:
    async with keeping(world):
        await world.clock.advance(HOUR)
        assert world.looks <= HOUR / LOOK + 1


async def test_a_flood_of_messages_asks_the_archive_once_a_second(world: World) -> None:
    async with keeping(world) as keeper:
        for _ in range(1000):
            keeper.wake()
            await world.clock.advance(0.01)
        assert world.looks <= 13
