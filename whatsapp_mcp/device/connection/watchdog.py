"""What no event reports: a client process that no longer works, and a machine that has slept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.errors import DeadlineExceeded, WhatsAppError

INTERVAL: Final = 15.0
"""Seconds between two questions."""
_DEADLINE: Final = 5.0
LOOK: Final = 2.0
"""Seconds between two looks at the clocks."""
ASLEEP: Final = 10.0
"""Seconds that a wait may take too long; more is sleep, and the least after which connections break."""

logger = logging.getLogger(__name__)


async def notice_sleep(clock: Clock, woken: Callable[[], None]) -> None:
    """Call `woken` within `LOOK` seconds after the machine has slept, until cancelled.

    While it sleeps the monotonic clock stops on Linux and macOS, and the wall clock does not; on
    Windows both go on. A process that was stopped, and a wall clock that is set forward, look the same: the
    connection is then checked once for nothing.
    """
    while True:
        wall, steady = clock.now(), clock.monotonic()
        await clock.sleep(LOOK)
        passed = max((clock.now() - wall).total_seconds(), clock.monotonic() - steady)
        if passed > LOOK + ASLEEP:
            logger.info("watchdog: the machine has slept for about %.0f s", passed)
            woken()


async def watch(
    clients: Accessor[Client],
    clock: Clock,
    *,
    online: Callable[[], bool],
    report: Callable[[state.ClientEvent], None],
) -> None:
    """Report a client that does not answer, or is no longer logged in, until cancelled.

    After some stream errors the library only waits for WhatsApp to close the connection, and no event
    says so.
    """
    while True:
        await clock.sleep(INTERVAL)
        if not online():
            continue
        generation = clients.generation
        try:
            async with clients.use(_DEADLINE) as client:
                await client.call("is_connected", deadline=_DEADLINE)
                logged_in = await client.call("is_logged_in", deadline=_DEADLINE)
        except DeadlineExceeded:
            report(state.Doubtful(generation, "The client process does not answer."))
        except WhatsAppError:
            logger.debug("watchdog: the client was replaced meanwhile")
        else:
            if not logged_in:
                report(state.Disconnected(generation))
