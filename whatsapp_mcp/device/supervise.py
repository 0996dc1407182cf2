"""Background work, and where its failures end.

`background_tasks` is a task group whose end is its body's end. `supervised` runs a background task so that
its failure never ends the server. `contained` runs one item of work within such a task, so that the failure
of one never ends the others. `run_during` runs one thing while another waits.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.device.clock import Clock, SystemClock
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.storage import LeadershipOver

__all__ = ["background_tasks", "backoff", "contained", "run_during", "supervised"]

T = TypeVar("T")
SETTLED_AFTER: Final = 60.0
"""Seconds of good running after which earlier failures no longer lengthen the pause."""

logger = logging.getLogger(__name__)


def backoff(failures: int, chance: float, *, base: float = 1.0, cap: float = 60.0) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, capped, jittered.

    Args:
        failures: 1 for the first; 0 means no wait.
        chance: A number in [0, 1); the wait lies between half and the whole of the step.
    """
    if failures <= 0:
        return 0.0
    # Bounded, since 2.0 to the power of 1,024 is an `OverflowError`: a loop may fail for days.
    step = min(cap, base * 2.0 ** min(failures - 1, 30))
    return step * (0.5 + chance / 2)


async def supervised(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    clock: Clock | None = None,
    chance: Callable[[], float] = random.random,
    failures: Counter[str] | None = None,
    ended: Callable[[LeadershipOver], None] | None = None,
) -> None:
    """Run `run()` until it returns; log what it raises, count it under `name`, wait, and run it again.

    Args:
        name: What it is called in the log.
        run: Does the work.
        ended: Told when nothing more can be written, and not run again then. Without it that is a failure
            like any other.
    """
    clock = clock or SystemClock()
    in_a_row = 0
    while True:
        started = clock.monotonic()
        try:
            await run()
        except LeadershipOver as error:
            if ended is not None:
                ended(error)
                return
            logger.exception("%s: failed and is started again", name)
        except Exception:
            # Whatever one loop raises, the connection and the other loops go on.
            logger.exception("%s: failed and is started again", name)
        else:
            return
        in_a_row = 1 if clock.monotonic() - started >= SETTLED_AFTER else in_a_row + 1
        if failures is not None:
            failures[name] += 1
        await clock.sleep(backoff(in_a_row, chance()))


async def contained(item: str, run: Callable[[], Awaitable[T]], failure: Callable[[], WhatsAppError]) -> T:
    """Run one item of a loop's work, whatever it contains: a `WhatsAppError` alone comes out.

    Or the end of the leadership, after which no item can be worked on.

    Args:
        item: What it is called in the log.
        failure: What is raised for every other exception, which is logged.

    Raises:
        WhatsAppError: What `run` raises, or `failure`.
        LeadershipOver: What `run` raises.
    """
    try:
        return await run()
    except (WhatsAppError, LeadershipOver):
        raise
    except Exception as error:
        logger.exception("%s failed", item)
        raise failure() from error


async def run_during(first: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` while `first` runs; return its answer once both have ended.

    Raises:
        Exception: What one of them raises, which cancels the other.
    """
    answers: list[T] = []

    async def run() -> None:
        answers.append(await work())

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await first()
    except ExceptionGroup as group:  # which no caller expects
        raise group.exceptions[0] from None
    return answers[0]


@asynccontextmanager
async def background_tasks() -> AsyncIterator[TaskGroup]:
    """Run tasks beside the body and cancel them when it ends.

    What the body raises leaves as itself, not within an exception group; a task that fails cancels the body.
    """
    tasks = anyio.create_task_group()
    # By hand: `async with` would wrap what the body raises in an exception group.
    await tasks.__aenter__()
    try:
        yield tasks
    finally:
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)
