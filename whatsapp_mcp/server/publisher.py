"""Tells MCP clients what has changed: `subscriptions/listen`, and `resources/subscribe` before 2026-07-28.

Both are served from one reading of the change feed, by its numbers, so nothing falls between: a subscription
that is acknowledged tells of every change after that moment. What a client hears of is what it may read: the
policy, the rules for chats and the scopes of its token hold for a subscription as for reading.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
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

from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError
from whatsapp_mcp.models import UNKNOWN
from whatsapp_mcp.server.calls import ANYBODY, Call, bound, last_change, no_progress
from whatsapp_mcp.server.resources import MEDIA_URI
from whatsapp_mcp.server.subscriptions import STATUS, Subscriber, Topic, named_topic, touched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator

    from anyio.abc import TaskGroup
    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp.shared.subscriptions import ServerEvent

    from whatsapp_mcp.server.calls import Accounts, Requester, Resources, ServicesSource
    from whatsapp_mcp.server.feed import Batch

    Context = ServerRequestContext[Any, Any]

MOST: Final = 256
"""Clients that have asked to be told of changes, at once."""
MOST_OF_ONE: Final = 16
"""Most subscribed clients of one principal at once."""
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
    """Tools by name and account, and resources by name, that a server offers to a requester."""

    tools: tuple[tuple[str, ...], ...]
    resources: tuple[str, ...]


@asynccontextmanager
async def publishing(
    accounts: Accounts, resources: Resources, offered: Callable[[frozenset[str] | None], Offered]
) -> AsyncIterator[Publisher]:
    """A publisher for as long as the block lasts.

    Args:
        accounts: Have change feeds, and say what may be read.
        resources: What can be subscribed to.
        offered: What is offered at the moment to somebody who sees these accounts.
    """
    async with anyio.create_task_group() as tasks:
        yield Publisher(accounts, resources, offered, tasks)
        tasks.cancel_scope.cancel()


class Publisher:
    """Tells the clients of one transport what has changed."""

    def __init__(
        self,
        accounts: Accounts,
        resources: Resources,
        offered: Callable[[frozenset[str] | None], Offered],
        tasks: TaskGroup,
    ) -> None:
        self._accounts = accounts
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
        subscriber = _subscriber_of(_wanted_lists(wanted), requester)
        # One more than is allowed: `_add` refuses that one, and the rest of a long list costs nothing.
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
        # Before the acknowledgement: a change between the two is kept and told.
        with self._telling(subscriber):
            await ctx.session.send_notification(acknowledged, related_request_id=number)
            async with aclosing(subscriber.events()) as events:
                async for event in events:
                    notification = event_to_notification(event, meta)
                    await ctx.session.send_notification(notification, related_request_id=number)
        return types.SubscriptionsListenResult(_meta=meta)

    async def subscribe(self, connection: Connection, uri: str, requester: Requester) -> None:
        """Serve `resources/subscribe`.

        Raises:
            MCPError: There are too many clients.
            WhatsAppError: There is no such resource, or it is not for this client.
        """
        subscriber = self.opened(connection, requester)
        self._admit(subscriber)
        await self._add(subscriber, uri, requester)

    def unsubscribe(self, connection: Connection, uri: str, requester: Requester) -> None:
        """Serve `resources/unsubscribe`; nothing happens if it was not subscribed to."""
        self.opened(connection, requester).remove(uri)

    def opened(self, connection: Connection, requester: Requester) -> Subscriber:
        """The client of a connection that began with `initialize`: it is told of lists without asking.

        As there is nobody to refuse then, it counts as one of `MOST` from its first subscription on.
        """
        subscriber = connection.state.get(_SUBSCRIBER)
        if not isinstance(subscriber, Subscriber):
            subscriber = connection.state[_SUBSCRIBER] = _subscriber_of(_LISTS, requester)
            scope = anyio.CancelScope()
            self._subscribers.add(subscriber)
            self._keep_running("lists", self._watch_lists)
            # The task group lasts as long as the transport; this task ends with its connection.
            connection.exit_stack.callback(scope.cancel)
            self._tasks.start_soon(self._serve, connection, subscriber, scope)
        return subscriber

    async def _serve(self, connection: Connection, subscriber: Subscriber, scope: anyio.CancelScope) -> None:
        """Tell the client of a connection what changes; what fails there is of this connection alone."""
        from whatsapp_mcp.device.supervise import contained

        async def tell() -> None:
            async with aclosing(subscriber.events()) as events:
                async for event in events:
                    notification = event_to_notification(event, {})
                    data = notification.model_dump(by_alias=True, mode="json", exclude_none=True)
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
        if subscriber in self._admitted:
            return
        if len(self._admitted) >= MOST:
            raise MCPError(types.INTERNAL_ERROR, f"This server tells at most {MOST} clients of changes.")
        theirs = sum(one.principal == subscriber.principal for one in self._admitted)
        # Without tokens every client is the same principal, which that limit would shut out.
        if theirs >= MOST_OF_ONE and subscriber.principal != ANYBODY:
            what = f"This server tells at most {MOST_OF_ONE} clients with one token of changes."
            raise MCPError(types.INTERNAL_ERROR, what)
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
        address = self._resources.find(uri, requester.accounts)
        if address is None or not address.spec.changes:
            raise InvalidArgument("Changes of this resource are not told.", "Read it again when needed.")
        call = self._resources.begin(address, requester)
        topic = await call.perform(named_topic, template=address.spec.template, values=address.values)
        await self._start(call)
        subscriber.add(uri, replace(topic, account=address.source.account))

    async def _start(self, call: Call) -> None:
        """Follow the archive of an account from here on, and its connection."""
        source = call.source
        changes = f"changes {source.account}"
        async with self._starting:
            if changes not in self._running:
                after = await call.perform(last_change)
                self._keep_running(changes, partial(self._follow, source, after))
        self._keep_running(f"connection {source.account}", partial(self._watch_connection, source))

    def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        from whatsapp_mcp.device.supervise import supervised

        if name not in self._running:
            self._running.add(name)
            self._tasks.start_soon(supervised, f"push {name}", run)

    async def _follow(self, source: ServicesSource, after: int) -> None:
        """Tell of everything that happens in an account after a change."""
        async with aclosing(source.feed.follow(after)) as batches:
            async for batch in batches:
                try:
                    await self._tell(source, batch)
                except (WhatsAppError, sqlite3.Error):
                    # Rather once too often than not at all: what changed is read again by its readers.
                    logger.exception("push: changes could not be looked at")
                    self._tell_all(source)

    async def _tell(self, source: ServicesSource, batch: Batch) -> None:
        if batch.missed:
            self._tell_all(source)
            return
        # For an unknown caller every rule for chats holds, so nobody hears of a chat that is closed to
        # agents.
        call = Call(source, no_progress, bound(UNKNOWN, source))
        offered = self._resources.offered(source)
        for change in await call.perform(touched, changes=batch.changes):
            if change.topics is None:
                self._tell_all(source)
                continue
            topics = change.topics
            if change.is_purge:
                topics |= self._files_told_of()
            offered_topics = (topic for topic in topics if topic.template in offered)
            self._tell_of({replace(topic, account=source.account) for topic in offered_topics})

    def _files_told_of(self) -> frozenset[Topic]:
        """The files of which somebody is told: which of them a purge took is no longer known."""
        topics = (topic for one in self._subscribers for topic in one.topics.values())
        return frozenset(topic for topic in topics if topic.template == MEDIA_URI)

    def _tell_of(self, topics: Collection[Topic]) -> None:
        for subscriber in self._subscribers:
            for uri in subscriber.wants(topics):
                subscriber.tell(ResourceUpdated(uri))

    def _tell_all(self, source: ServicesSource) -> None:
        """Tell of everything in an account."""
        self._tell_of(
            {
                topic
                for one in self._subscribers
                for topic in one.topics.values()
                if topic.account == source.account
            }
        )

    async def _watch_connection(self, source: ServicesSource) -> None:
        """Tell of each state of an account's connection that is another than before."""
        devices = await source.devices()
        known, revision = None, -1
        while True:
            try:
                async with devices.use() as device:
                    link = await device.do(control.link_state, revision, _SLICE)
            except WhatsAppError:
                await anyio.sleep(_AGAIN)
                continue
            state, revision = (link.state, link.reason, link.number), link.revision
            if known not in {None, state}:
                self._tell_of([Topic(STATUS, account=source.account)])
            known = state

    async def _watch_lists(self) -> None:
        """Tell of lists that are others than before: the policy has changed."""
        known: dict[frozenset[str] | None, Offered] = {}
        while True:
            # By what somebody sees: a change in an account that they do not see tells them nothing.
            now = {accounts: self._offered(accounts) for accounts in self._sights()}
            for subscriber in self._subscribers:
                before, offered = known.get(subscriber.accounts), now.get(subscriber.accounts)
                for event in subscriber.lists & _changed(before, offered):
                    subscriber.tell(event)
            known = now
            # `config.toml` is edited by hand, and nothing tells of it.
            await anyio.sleep(LOOK)

    def _sights(self) -> set[frozenset[str] | None]:
        return {subscriber.accounts for subscriber in self._subscribers}


def _changed(before: Offered | None, now: Offered | None) -> frozenset[ServerEvent]:
    """The lists that are others than before."""
    if before is None or now is None:
        return frozenset()
    differs = {
        ToolsListChanged(): now.tools != before.tools,
        ResourcesListChanged(): now.resources != before.resources,
    }
    return frozenset(event for event, has_changed in differs.items() if has_changed)


def _subscriber_of(lists: frozenset[Any], requester: Requester) -> Subscriber:
    return Subscriber(lists, requester.accounts, requester.caller.principal)


def _wanted_lists(wanted: types.SubscriptionFilter) -> frozenset[Any]:
    asked = {
        ToolsListChanged(): wanted.tools_list_changed,
        ResourcesListChanged(): wanted.resources_list_changed,
    }
    return frozenset(event for event, is_wanted in asked.items() if is_wanted)


def _filter_of(subscriber: Subscriber) -> types.SubscriptionFilter:
    """Return a client's subscriptions as a filter of the protocol."""
    return types.SubscriptionFilter(
        tools_list_changed=True if ToolsListChanged() in subscriber.lists else None,
        resources_list_changed=True if ResourcesListChanged() in subscriber.lists else None,
        resource_subscriptions=list(subscriber.topics) or None,
    )
