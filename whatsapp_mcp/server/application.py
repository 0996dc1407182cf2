"""The MCP application that every transport and both versions of the handshake serve."""

from __future__ import annotations

import base64
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp.server.apps import Apps
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.tools import ToolManager
from mcp.server.request_state import RequestStateSecurity
from mcp.types import (
    CallToolResult,
    Icon,
    InputRequiredResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
)

import whatsapp_mcp
from whatsapp_mcp.errors import Denied, InvalidArgument
from whatsapp_mcp.policy import check_scope
from whatsapp_mcp.server import cards, tools
from whatsapp_mcp.server.calls import (
    Accounts,
    RegisteredTool,
    Resources,
    VisibleScope,
    build,
    error_result,
    principal_of,
    requester_of,
    spec_of,
)
from whatsapp_mcp.server.fencing import new_code
from whatsapp_mcp.server.instructions import SEVERAL_ACCOUNTS, instructions
from whatsapp_mcp.server.prompts import Skills, completed, prompts
from whatsapp_mcp.server.publisher import Offered, publishing
from whatsapp_mcp.server.stdio import answering_invalid, stdio
from whatsapp_mcp.server.subscriptions import serve_push
from whatsapp_mcp.text.choices import TOOL_SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
    from mcp.server.lowlevel.helper_types import ReadResourceContents
    from mcp.server.mcpserver.tools import Tool
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage
    from mcp.types import Resource, ResourceTemplate
    from mcp.types import Tool as Listing
    from pydantic import AnyUrl

    from whatsapp_mcp.server.calls import (
        OfferedTool,
        Requester,
        ResourceFunction,
        ServicesSource,
        ToolFunction,
    )
    from whatsapp_mcp.server.channel import ClaudeChannel

NAME: Final = "whatsapp-mcp"
_STATE_LIFETIME: Final = 3600.0
"""Seconds for which a host may bring back an answer: as long as a person may decide."""
_GREETINGS: Final = frozenset({"initialize", "server/discover"})
"""Requests whose answers say what the server offers."""


class Tools(ToolManager):
    """The tools, built at first use: the handshake must not wait for them."""

    def __init__(self, make: Callable[[], list[Tool]]) -> None:
        super().__init__()
        self._make = make

    @cached_property
    def _made(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self._make()}

    def get_tool(self, name: str) -> Tool | None:
        """The tool of this name."""
        return self._made.get(name) or super().get_tool(name)

    def list_tools(self) -> list[Tool]:
        """List the tools that a policy allows at all, then those added to the application (fixtures)."""
        return [*(tool for tool in self._made.values() if _is_offered(tool)), *super().list_tools()]


def _is_offered(tool: Tool, accounts: frozenset[str] | None = None) -> bool:
    return not isinstance(tool, RegisteredTool) or bool(tool.offered.names_for(accounts))


class Application(MCPServer[Any]):
    """The SDK's server with these tools and this package's errors."""

    def __init__(
        self,
        accounts: Accounts,
        make: Callable[[], list[Tool]],
        read: Resources,
        middleware: Sequence[ServerMiddleware[Any]],
        instructions: str,
        *,
        structured: bool,
        state_key: bytes | None,
        workflows: bool,
    ) -> None:
        super().__init__(
            NAME,
            title="WhatsApp",
            version=whatsapp_mcp.__version__,
            icons=[_icon()],
            instructions=instructions,
            middleware=[*middleware, self._keep_to_scopes, self._advertise_what_is_served],
            # The SDK's own handler tells every client everything; `serve_push` registers another.
            subscriptions=False,
            lifespan=lambda _: publishing(accounts, read, self._offers),
            extensions=[_cards(), *([Skills(self.offers)] if workflows else [])],
            request_state_security=RequestStateSecurity(keys=[state_key], ttl=_STATE_LIFETIME)
            if state_key
            else None,
            log_level="WARNING",
        )
        self._tool_manager = Tools(make)
        self._accounts = accounts
        self._resources = read
        self._structured = structured
        for prompt in prompts(self.offers) if workflows else ():
            self.add_prompt(prompt)
        serve_push(self._lowlevel_server, read, partial(completed, accounts), self._requester)
        # The SDK's own answers know nobody who asks.
        for method, answer in (
            ("tools/list", self._show_tools),
            ("resources/list", self._show_resources),
            ("resources/templates/list", self._show_templates),
        ):
            self._lowlevel_server.add_request_handler(method, PaginatedRequestParams, answer)

    def _requester(self, ctx: ServerRequestContext[Any, Any]) -> Requester:
        return requester_of(Context(request_context=ctx, mcp_server=self))

    def _offers(self, accounts: frozenset[str] | None) -> Offered:
        """Return the tools and resources offered now to a requester who sees these accounts."""
        sight = VisibleScope(accounts=accounts)
        listed = [*self._resources.listed(sight), *self._resources.templates(sight)]
        shown = (tool for tool in self._tool_manager.list_tools() if _is_offered(tool, accounts))
        return Offered(
            tuple((tool.name, *_names_for(tool, accounts)) for tool in shown),
            tuple(str(each.name) for each in listed),
        )

    def offers(self, name: str) -> bool:
        """Return whether there is a tool of this name."""
        return self._tool_manager.get_tool(name) is not None

    def _sees_several(self, ctx: ServerRequestContext[Any, Any]) -> bool:
        principal = principal_of(ctx.request)
        return len(self._accounts.seen_by(principal.accounts if principal else None)) > 1

    async def _advertise_what_is_served(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """SDK middleware: the SDK advertises prompts whether or not there are any."""
        result = await call_next(ctx)
        if ctx.method not in _GREETINGS or not isinstance(result, dict):
            return result
        kept = dict(result["capabilities"])
        # Before 2026-07-28 the SDK is not told that these lists change; the list of prompts never does.
        kept["tools"] = {**kept["tools"], "listChanged": True}
        kept["resources"] = {**kept["resources"], "listChanged": True}
        kept["prompts"] = {**kept["prompts"], "listChanged": False}
        if not await self.list_prompts():
            kept.pop("prompts", None)
        greeting: dict[str, Any] = {**result, "capabilities": kept}
        if self._sees_several(ctx):
            greeting["instructions"] = f"{greeting['instructions']} {SEVERAL_ACCOUNTS}"
        return greeting

    async def _keep_to_scopes(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """SDK middleware: the principal of an HTTP request calls what its scopes allow."""
        principal = principal_of(ctx.request)
        if principal is not None and principal.scopes is not None and ctx.method == "tools/call":
            try:
                self._check_scope(principal.scopes, (ctx.params or {}).get("name"))
            except Denied as error:
                return error_result(error, structured=self._structured)
        return await call_next(ctx)

    async def _show_tools(
        self, ctx: ServerRequestContext[Any, Any], _: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The tools that whoever asks may call, each with the accounts in which they may."""
        scopes, accounts = self._requester(ctx).sight
        shown: list[Listing] = []
        for listing in await self.list_tools():
            tool = self._tool_manager.get_tool(listing.name)
            if scopes is not None and not self._is_in_scope(scopes, listing.name):
                continue
            ours = tool.shown_for(accounts, listing) if isinstance(tool, RegisteredTool) else listing
            shown += [] if ours is None else [ours]
        return ListToolsResult(tools=shown)

    async def _show_resources(
        self, ctx: ServerRequestContext[Any, Any], _: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        ours = self._resources.listed(self._requester(ctx).sight)
        return ListResourcesResult(resources=[*ours, *await super().list_resources()])

    async def _show_templates(
        self, ctx: ServerRequestContext[Any, Any], _: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        ours = self._resources.templates(self._requester(ctx).sight)
        return ListResourceTemplatesResult(
            resource_templates=[*ours, *await super().list_resource_templates()]
        )

    def _is_in_scope(self, scopes: frozenset[str], name: object) -> bool:
        try:
            self._check_scope(scopes, name)
        except Denied:
            return False
        return True

    def _check_scope(self, scopes: frozenset[str], name: object) -> None:
        """Refuse a tool that needs another scope. A name of no tool passes: its call is refused anyway."""
        tool = self._tool_manager.get_tool(name) if isinstance(name, str) else None
        if isinstance(tool, RegisteredTool):
            spec = tool.offered.spec
            check_scope(scopes, spec.name, spec.effect)
        # A fixture declares no effect from which a scope would follow.
        elif tool is not None and not scopes.issuperset(TOOL_SCOPES):
            raise Denied("This tool needs every scope.")

    def find_tool(self, name: str) -> OfferedTool | None:
        """The tool of ours with this name, offered at the moment or not."""
        tool = self._tool_manager.get_tool(name)
        return tool.offered if isinstance(tool, RegisteredTool) else None

    def offered_tools(self) -> list[OfferedTool]:
        """Ours, for an interface beside MCP."""
        tools = self._tool_manager.list_tools()
        return [tool.offered for tool in tools if isinstance(tool, RegisteredTool)]

    async def list_resources(self) -> list[Resource]:
        """Ours, then those that were added to the application (cards, conformance fixtures)."""
        return [*self._resources.listed(VisibleScope()), *await super().list_resources()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Ours, then those that were added to the application (conformance fixtures)."""
        return [*self._resources.templates(VisibleScope()), *await super().list_resource_templates()]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read the resource that a URI names; errors have this server's form."""
        contents = await self._resources.read(str(uri), context) if context is not None else None
        return await super().read_resource(uri, context) if contents is None else contents

    async def run_stdio_async(self, channel: ClaudeChannel | None = None) -> None:
        """Serve on standard input and output, as a channel if one is given."""
        async with stdio() as (read, write):
            await self.run_streams(read, write, channel)

    async def run_streams(
        self,
        read: ReadStream[SessionMessage | Exception],
        write: WriteStream[SessionMessage],
        channel: ClaudeChannel | None = None,
    ) -> None:
        """Serve one connection until its input ends; an invalid request is answered with an error."""
        server = self._lowlevel_server
        async with answering_invalid(read, write) as messages:
            if channel is None:
                await server.run(messages, write, server.create_initialization_options())
                return
            options = server.create_initialization_options(experimental_capabilities=channel.capabilities)
            instructions = f"{channel.instructions}{options.instructions}"
            async with channel.attached(messages, write) as those_for_us:
                await server.run(
                    those_for_us, write, options.model_copy(update={"instructions": instructions})
                )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; an unknown name is answered with an error that lists the tools."""
        if self._tool_manager.get_tool(name) is None:
            accounts = requester_of(context).accounts if context else None
            names = [tool.name for tool in self._tool_manager.list_tools() if _is_offered(tool, accounts)]
            return error_result(_no_such_tool(name, names), structured=self._structured)
        return await super().call_tool(name, arguments, context)


def _cards() -> Apps:
    """The extension with which hosts draw cards."""
    apps = Apps()
    for card in cards.CARDS:
        apps.add_html_resource(card.uri, card.html(), name=card.name, prefers_border=True)
    return apps


def _icon() -> Icon:
    """Return the icon as a data URI: an application would download a web URL to show the server."""
    image = base64.b64encode(Path(__file__).with_name("icon.png").read_bytes()).decode()
    return Icon(src=f"data:image/png;base64,{image}", mime_type="image/png", sizes=["48x48"])


def _no_such_tool(name: str, names: Sequence[str]) -> InvalidArgument:
    toolset = tools.toolset_of(name)
    if toolset is not None:
        return InvalidArgument(
            f"{name} belongs to the toolset {toolset}, which is not selected.",
            f"Tell the user: the server needs --toolsets with {toolset} in it.",
        )
    return InvalidArgument(f"There is no tool {name!r} here.", f"Tools: {', '.join(names)}.")


def _names_for(tool: Tool, accounts: frozenset[str] | None) -> list[str]:
    """In which accounts a tool is offered."""
    return tool.offered.names_for(accounts) if isinstance(tool, RegisteredTool) else []


def create(
    source: ServicesSource | Accounts,
    selection: str = "core",
    *,
    functions: Sequence[ToolFunction] | None = None,
    resources: Sequence[ResourceFunction] | None = None,
    structured: bool = False,
    middleware: Sequence[ServerMiddleware[Any]] = (),
    new_code: Callable[[], str] = new_code,
    state_key: bytes | None = None,
) -> Application:
    """The application with the tools of the selected toolsets.

    Args:
        source: Where tools take their services from, in one account or in several; it outlives every
            connection.
        selection: Toolsets by name, separated by commas.
        functions: These tools instead, and no resources (benchmarks and conformance fixtures).
        resources: These resources instead.
        structured: Whether results carry structured content beside their text, and tools an output schema.
        middleware: SDK middleware around every message.
        new_code: Makes the number of each answer's fence.
        state_key: Seals what a host brings back with a person's answer, 32 bytes; with a key of the account
            questions outlast a restart, without one they end with the application.

    Raises:
        InvalidArgument: There is no such toolset.
    """
    accounts = source if isinstance(source, Accounts) else Accounts.of(source)
    sources = accounts.sources.values()
    in_chat = any(each.chat for each in sources)

    def make() -> list[Tool]:
        chosen = tools.load_tools(selection) if functions is None else functions
        if in_chat:
            chosen = [function for function in chosen if spec_of(function).in_chat]
        # Told once, as the list of tools is: the leader lets acts pass only for a server that told it so.
        hinting = frozenset(each.account for each in sources if each.policy.leaves_to_host)
        return build(chosen, accounts, structured=structured, new_code=new_code, hinting=hinting)

    def make_resources() -> Iterable[ResourceFunction]:
        from whatsapp_mcp.server.tool_resources import selected

        if resources is not None or functions is not None:
            return resources or ()
        return selected(tools.parse_selection(selection), in_chat=in_chat)

    return Application(
        accounts,
        make,
        Resources(make_resources, accounts, new_code),
        middleware,
        instructions(selection),
        structured=structured,
        state_key=state_key,
        # They read lists of all chats, with tools of this toolset.
        workflows=functions is None and not in_chat and "core" in tools.parse_selection(selection),
    )
