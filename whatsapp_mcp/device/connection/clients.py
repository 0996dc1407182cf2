"""`Clients`: the client processes of an account, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.storage import Fenced, Refused, Rewound

if TYPE_CHECKING:
    from whatsapp_mcp.client.client_storage import ClientStorage
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.connection.device_storage import DeviceStorage
    from whatsapp_mcp.storage import LeadershipOver

_RENEW_INTERVAL: Final = 1.0
"""Seconds between two looks at how long the lease holds."""


class Clients:
    """Starts each client process, lends the current one, and tells it how long the lease holds.

    Args:
        make: Makes a client: `Client` with what is the same for each.
        storage: What they open.
        clock: The leader's.
        unavailable: Why there is none to lend.
        over: Told once nothing more can be written.

    Attributes:
        current: Lends the current one.
        pid: The process id of the current one; None until it says so.
    """

    def __init__(
        self,
        make: Callable[..., Client],
        storage: DeviceStorage,
        clock: Clock,
        *,
        unavailable: Callable[[], WhatsAppError],
        over: Callable[[LeadershipOver], None],
    ) -> None:
        self.current: Accessor[Client] = Accessor(unavailable, storage.record, end=Client.end)
        self.pid: int | None = None
        self._make = make
        self._storage = storage
        self._clock = clock
        self._over = over
        self._running: set[int] = set()
        self._gone = anyio.Event()

    def launch(self, generation: int) -> Client:
        """Make the client of a generation."""
        self._running.add(generation)
        self.pid = None
        return self._make(generation, storage=partial(self._storage_of, generation))

    def note_ended(self, generation: int) -> None:
        """The client of a generation is gone."""
        self._running.discard(generation)
        self._gone.set()
        self._gone = anyio.Event()

    def is_running(self, generation: int) -> bool:
        """Return whether the client of a generation has not ended yet."""
        return generation in self._running

    @property
    def any_running(self) -> bool:
        """True if a client may be using the keys."""
        return bool(self._running)

    async def _storage_of(self, generation: int) -> ClientStorage:
        """Return the storage of a generation's client; under a lease, wait until earlier ones are gone."""
        if self._storage.lease is None:  # the process itself waits for the former one, by its claim
            return await self._storage.client()
        while any(running < generation for running in self._running):
            await self._gone.wait()
        try:
            given = await self._storage.client()
        except (Fenced, Refused, Rewound) as error:
            self._over(error)
            raise
        return replace(given, until=self._storage.lease.until())

    async def renew(self) -> None:
        """Tell each client how long the lease holds, until cancelled."""
        if (lease := self._storage.lease) is None:
            return
        last_news: tuple[int, float] | None = None
        while True:
            news = self.current.generation, lease.until()
            if news != last_news and not self.current.empty:
                with suppress(WhatsAppError):  # it is being replaced, or does not read
                    async with self.current.use() as client:
                        await client.renew(news[1])
                        # Noted only now that the client has it: one that was being replaced is told again.
                        last_news = news
            await self._clock.sleep(_RENEW_INTERVAL)
