"""Signals that end a process, as they reach an event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Final

import anyio

from whatsapp_mcp.system.operating_system import HERE, System

INTERRUPT: Final = ("SIGINT",)
"""Ctrl-C."""
END: Final = ("SIGINT", "SIGTERM", "SIGBREAK")
"""Ctrl-C, what service managers send, and Ctrl-Break of Windows."""
END_OR_HANG_UP: Final = (*END, "SIGHUP")
"""Those, and what comes on Unix when the window of the terminal is closed."""


def receive_signals(
    names: tuple[str, ...], system: System = HERE
) -> AbstractContextManager[AsyncIterator[signal.Signals]]:
    """While the body runs, the signals come here and do nothing else. In the main thread alone.

    Args:
        names: Of the signals; those that the system does not know never come.
        system: Of which the rules are followed.
    """
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    # There the event loop cannot listen to signals.
    return _handled(numbers) if system is System.WINDOWS else anyio.open_signal_receiver(*numbers)


@contextmanager
def _handled(numbers: list[signal.Signals]) -> Generator[AsyncIterator[signal.Signals]]:
    loop, came = asyncio.get_running_loop(), asyncio.Queue[signal.Signals]()

    def take(number: int, _: FrameType | None) -> None:
        loop.call_soon_threadsafe(came.put_nowait, signal.Signals(number))

    former = {number: signal.signal(number, take) for number in numbers}
    try:
        yield _taken_from(came)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


async def _taken_from(came: asyncio.Queue[signal.Signals]) -> AsyncIterator[signal.Signals]:
    while True:
        yield await came.get()
