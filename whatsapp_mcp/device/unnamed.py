"""Looks up groups and people of which no name is known, as soon as something of theirs is archived.

A group to which the account was added while no client ran, and which the phone's past does not hold, is known
by its jid alone; the hourly round of `names` would be the first to learn its name.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.jid import Jid

AT_ONCE: Final = 10
"""Chats that are looked up in one round; the newest first."""
PAUSE: Final = 2.0
"""Seconds between two rounds: what comes meanwhile is looked up together, and WhatsApp is not pressed."""
AGAIN: Final = 3600.0
"""Seconds in which nobody is looked up twice."""

logger = logging.getLogger(__name__)


class Unnamed:
    """Looks up what is archived without a name.

    Args:
        look_up_group: Asks WhatsApp for a group and archives it.
        look_up_people: Takes over the names that the client library knows.
        online: Whether WhatsApp can be asked.
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        *,
        look_up_group: Callable[[str], Awaitable[Any]],
        look_up_people: Callable[[], Awaitable[Any]],
        online: Callable[[], bool],
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._look_up_group = look_up_group
        self._look_up_people = look_up_people
        self._online = online
        self._arrived = anyio.Event()
        self._asked: dict[str, float] = {}

    def look(self) -> None:
        """Something was archived: see whether it has a name."""
        self._arrived.set()

    async def run(self) -> None:
        """Look up what comes, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived = anyio.Event()
            if self._online():
                await self._look_up(await self._new())
                await self._clock.sleep(PAUSE)

    async def _new(self) -> Sequence[str]:
        """Chats without a name that were not asked for lately."""
        now = self._clock.monotonic()
        self._asked = {jid: at for jid, at in self._asked.items() if now - at < AGAIN}
        found = [jid for jid in await self._archive.unnamed_chats() if jid not in self._asked]
        if len(found) > AT_ONCE:
            self._arrived.set()
        return found[:AT_ONCE]

    async def _look_up(self, chats: Sequence[str]) -> None:
        self._asked |= dict.fromkeys(chats, self._clock.monotonic())
        groups = [chat for chat in chats if Jid.parse(chat).is_group]
        for group in groups:
            await self._answered(self._look_up_group(group))
        if len(groups) < len(chats):
            await self._answered(self._look_up_people())

    async def _answered(self, question: Awaitable[Any]) -> None:
        try:
            await question
        except WhatsAppError as error:
            logger.info("unnamed: a look-up was answered %s", error.code)
