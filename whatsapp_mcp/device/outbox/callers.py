"""Callers that wait for the outcome of a send."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import OutboxEntry


class Caller:
    """One that waits.

    Attributes:
        settled: Set with the outcome.
        settled_as: The entry as it was written down then; None where the archive has to be asked.
        refusal: Why it was not sent.
    """

    def __init__(self) -> None:
        self.settled = anyio.Event()
        self.settled_as: OutboxEntry | None = None
        self.refusal: WhatsAppError | None = None


class Callers:
    """All that wait now, by the number of their send."""

    def __init__(self) -> None:
        self._waiting: defaultdict[int, set[Caller]] = defaultdict(set)

    @contextmanager
    def waiting(self, send_id: int) -> Iterator[Caller]:
        """One more waits, for the length of the body."""
        caller = Caller()
        self._waiting[send_id].add(caller)
        try:
            yield caller
        finally:
            self._waiting[send_id].discard(caller)
            if not self._waiting[send_id]:
                del self._waiting[send_id]

    def settle(
        self, send_id: int, entry: OutboxEntry | None = None, refusal: WhatsAppError | None = None
    ) -> None:
        """The outcome of a send is known."""
        for caller in self._waiting.get(send_id, ()):
            caller.settled_as, caller.refusal = entry, refusal
            caller.settled.set()
