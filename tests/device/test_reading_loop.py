"""Files are read one at a time; who asks is served first; what fails costs that file alone."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.device.fake_clock import settle
from tests.device.files_rig import HOUR, World, reading, until
from whatsapp_mcp.device.files import reading as reading_files
from whatsapp_mcp.device.files.reading import (
    ANSWER_WITHIN,
    CALM,
    GRACE,
    MOST_ASKED,
    UNREST,
    ReadingLoop,
)
from whatsapp_mcp.device.files.waiting import LOOK
from whatsapp_mcp.errors import (
    Busy,
    DeadlineExceeded,
    MediaUnavailable,
    TooLong,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.models import FileStep, ReadingKind
from whatsapp_mcp.settings import MediaSettings

pytestmark = pytest.mark.anyio
CRASHED = Unsupported("The file crashed the decoding process.")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def act() -> None:
    """Let everybody act; files are opened in threads."""
    for _ in range(5):
        await settle()
        await anyio.sleep(0.005)


class Asking:
    """Somebody who asks for the reading of a file, and what came of it."""

    def __init__(self) -> None:
        self.error: WhatsAppError | None = None
        self.done = False

    async def ask(self, loop: ReadingLoop, ref: int) -> None:
        try:
            await loop.read(ref)
        except WhatsAppError as error:
            self.error = error
        self.done = True


async def test_what_is_here_is_read_newest_first(world: World) -> None:
    for ref, age in ((1, 3 * HOUR), (3, HOUR), (2, 2 * HOUR)):
        world.add(ref, age, here=True)
    async with reading(world):
        await until(lambda: len(world.readings) == 3)
    assert world.read == [3, 2, 1]
    assert world.readings[2].passages[0].text == "words of 2"


async def test_what_somebody_asks_for_is_fetched_and_read_before_all_others(world: World) -> None:
    for ref in (1, 2, 3):
        world.add(ref, here=True)
    world.add(9, age=99 * HOUR)
    world.blocked[1] = anyio.Event()
    async with reading(world) as loop, anyio.create_task_group() as tasks:
        await until(lambda: world.read == [1])
        tasks.start_soon(loop.read, 9)
        await act()
        world.blocked[1].set()
        await until(lambda: len(world.readings) == 4)
    assert world.read[:2] == [1, 9]


async def test_a_long_reading_that_nobody_asked_for_gives_way_and_is_done_later(world: World) -> None:
    world.add(1, here=True)
    world.add(2, age=2 * HOUR, here=True)
    world.blocked[1] = anyio.Event()
    async with reading(world) as loop, anyio.create_task_group() as tasks:
        await until(lambda: world.read == [1])
        tasks.start_soon(loop.read, 2)
        await act()
        await world.clock.advance(GRACE)
        await until(lambda: 2 in world.readings)
        world.blocked[1].set()
        await world.clock.advance(LOOK)
        await until(lambda: 1 in world.readings)
    assert (world.read, world.problems) == ([1, 2, 1], {})


async def test_several_who_ask_for_one_file_share_one_reading(world: World) -> None:
    world.add(1)
    world.blocked[1] = anyio.Event()
    async with reading(world) as loop:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(loop.read, 1)
            await until(lambda: world.read == [1])
            await act()
            world.blocked[1].set()
        await loop.read(1)
    assert world.read == [1]


async def test_everybody_who_waits_hears_why_a_file_cannot_be_read(world: World) -> None:
    world.add(1, here=True)
    world.blocked[1] = anyio.Event()
    world.reader_raises[1] = TooLong("The document has more than 100 MB.")
    world.media = MediaSettings(read=False)
    asking = [Asking() for _ in range(3)]
    async with reading(world) as loop:
        async with anyio.create_task_group() as tasks:
            for one in asking:
                tasks.start_soon(one.ask, loop, 1)
            await until(lambda: world.read == [1])
            await act()
            world.blocked[1].set()
        errors = [one.error for one in asking]
        assert [type(error) for error in errors] == [TooLong] * 3
        assert len({id(error) for error in errors}) == 3
    assert world.read == [1]


async def test_who_asks_is_answered_in_time_and_the_reading_goes_on(world: World) -> None:
    world.add(1, here=True)
    world.blocked[1] = anyio.Event()
    one = Asking()
    async with reading(world) as loop, anyio.create_task_group() as tasks:
        tasks.start_soon(one.ask, loop, 1)
        await until(lambda: world.read == [1])
        await world.clock.advance(ANSWER_WITHIN)
        assert isinstance(one.error, DeadlineExceeded)
        world.blocked[1].set()
        await until(lambda: 1 in world.readings)
        await loop.read(1)
    assert world.read == [1]


async def test_what_cannot_be_fetched_is_told_to_who_asks(world: World) -> None:
    world.add(1)
    world.answers[1] = MediaUnavailable("WhatsApp no longer has this file.")
    async with reading(world) as loop:
        with pytest.raises(MediaUnavailable, match="no longer"):
            await loop.read(1)
    assert world.read == []


async def test_a_file_that_ends_the_process_twice_is_left_alone_until_somebody_asks(world: World) -> None:
    world.add(1, here=True)
    world.add(2, age=2 * HOUR, here=True)
    world.reader_raises[1] = CRASHED
    async with reading(world) as loop:
        await until(lambda: 2 in world.readings)
        assert (world.problems[1].attempts, world.problems[1].final) == (1, False)
        for _ in range(60):
            await world.clock.advance(LOOK)
            await act()
        assert world.read == [1, 2, 1]
        assert world.problems[1].final
        del world.reader_raises[1]
        await loop.read(1)
    assert 1 in world.readings


async def test_a_file_that_ends_the_process_is_tried_four_times_in_all_copies_and_over_restarts(
    world: World,
) -> None:
    for ref in range(1, 9):
        world.add(ref, age=ref * HOUR, here=True, words="what crashes it")
        world.reader_raises[ref] = CRASHED
    async with reading(world):
        for _ in range(30):
            await act()
            await world.clock.advance(LOOK)
    assert len(world.read) == 2
    assert all(world.problems[ref].final for ref in range(2, 9))
    for _ in range(4):
        async with reading(world) as loop:
            for ref in range(1, 9):
                with pytest.raises(Unsupported, match="crashed"):
                    await loop.read(ref)
    assert len(world.read) == 4


async def test_what_an_older_version_could_not_read_is_tried_by_a_newer_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(1, here=True)
    world.reader_raises[1] = CRASHED
    async with reading(world) as loop:
        for _ in range(6):
            with pytest.raises(Unsupported):
                await loop.read(1)
        monkeypatch.setattr(reading_files, "__version__", "99")
        del world.reader_raises[1]
        await loop.read(1)
    assert 1 in world.readings


async def test_a_refusal_of_a_service_is_never_final(world: World) -> None:
    world.add(1, here=True)
    world.remote = frozenset(ReadingKind)
    world.reader_raises[1] = Unsupported("The service of transcription refuses the key.")
    async with reading(world):
        for _ in range(5):
            await act()
            await world.clock.advance(LOOK)
    assert world.problems[1].attempts > 2
    assert not world.problems[1].final


async def test_while_no_process_can_be_started_it_is_tried_slowly_and_never_given_up(world: World) -> None:
    for ref in range(20):
        world.add(ref, here=True)
        world.reader_raises[ref] = Busy("The decoding process could not be started.")
    async with reading(world):
        for _ in range(5):
            await act()
            await world.clock.advance(GRACE)
        assert len(world.read) <= 6
        world.reader_raises.clear()
        for _ in range(30):
            await world.clock.advance(LOOK)
            await act()
    assert len(world.readings) == 20


async def test_an_unexpected_failure_is_a_problem_of_that_file_alone(world: World) -> None:
    world.add(1, here=True)
    world.add(2, age=2 * HOUR, here=True)
    world.reader_raises[1] = ZeroDivisionError()
    async with reading(world):
        await until(lambda: 2 in world.readings)
    assert (world.problems[1].step, world.problems[1].code) == (FileStep.READ, "UNSUPPORTED")


async def test_a_file_that_a_person_deleted_is_no_longer_said_to_be_here(world: World) -> None:
    world.add(1, here=True)
    (world.folder / "1.txt").unlink()
    async with reading(world):
        await until(lambda: world.waiting[0].path is None)
    assert world.read == []


async def test_what_cannot_be_read_here_is_no_problem_and_is_read_once_it_can(world: World) -> None:
    world.add(1, here=True)
    world.kinds = frozenset({ReadingKind.PICTURE})
    async with reading(world) as loop:
        await act()
        with pytest.raises(Unsupported):
            await loop.read(1)
        assert (world.read, world.problems, world.opened) == ([], {}, 1)
        world.kinds = frozenset(ReadingKind)
        await world.clock.advance(2 * LOOK)
        await until(lambda: 1 in world.readings)
    assert world.opened == 2


async def test_what_is_switched_off_is_read_when_asked_for_only(world: World) -> None:
    world.add(1, here=True)
    world.add(2, here=True)
    world.media = MediaSettings(read=False)
    async with reading(world) as loop:
        await world.clock.advance(HOUR)
        assert world.read == []
        await loop.read(2)
    assert world.read == [2]


async def test_so_many_may_ask_at_a_time(world: World) -> None:
    for ref in range(MOST_ASKED + 1):
        world.add(ref, here=True)
    world.media = MediaSettings(read=False)
    world.blocked[0] = anyio.Event()
    async with reading(world) as loop, anyio.create_task_group() as tasks:
        tasks.start_soon(loop.read, 0)
        await until(lambda: world.read == [0])
        for ref in range(1, MOST_ASKED):
            tasks.start_soon(loop.read, ref)
        await act()
        with pytest.raises(Busy):
            await loop.read(MOST_ASKED)
        world.blocked[0].set()
    assert len(world.readings) == MOST_ASKED


async def test_without_anything_to_do_the_archive_is_asked_once_a_minute(world: World) -> None:
    async with reading(world):
        for _ in range(int(HOUR / LOOK)):
            await world.clock.advance(LOOK)
        assert world.looks <= HOUR / LOOK + 1


async def test_a_flood_of_messages_asks_the_archive_once_a_second(world: World) -> None:
    async with reading(world) as loop:
        for _ in range(1000):
            loop.wake()
            await world.clock.advance(0.01)
        assert world.looks <= 13


async def test_files_that_nobody_asked_for_wait_while_messages_come_but_not_for_ever(world: World) -> None:
    world.add(1, here=True)
    world.add(2, age=2 * HOUR, here=True)
    async with reading(world) as loop:
        loop.wake()
        for _ in range(int(UNREST / CALM) - 2):
            await world.clock.advance(CALM / 2)
            loop.wake()
            await world.clock.advance(CALM / 2 - 0.01)
        assert world.read == []
        await loop.read(2)
        assert world.read == [2]
        for _ in range(2 * int(UNREST / CALM) + 4):
            loop.wake()
            await world.clock.advance(CALM / 2)
        await until(lambda: 1 in world.readings)


async def test_a_reading_that_nobody_asked_for_stands_still_while_messages_come(world: World) -> None:
    world.add(1, here=True)
    world.blocked[1] = anyio.Event()
    async with reading(world) as loop:
        await until(lambda: world.read == [1])
        await act()
        assert not world.is_paused
        for _ in range(5):
            loop.wake()
            await world.clock.advance(CALM - 0.01)
            assert world.is_paused
        await world.clock.advance(0.02)
        assert not world.is_paused
        world.blocked[1].set()
        await until(lambda: 1 in world.readings)


async def test_a_reading_stands_still_for_so_long_at_most(world: World) -> None:
    world.add(1, here=True)
    world.blocked[1] = anyio.Event()
    stood = 0.0
    async with reading(world) as loop:
        await until(lambda: world.read == [1])
        for _ in range(3 * int(UNREST / CALM)):
            loop.wake()
            await world.clock.advance(CALM / 2)
            stood += CALM / 2 if world.is_paused else 0
    assert stood == pytest.approx(UNREST, abs=CALM)


async def test_a_reading_that_somebody_asked_for_goes_on_while_messages_come(world: World) -> None:
    world.add(1, here=True)
    world.blocked[1] = anyio.Event()
    async with reading(world) as loop, anyio.create_task_group() as tasks:
        await until(lambda: world.read == [1])
        loop.wake()
        await act()
        assert world.is_paused
        tasks.start_soon(loop.read, 1)
        await act()
        assert not world.is_paused
        loop.wake()
        await act()
        assert not world.is_paused
        world.blocked[1].set()
