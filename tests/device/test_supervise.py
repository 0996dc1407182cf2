"""One failing task never ends the server."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.fake_clock import FakeClock
from whatsapp_mcp.device.supervise import backoff, supervised

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


async def test_cancelling_ends_it() -> None:
    with anyio.move_on_after(0.01) as scope:
        await supervised("task", anyio.sleep_forever)
    assert scope.cancelled_caught


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_pause_grows_is_jittered_and_capped(failures: int, chance: float) -> None:
    pause = backoff(failures, chance, base=1.0, cap=60.0)
    assert 0.5 <= pause <= 60.0
    assert backoff(failures + 1, chance, base=1.0, cap=60.0) >= pause
