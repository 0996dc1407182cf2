"""`Accessor`: the one place that holds a device or a client.

Whoever needs the current one asks here, for the length of one call, and keeps nothing. `replace()` swaps it
at any time: the lock guards the swap alone, so a call that hangs on the old one cannot hold the new one
back; it is ended with an error instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import anyio

from whatsapp_mcp.errors import Busy, DeadlineExceeded, WhatsAppError

T = TypeVar("T")


class Generations(Protocol):
    """Hands out generation numbers; each is larger than any before, across restarts."""

    async def following(self) -> int:
        """The next number, kept before it is given out."""
        ...


class CountedGenerations:
    """Numbers that start at 1 and live as long as this object."""

    def __init__(self) -> None:
        self._last = 0

    async def following(self) -> int:
        """The next number."""
        self._last += 1
        return self._last


class _Lease:
    """One call on one holder; `replaced` says why its scope was cancelled."""

    __slots__ = ("replaced", "scope")

    def __init__(self, deadline: float | None) -> None:
        self.scope = anyio.CancelScope()
        if deadline is not None:
            self.scope.deadline = anyio.current_time() + deadline
        self.replaced = False


class Accessor(Generic[T]):
    """Lends the current object, one call at a time, and swaps it without waiting for any call.

    Args:
        absent: Makes the error that `use()` raises while there is nothing to lend.
        generations: Where generation numbers come from.
        end: Ends an object that was replaced, at once and without waiting; calls on it are cancelled first.
            Without it, calls on a replaced object run out by themselves.
    """

    def __init__(
        self,
        absent: Callable[[], WhatsAppError],
        generations: Generations | None = None,
        *,
        end: Callable[[T], None] | None = None,
    ) -> None:
        self._absent = absent
        self._generations = generations or CountedGenerations()
        self._end = end
        self._swap = anyio.Lock()
        self._current: T | None = None
        self._leases: set[_Lease] = set()
        self._generation = 0

    @property
    def generation(self) -> int:
        """The number of the current object; 0 before the first."""
        return self._generation

    @property
    def empty(self) -> bool:
        """True if there is nothing to lend."""
        return self._current is None

    @asynccontextmanager
    async def use(self, deadline: float | None = None) -> AsyncIterator[T]:
        """Lend the current object for one call.

        Args:
            deadline: Seconds after which the body is cancelled.

        Raises:
            DeadlineExceeded: The body took longer than `deadline`.
            Busy: The object was replaced meanwhile; what the body had begun may have taken effect.
            WhatsAppError: There is nothing to lend (what `absent` makes).
        """
        current = self._current
        if current is None:
            raise self._absent()
        lease = _Lease(deadline)
        self._leases.add(lease)
        try:
            with lease.scope:
                yield current
        finally:
            self._leases.discard(lease)
        if not lease.scope.cancelled_caught:
            return
        if lease.replaced:
            raise Busy(
                "The connection was replaced while the call was running.",
                "Check whether it took effect before retrying.",
            )
        raise DeadlineExceeded(f"No answer within {deadline:g} seconds.")

    async def replace(self, make: Callable[[int], T] | None) -> int:
        """Swap in what `make(generation)` gives, or nothing; end the old one and the calls on it.

        Returns:
            The new generation; with None the old number stays.
        """
        # Taking a number waits for the disk: of two swaps at once the one with the lower could come last.
        async with self._swap:
            generation = self._generation
            if make is not None:
                generation = await self._generations.following()
            # From here to the swap nothing waits: no call can slip in between the two.
            old, self._current = self._current, None
            if old is not None and self._end is not None:
                self._cancel_leases()
                self._end(old)
            if make is not None:
                self._current = make(generation)
                self._generation = generation
            return generation

    def _cancel_leases(self) -> None:
        for lease in self._leases:
            lease.replaced = True
            lease.scope.cancel()
