"""Signals reach an event loop, by the rules of each system."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import anyio
import pytest

from tests.tables import for_each
from whatsapp_mcp.system import END, END_OR_HANG_UP, INTERRUPT, System, receive_signals

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("system", [*System])]
LIMIT = 10
NUMBERS = [signal.Signals[name] for name in END_OR_HANG_UP if name in signal.Signals.__members__]


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    """Each signal as Python handles it: which ones are ignored is inherited from a shell or `nohup`."""
    handlers = dict.fromkeys(NUMBERS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@for_each("names", [INTERRUPT, END, END_OR_HANG_UP])
async def test_each_signal_comes_once_and_does_nothing_else(system: System, names: tuple[str, ...]) -> None:
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    former = [signal.getsignal(number) for number in numbers]
    with anyio.fail_after(LIMIT), receive_signals(names, system) as signals:
        for number in numbers:
            signal.raise_signal(number)
            assert await anext(signals) is number
    assert [signal.getsignal(number) for number in numbers] == former


async def test_a_signal_wakes_a_loop_that_waits(system: System) -> None:
    with anyio.fail_after(LIMIT), receive_signals(INTERRUPT, system) as signals:
        main = threading.main_thread().ident
        assert main is not None
        later = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
        later.start()
        assert await anext(signals) is signal.SIGINT
        later.join()


async def test_who_no_longer_waits_can_be_cancelled(system: System) -> None:
    with receive_signals(INTERRUPT, system) as signals, anyio.move_on_after(0.01) as waited:
        await anext(signals)
    assert waited.cancelled_caught
