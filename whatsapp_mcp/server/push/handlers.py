"""The requests of MCP about subscriptions and completion, registered on the SDK's server.

The SDK's own `subscriptions/listen` tells every client everything and keeps a queue for each; ours tells a
client what it may read, and keeps no queue. `resources/subscribe` it leaves to its users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp import types
from mcp.shared.exceptions import MCPError

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.server.calls import error_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server

    from whatsapp_mcp.server.calls import Requester, Resources

    _Context = ServerRequestContext[Any, Any]

_COMPLETED: Final = 100
"""Values in one answer, by the specification."""


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
