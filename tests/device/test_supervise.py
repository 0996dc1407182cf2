"""One failing task never ends the server."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.fake_clock import FakeClock
from whatsapp_mcp.device.supervise import backoff, contained, run_during, supervised
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.storage import Fenced, LeadershipOver, Rewound, Unavailable

pytestmark = pytest.mark.anyio


async def test_what_fails_is_counted_and_started_again_until_it_returns() -> None:
    clock, failures, runs = FakeClock(), Counter[str](), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise ValueError("broken")

    async with anyio.create_task_group() as tasks:

        async def start() -> None:
            await supervised("task", run, clock=clock, chance=lambda: 0.0, failures=failures)

        tasks.start_soon(start)
        await clock.advance(100)
    assert (runs, failures["task"]) == (4, 3)


@pytest.mark.parametrize("error", [Fenced("newer"), Unavailable("silent"), Rewound("older")])
async def test_what_finds_the_leadership_over_is_told_once_and_not_run_again(error: LeadershipOver) -> None:
    told, runs = list[LeadershipOver](), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        raise error

    with anyio.fail_after(30):
        await supervised("task", run, ended=told.append)
    assert (told, runs) == ([error], 1)


async def test_one_item_of_a_loop_does_not_hide_that_the_leadership_is_over() -> None:
    async def item() -> None:
        raise Fenced("newer")

    with pytest.raises(Fenced):
        await contained("item", item, lambda: Busy("It failed."))


async def test_cancelling_ends_it() -> None:
    with anyio.move_on_after(0.01) as scope:
        await supervised("task", anyio.sleep_forever)
    assert scope.cancelled_caught


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_pause_grows_is_jittered_and_capped(failures: int, chance: float) -> None:
    pause = backoff(failures, chance, base=1.0, cap=60.0)
    assert 0.5 <= pause <= 60.0
    assert backoff(failures + 1, chance, base=1.0, cap=60.0) >= pause


async def test_two_things_run_side_by_side() -> None:
    ready = anyio.Event()

    async def work() -> int:
        ready.set()
        return 3

    with anyio.fail_after(30):
        assert await run_during(ready.wait, work) == 3


async def test_what_one_of_two_raises_comes_as_it_is_and_ends_the_other() -> None:
    async def fail() -> None:
        raise Busy("Not now.")

    with anyio.fail_after(30):
        with pytest.raises(Busy):
            await run_during(fail, anyio.sleep_forever)
        with pytest.raises(Busy):
            await run_during(anyio.sleep_forever, fail)
