"""Tells MCP clients what has changed: `subscriptions/listen`, and `resources/subscribe` before 2026-07-28.

Both are served from one reading of the change feed, by its numbers, so nothing falls between: a subscription
that is acknowledged tells of every change after that moment. What a client hears of is what it may read: the
policy, the rules for chats and the scopes of its token hold for a subscription as for reading.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from mcp import types
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
    event_to_notification,
)

from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError
from whatsapp_mcp.jid import Jid, is_person
from whatsapp_mcp.models import UNKNOWN
from whatsapp_mcp.server.calls import bound
from whatsapp_mcp.server.push.subscriber import Subscriber
from whatsapp_mcp.server.push.topics import STATUS, Topic, address_of, touched
from whatsapp_mcp.server.resources import MEDIA_URI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Mapping

    from anyio.abc import TaskGroup
    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext

    from whatsapp_mcp.server.calls import Requester, Resources, ServicesSource
    from whatsapp_mcp.server.feed import Batch
    from whatsapp_mcp.server.reading import GuardedArchive

    Context = ServerRequestContext[Any, Any]

MOST: Final = 256
"""Clients that have asked to be told of changes, at once."""
MOST_TOPICS: Final = 500
"""Resources of which one client is told."""
LOOK: Final = 1.0
"""Seconds after which what is offered is compared with what was."""
_SLICE: Final = 5.0
"""Seconds after which the leader is asked again for the state of the connection."""
_AGAIN: Final = 1.0
"""Seconds until a leader that could not be asked is asked again."""
_SUBSCRIBER: Final = "whatsapp_mcp_subscriber"
_LISTS: Final = frozenset({ToolsListChanged(), ResourcesListChanged()})

logger = logging.getLogger(__name__)


class Offered(NamedTuple):
    """What a server offers, by name."""

    tools: tuple[str, ...]
    resources: tuple[str, ...]


@asynccontextmanager
async def publishing(
    source: ServicesSource, resources: Resources, offered: Callable[[], Offered]
) -> AsyncIterator[Publisher]:
    """A publisher for as long as the block lasts.

    Args:
        source: Has the change feed, and says what may be read.
        resources: What can be subscribed to.
        offered: What is offered at the moment.
    """
    async with anyio.create_task_group() as tasks:
        yield Publisher(source, resources, offered, tasks)
        tasks.cancel_scope.cancel()


class Publisher:
    """Tells the clients of one transport what has changed."""

    def __init__(
        self,
        source: ServicesSource,
        resources: Resources,
        offered: Callable[[], Offered],
        tasks: TaskGroup,
    ) -> None:
        self._source = source
        self._resources = resources
        self._offered = offered
        self._tasks = tasks
        self._subscribers: set[Subscriber] = set()
        self._admitted: set[Subscriber] = set()
        self._running: set[str] = set()
        self._starting = anyio.Lock()

    async def listen(
        self, ctx: Context, wanted: types.SubscriptionFilter, requester: Requester
    ) -> types.SubscriptionsListenResult:
        """Serve `subscriptions/listen` until the client ends it.

        What cannot be told, or not to this client, is left out of the acknowledgement.

        Raises:
            MCPError: Too many clients or resources, or the account cannot be opened.
        """
        number = ctx.request_id
        if number is None:
            raise MCPError(types.INVALID_REQUEST, "subscriptions/listen needs a request id.")
        subscriber = Subscriber(_wanted_lists(wanted))
        for uri in (wanted.resource_subscriptions or ())[: MOST_TOPICS + 1]:
            try:
                await self._add(subscriber, uri, requester)
            except WhatsAppError as error:
                logger.info("push: not subscribed: %s", error.code)
        honoured = _filter_of(subscriber)
        meta = {SUBSCRIPTION_ID_META_KEY: number}
        acknowledged = types.SubscriptionsAcknowledgedNotification(
            params=types.SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
        )
        with self._telling(subscriber):
            await ctx.session.send_notification(acknowledged, related_request_id=number)
            async with aclosing(subscriber.events()) as events:
                async for event in events:
                    told = event_to_notification(event, meta)
                    await ctx.session.send_notification(told, related_request_id=number)
        return types.SubscriptionsListenResult(_meta=meta)

    async def subscribe(self, connection: Connection, uri: str, requester: Requester) -> None:
        """Serve `resources/subscribe`.

        Raises:
            MCPError: There are too many clients.
            WhatsAppError: There is no such resource, or it is not for this client.
        """
        subscriber = self.opened(connection)
        self._admit(subscriber)
        await self._add(subscriber, uri, requester)

    def unsubscribe(self, connection: Connection, uri: str) -> None:
        """Serve `resources/unsubscribe`; nothing happens if it was not subscribed to."""
        self.opened(connection).remove(uri)

    def opened(self, connection: Connection) -> Subscriber:
        """The client of a connection that began with `initialize`: it is told of lists without asking.

        As there is nobody to refuse then, it counts as one of `MOST` from its first subscription on.
        """
        subscriber = connection.state.get(_SUBSCRIBER)
        if not isinstance(subscriber, Subscriber):
            subscriber = connection.state[_SUBSCRIBER] = Subscriber(_LISTS)
            scope = anyio.CancelScope()
            self._subscribers.add(subscriber)
            self._keep_running("lists", self._watch_lists)
            connection.exit_stack.callback(scope.cancel)
            self._tasks.start_soon(self._serve, connection, subscriber, scope)
        return subscriber

    async def _serve(self, connection: Connection, subscriber: Subscriber, scope: anyio.CancelScope) -> None:
        """Tell the client of a connection what changes; what fails there is of this connection alone."""
        from whatsapp_mcp.device.supervise import contained

        async def tell() -> None:
            async with aclosing(subscriber.events()) as events:
                async for event in events:
                    told = event_to_notification(event, {})
                    data = told.model_dump(by_alias=True, mode="json", exclude_none=True)
                    await connection.notify(data["method"], data.get("params"))

        try:
            with scope, suppress(WhatsAppError):
                await contained("push: a connection", tell, lambda: Busy("A client cannot be told."))
        finally:
            self._subscribers.discard(subscriber)
            self._admitted.discard(subscriber)

    def _admit(self, subscriber: Subscriber) -> None:
        """Count a client that asks to be told of changes.

        Raises:
            MCPError: There are too many.
        """
        if subscriber not in self._admitted and len(self._admitted) >= MOST:
            raise MCPError(types.INTERNAL_ERROR, f"This server tells at most {MOST} clients of changes.")
        self._admitted.add(subscriber)

    @contextmanager
    def _telling(self, subscriber: Subscriber) -> Generator[None]:
        """Tell this client of what changes.

        Raises:
            MCPError: There are too many.
        """
        self._admit(subscriber)
        self._subscribers.add(subscriber)
        if subscriber.lists:
            self._keep_running("lists", self._watch_lists)
        try:
            yield
        finally:
            self._subscribers.discard(subscriber)
            self._admitted.discard(subscriber)

    async def _add(self, subscriber: Subscriber, uri: str, requester: Requester) -> None:
        """Have a client told of a resource.

        Raises:
            WhatsAppError: There is no such resource, or it is not for this client.
        """
        if len(subscriber.topics) >= MOST_TOPICS:
            raise InvalidArgument(f"At most {MOST_TOPICS} resources can be subscribed to.")
        found = self._resources.match(uri)
        if found is None or not found[0].changes:
            raise InvalidArgument("Changes of this resource are not told.", "Read it again when needed.")
        spec, values = found
        call = self._resources.begin(spec, requester)
        services = await call.services()
        topic = await _topic(services.archive, spec.template, values)
        await self._start(services.archive)
        subscriber.add(uri, topic)

    async def _start(self, archive: GuardedArchive) -> None:
        """Follow the archive from here on, and the connection."""
        async with self._starting:
            if "changes" not in self._running:
                after = await archive.last_change()
                self._keep_running("changes", partial(self._follow, after))
        self._keep_running("connection", self._watch_connection)

    def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        from whatsapp_mcp.device.supervise import supervised

        if name not in self._running:
            self._running.add(name)
            self._tasks.start_soon(supervised, f"push {name}", run)

    async def _follow(self, after: int) -> None:
        """Tell of everything that happens after a change."""
        async with aclosing(self._source.feed.follow(after)) as batches:
            async for batch in batches:
                try:
                    await self._tell(batch)
                except (WhatsAppError, sqlite3.Error):
                    # Rather once too often than not at all: what changed is read again by its readers.
                    logger.exception("push: changes could not be looked at")
                    self._tell_all()

    async def _tell(self, batch: Batch) -> None:
        if batch.missed:
            self._tell_all()
            return
        services = await self._source.services()
        archive = services.archive.bound_to(bound(UNKNOWN, self._source), services.ask)
        offered = self._resources.offered()
        reads = any(change.kind == "receipt" for change in batch.changes)
        own = set((await archive.own())[:2]) - {None} if reads else set[str]()
        for change in await archive.readable(batch.changes):
            place = change.chat or change.actor
            if place is None:  # of many people or chats at once
                self._tell_all()
                continue
            addresses = await _addresses(archive, place)
            topics = touched(change, addresses, by_owner=change.actor in own)
            if change.kind == "purge":
                topics |= self._files_told_of()
            self._tell_of({topic for topic in topics if topic.template in offered})

    def _files_told_of(self) -> frozenset[Topic]:
        """The files of which somebody is told: which of them a purge took is no longer known."""
        topics = (topic for one in self._subscribers for topic in one.topics.values())
        return frozenset(topic for topic in topics if topic.template == MEDIA_URI)

    def _tell_of(self, topics: Collection[Topic]) -> None:
        for subscriber in self._subscribers:
            for uri in subscriber.wants(topics):
                subscriber.tell(ResourceUpdated(uri))

    def _tell_all(self) -> None:
        for subscriber in self._subscribers:
            for uri in subscriber.topics:
                subscriber.tell(ResourceUpdated(uri))

    async def _watch_connection(self) -> None:
        """Tell of each state of the connection that is another than before."""
        devices = (await self._source.services()).devices
        known, revision = None, -1
        while True:
            try:
                async with devices.use() as device:
                    link = await device.link_state(revision, _SLICE)
            except WhatsAppError:
                await anyio.sleep(_AGAIN)
                continue
            state, revision = (link.state, link.reason, link.number), link.revision
            if known not in {None, state}:
                self._tell_of([Topic(STATUS)])
            known = state

    async def _watch_lists(self) -> None:
        """Tell of lists that are others than before: the policy has changed."""
        known = self._offered()
        while True:
            await anyio.sleep(LOOK)
            now = self._offered()
            differs = {
                ToolsListChanged(): now.tools != known.tools,
                ResourcesListChanged(): now.resources != known.resources,
            }
            changed = {event for event, has_changed in differs.items() if has_changed}
            for subscriber in self._subscribers:
                for event in subscriber.lists & changed:
                    subscriber.tell(event)
            known = now


def _wanted_lists(wanted: types.SubscriptionFilter) -> frozenset[Any]:
    asked = {
        ToolsListChanged(): wanted.tools_list_changed,
        ResourcesListChanged(): wanted.resources_list_changed,
    }
    return frozenset(event for event, is_wanted in asked.items() if is_wanted)


def _filter_of(subscriber: Subscriber) -> types.SubscriptionFilter:
    """What a client is told of, in the words of the protocol."""
    return types.SubscriptionFilter(
        tools_list_changed=True if ToolsListChanged() in subscriber.lists else None,
        resources_list_changed=True if ResourcesListChanged() in subscriber.lists else None,
        resource_subscriptions=list(subscriber.topics) or None,
    )


async def _topic(archive: GuardedArchive, template: str, values: Mapping[str, str]) -> Topic:
    """What a URI of a template names, as far as it may be read.

    Raises:
        WhatsAppError: It names nothing, or what may not be read.
    """
    if "ref" in values:
        return Topic(template, str((await archive.message(values["ref"])).ref))
    if "jid" not in values:
        return Topic(template)
    address = address_of(values["jid"])
    await archive.require_readable(address)
    return Topic(template, address)


async def _addresses(archive: GuardedArchive, chat: str) -> frozenset[str]:
    """All addresses under which a chat may be subscribed to."""
    person = await archive.contact(chat) if is_person(chat) else None
    if person is None:
        return frozenset({chat})
    number = str(Jid.phone(person.number)) if person.number else chat
    return frozenset({chat, person.jid, person.lid or chat, number})
