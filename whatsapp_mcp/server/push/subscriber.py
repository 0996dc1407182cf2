"""One client that wants to be told of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from mcp.shared.subscriptions import ResourceUpdated

from whatsapp_mcp.server.calls import ANYBODY

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from mcp.shared.subscriptions import ServerEvent

    from whatsapp_mcp.server.push.topics import Topic

QUIET: Final = 0.2
"""Seconds after a notification within which the next of the same resource waits."""


class Subscriber:
    """What a client wants to be told, and what it has not been told yet.

    An event says that something is to be read again, so one that waits stands for all that follow: a client
    that does not read costs as much memory as it has subscriptions.

    Attributes:
        lists: The changes of lists that it wants to be told.
        accounts: Those that it sees, by name; None for every one.
        principal: Whose it is, as in `Caller`.
    """

    def __init__(
        self,
        lists: frozenset[ServerEvent] = frozenset(),
        accounts: frozenset[str] | None = None,
        principal: str = ANYBODY,
    ) -> None:
        self.lists = lists
        self.principal = principal
        self.accounts = accounts
        self._topics: dict[str, Topic] = {}
        self._waiting: dict[ServerEvent, None] = {}
        self._told: dict[ServerEvent, float] = {}
        self._news = anyio.Event()

    @property
    def topics(self) -> dict[str, Topic]:
        """What it wants to be told of, by the URIs that it gave."""
        return self._topics

    def add(self, uri: str, topic: Topic) -> None:
        """Tell it of this resource, too."""
        self._topics[uri] = topic

    def remove(self, uri: str) -> None:
        """Tell it no more of this resource; nothing happens if it was not told of it."""
        self._topics.pop(uri, None)
        self._waiting.pop(ResourceUpdated(uri), None)
        self._told.pop(ResourceUpdated(uri), None)

    def wants(self, topics: Iterable[Topic]) -> list[str]:
        """The URIs of its subscriptions to any of these."""
        wanted = frozenset(topics)
        return [uri for uri, topic in self._topics.items() if topic in wanted]

    def tell(self, event: ServerEvent) -> None:
        """Have it told, soon."""
        self._waiting[event] = None
        self._news.set()

    async def events(self) -> AsyncGenerator[ServerEvent]:
        """What to tell it: the first event at once, one of the same kind not before `QUIET`; without end."""
        while True:
            self._news = anyio.Event()
            now = anyio.current_time()
            due = [event for event in self._waiting if self._due(event) <= now]
            for event in due:
                if event in self._waiting:
                    del self._waiting[event]
                    self._told[event] = anyio.current_time()
                    yield event
            if due:
                continue
            with anyio.move_on_at(min(map(self._due, self._waiting), default=float("inf"))):
                await self._news.wait()

    def _due(self, event: ServerEvent) -> float:
        told = self._told.get(event)
        return 0.0 if told is None else told + QUIET
