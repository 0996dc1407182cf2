"""Statements of an event loop: one connection, one statement after another, in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TypeVar

import anyio
import anyio.to_thread

from whatsapp_mcp.fleet.database.connections import Database, Link, Session
from whatsapp_mcp.storage import Unavailable

T = TypeVar("T")


class DatabaseCalls:
    """A connection that is opened when it is needed, also after an outage.

    Args:
        database: Where; each call may take as long as its patience.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = anyio.CapacityLimiter(1)
        self._link = self._new_link()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._link.close, limiter=self._thread)

    async def run(self, work: Callable[[Session], T]) -> T:
        """What `work` answers; it may be done more than once. Whoever is cancelled waits for it all the same.

        Raises:
            Unavailable: It was not answered within the patience, or refused.
            StorageError: The database may not be used, or what `work` raises.
        """
        return await anyio.to_thread.run_sync(self._run_here, work, limiter=self._thread)

    def _run_here(self, work: Callable[[Session], T]) -> T:
        try:
            return self._link.run(work)
        except Unavailable:
            self._link = self._new_link()
            raise

    def _new_link(self) -> Link:
        return Link(self._database, lambda session: None)
