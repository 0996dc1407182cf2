"""Subscriptions: the resources that show something else after a change, and clients that are told of it.

The requests of MCP about them and about completion are registered on the SDK's server. The SDK's own
`subscriptions/listen` tells every client everything and keeps a queue for each; ours tells a client what it
may read, and keeps no queue. `resources/subscribe` it leaves to its users.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from mcp import types
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.jid import Jid, is_person, looks_like_jid, parse_number
from whatsapp_mcp.models import Change
from whatsapp_mcp.server.calls import ANYBODY, Call, error_text
from whatsapp_mcp.server.resources import MEDIA_URI

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp.shared.subscriptions import ServerEvent

    from whatsapp_mcp.server.calls import Requester, Resources
    from whatsapp_mcp.server.reading import GuardedArchive

    _Context = ServerRequestContext[Any, Any]

STATUS: Final = "whatsapp://status"
CHATS: Final = "whatsapp://chats"
UNREAD: Final = "whatsapp://unread"
MESSAGES: Final = "whatsapp://chats/{jid}/messages"
CONTACT: Final = "whatsapp://contacts/{jid}"
_IN_LISTS: Final = frozenset({"message", "edit", "revoke", "purge"})
"""Kinds of changes that lists of chats and of unread messages show."""
_OF_FILES: Final = frozenset({"file", "revoke"})
"""Kinds of changes after which the file of a message is another, or says more."""
QUIET: Final = 0.2
"""Seconds after a notification within which the next of the same resource waits."""
_COMPLETED: Final = 100
"""Values in one answer, by the specification."""


@dataclass(frozen=True, slots=True)
class Topic:
    """The subject of a client's subscription.

    Attributes:
        template: Of the resource.
        address: The jid or ref that stands in its URI; empty if it has none.
        account: In which.
    """

    template: str
    address: str = ""
    account: str = ""


def address_of(text: str) -> str:
    """The jid that a URI names, by jid or number.

    Raises:
        InvalidArgument: It is neither.
    """
    return str(Jid.parse(text).bare if looks_like_jid(text) else parse_number(text))


class AffectedTopics(NamedTuple):
    """The topics that a change affects.

    Attributes:
        topics: In no account yet; None for all of an account.
        is_purge: Whether files were deleted, of which it is no longer known which.
    """

    topics: frozenset[Topic] | None
    is_purge: bool = False


async def named_topic(call: Call, template: str, values: Mapping[str, str]) -> Topic:
    """Return the topic that a URI of a template names, if it may be read.

    Raises:
        WhatsAppError: It names nothing, or what may not be read.
    """
    archive = (await call.services()).archive
    if "ref" in values:
        return Topic(template, str((await archive.message(values["ref"])).ref))
    if "jid" not in values:
        return Topic(template)
    address = address_of(values["jid"])
    await archive.require_readable(address)
    return Topic(template, address)


async def touched(call: Call, changes: tuple[Change, ...]) -> list[AffectedTopics]:
    """Return the topics affected by each of these changes that the caller may hear of."""
    services = await call.source.services()
    archive = services.archive.bound_to(call.caller, services.ask)
    reads = any(change.kind == "receipt" for change in changes)
    own = set((await archive.own())[:2]) - {None} if reads else set[str]()
    affected: list[AffectedTopics] = []
    for change in await archive.readable(changes):
        place = change.chat or change.actor
        if place is None:  # of many people or chats at once
            affected.append(AffectedTopics(None))
            continue
        topics = touched_in(change, await _addresses(archive, place), by_owner=change.actor in own)
        affected.append(AffectedTopics(topics, change.kind == "purge"))
    return affected


async def _addresses(archive: GuardedArchive, chat: str) -> frozenset[str]:
    """All addresses under which a chat may be subscribed to."""
    person = await archive.contact(chat) if is_person(chat) else None
    if person is None:
        return frozenset({chat})
    number = str(Jid.phone(person.number)) if person.number else chat
    return frozenset({chat, person.jid, person.lid or chat, number})


def touched_in(change: Change, addresses: Collection[str], *, by_owner: bool) -> frozenset[Topic]:
    """Return the topics that a change affects, with no account set yet.

    Args:
        change: One with a chat, or of a contact who is named.
        addresses: All addresses of the chat or contact.
        by_owner: Whether the owner did it: what they read elsewhere is no longer unread.
    """
    if change.kind == "contact":
        return frozenset({Topic(CHATS), *(Topic(CONTACT, address) for address in addresses)})
    topics = {Topic(MESSAGES, address) for address in addresses}
    if change.ref is not None and change.kind in _OF_FILES:
        topics |= {Topic(MEDIA_URI, str(change.ref)), Topic(UNREAD)}
    if change.kind in _IN_LISTS or (change.kind == "receipt" and by_owner):
        topics |= {Topic(CHATS), Topic(UNREAD)}
    elif change.kind == "send":
        topics.add(Topic(CHATS))
    return frozenset(topics)


class Subscriber:
    """Subscriptions of a client, and the events that it has not been sent yet.

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
        """The topics that the client subscribes to, by the URIs that it gave."""
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
        """Yield the client's events without end: the first at once, one of the same kind after `QUIET`."""
        while True:
            # Before `_waiting` is read: whatever is told from here on sets this event.
            self._news = anyio.Event()
            now = anyio.current_time()
            due = [event for event in self._waiting if self._due(event) <= now]
            for event in due:
                # It may have been unsubscribed from while the one before it was sent.
                if event in self._waiting:
                    del self._waiting[event]
                    self._told[event] = anyio.current_time()
                    yield event
            if due:
                continue
            with anyio.move_on_at(min(map(self._due, self._waiting), default=float("inf"))):
                await self._news.wait()

    def _due(self, event: ServerEvent) -> float:
        sent_at = self._told.get(event)
        return 0.0 if sent_at is None else sent_at + QUIET


def serve_push(
    server: Server[Any],
    resources: Resources,
    complete_prompt: Callable[[Requester, str, str, str], Awaitable[Sequence[str]]],
    requester_of: Callable[[_Context], Requester],
) -> None:
    """Have a server answer subscriptions and completion; its lifespan gives the `Publisher`.

    Args:
        server: The SDK's.
        resources: What can be subscribed to, and completed.
        complete_prompt: Completes, for who asks, the argument of a prompt by their names and what was typed.
        requester_of: Who sent a request.
    """

    async def listen(
        ctx: _Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        return await ctx.lifespan_context.listen(ctx, params.notifications, requester_of(ctx))

    async def subscribe(ctx: _Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        try:
            await ctx.lifespan_context.subscribe(_connection_of(ctx), params.uri, requester_of(ctx))
        except WhatsAppError as error:
            raise MCPError(types.INVALID_PARAMS, error_text(error), {"uri": params.uri}) from error
        return types.EmptyResult()

    async def unsubscribe(ctx: _Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        ctx.lifespan_context.unsubscribe(_connection_of(ctx), params.uri, requester_of(ctx))
        return types.EmptyResult()

    async def initialized(ctx: _Context, _: types.NotificationParams) -> None:
        ctx.lifespan_context.opened(_connection_of(ctx), requester_of(ctx))

    async def complete(ctx: _Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        requester, ref, argument = requester_of(ctx), params.ref, params.argument
        try:
            if isinstance(ref, types.ResourceTemplateReference):
                values = await resources.complete(ref.uri, argument.value, requester)
            else:
                values = await complete_prompt(requester, ref.name, argument.name, argument.value)
        except WhatsAppError as error:
            raise MCPError(types.INVALID_PARAMS, error_text(error)) from error
        shown = list(values[:_COMPLETED])
        return types.CompleteResult(
            completion=types.Completion(values=shown, has_more=len(shown) < len(values))
        )

    server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, listen)
    server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)
    server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    # A client that began with `initialize` has no way to ask for changes of lists: it is told from then on.
    server.add_notification_handler("notifications/initialized", types.NotificationParams, initialized)


def _connection_of(ctx: _Context) -> Connection:
    # The SDK has no public way to what a connection keeps between its requests.
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]
