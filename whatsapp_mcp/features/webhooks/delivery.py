"""The delivery of one webhook's events: each at least once, in the order of the change feed.

The ledger holds the last change that was delivered, and is written after the receiver has taken an event. So
a process that ends between the two has the next one deliver that event again, under the same id.

An event holds up those after it until it is delivered. A receiver that cannot be reached, or is not ready,
is tried for as long as the change feed keeps its entries. One that refuses an event is asked `ATTEMPTS`
times; then the event is kept as failed, and the next one's turn comes.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from whatsapp_mcp.device.supervise import backoff
from whatsapp_mcp.ledger import FailedDelivery

if TYPE_CHECKING:
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.features.webhooks.sender import Event, Failure
    from whatsapp_mcp.ledger import WebhookRecord
    from whatsapp_mcp.models import Change
    from whatsapp_mcp.server.feed import Batch

ATTEMPTS: Final = 10
"""Most refusals of an event by a receiver, in about half an hour."""
FIRST_PAUSE: Final = 5.0
"""Seconds after the first failure at most; doubled with each that follows."""
LONGEST_PAUSE: Final = 600.0
_LONGEST_WAIT: Final = 3600.0
"""Seconds that an event can be put off; a time beyond that was written under another clock."""
LOOK: Final = 2.0
"""Seconds between two looks into the ledger: a person may have asked to try again."""

logger = logging.getLogger(__name__)


class Feed(Protocol):
    """The change feed; as `ChangeFeed`."""

    def follow(self, after: int | None = None) -> AsyncGenerator[Batch]:
        """Yield batches of changes; implemented by `ChangeFeed.follow`."""
        ...


class Events(Protocol):
    """Source of events for changes; implemented by `WebhookEvents`."""

    async def wanted(self, changes: Sequence[Change]) -> list[Change]:
        """Return the changes that the webhook asks for."""
        ...

    async def event(self, change: Change) -> Event | None:
        """Return the event for a change; None if nothing of the change may be sent or is left."""
        ...

    async def find(self, seq: int) -> Change | None:
        """Return the change of a number; None if it is no longer kept."""
        ...

    def missed(self, after: int, seq: int) -> Event:
        """Return the event for undelivered changes that are no longer kept."""
        ...


class Delivery:
    """Delivers the events of one webhook; one process of an account may run it at a time.

    Args:
        name: The webhook's.
        record: How far it has come.
        feed: What happens.
        events: What is told of it.
        post: Posts an event, as `Sender.post`.
        clock: The clock of pauses.
        chance: Numbers in [0, 1), for pauses that do not coincide.
    """

    def __init__(
        self,
        name: str,
        record: WebhookRecord,
        feed: Feed,
        events: Events,
        post: Callable[[Event], Awaitable[Failure | None]],
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._record = record
        self._feed = feed
        self._events = events
        self._post = post
        self._clock = clock
        self._chance = chance

    async def run(self, start: int) -> None:
        """Deliver until cancelled.

        Args:
            start: The change after which a webhook begins that is new.
        """
        done = (await self._record.begin(self._name, start)).seq
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._replay)
            async with aclosing(self._feed.follow(done)) as batches:
                async for batch in batches:
                    await self._deliver_batch(batch, done)
                    done = batch.seq

    async def _deliver_batch(self, batch: Batch, done: int) -> None:
        if batch.missed:
            gone = batch.changes[0].seq - 1 if batch.changes else batch.seq
            missed = self._events.missed(done, gone)
            await self._deliver(gone, partial(_given, missed), missed_after=done)
        for change in await self._events.wanted(batch.changes):
            await self._deliver(change.seq, partial(self._events.event, change))
            done = change.seq
        if done != batch.seq:
            await self._record.advance(self._name, batch.seq)

    async def _deliver(
        self, seq: int, make: Callable[[], Awaitable[Event | None]], *, missed_after: int | None = None
    ) -> None:
        """Deliver the event of a change, or give it up; returns when the next one's turn has come.

        Args:
            seq: The change.
            make: Makes the event, again for each attempt: the rules may have changed, and the message too.
            missed_after: As `FailedDelivery.missed_after`.
        """
        known = self._record.progress(self._name)
        failures = refusals = known.refusals if known else 0
        while True:
            await self._until_due()
            event = await make()
            if event is None:
                await self._record.advance(self._name, seq)
                return
            failure = await self._post(event)
            now = self._clock.now()
            if failure is None:
                with anyio.CancelScope(shield=True):
                    await self._record.advance(self._name, seq, now)
                return
            failures += 1
            refusals += failure.refused
            if refusals >= ATTEMPTS:
                logger.warning("webhook %s: an event is given up: %s", self._name, failure.reason)
                given_up = FailedDelivery(self._name, seq, now, failure.reason, missed_after)
                await self._record.give_up(given_up)
                return
            pause = failure.retry_after or backoff(
                failures, self._chance(), base=FIRST_PAUSE, cap=LONGEST_PAUSE
            )
            level = logging.WARNING if failures == 1 else logging.INFO
            logger.log(level, "webhook %s: tried again in %.0f s: %s", self._name, pause, failure.reason)
            await self._record.put_off(self._name, refusals, now + timedelta(seconds=pause), failure.reason)

    async def _until_due(self) -> None:
        """Wait until the next event may be tried, or a person has asked for it."""
        while True:
            known = self._record.progress(self._name)
            if known is None or known.retry_at is None:
                return
            wait = (known.retry_at - self._clock.now()).total_seconds()
            if not 0 < wait <= _LONGEST_WAIT:
                return
            await self._clock.sleep(min(wait, LOOK))

    async def _replay(self) -> None:
        """Try again what a person wants to be tried again; beside the others, in no order with them."""
        while True:
            for failed in self._record.failed(self._name, replay=True):
                await self._try_again(failed)
            await self._clock.sleep(LOOK)

    async def _try_again(self, failed: FailedDelivery) -> None:
        event = await self._event_of(failed)
        failure = None if event is None else await self._post(event)
        if failure is None:
            await self._record.settle(self._name, failed.seq)
        else:
            again = replace(failed, failed_at=self._clock.now(), reason=failure.reason)
            await self._record.failed_again(again)

    async def _event_of(self, failed: FailedDelivery) -> Event | None:
        """The event that failed, under its former id; None if nothing is left of it."""
        if failed.missed_after is not None:
            return self._events.missed(failed.missed_after, failed.seq)
        change = await self._events.find(failed.seq)
        return None if change is None else await self._events.event(change)


async def _given(event: Event) -> Event:
    return event
