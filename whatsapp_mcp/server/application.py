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
from mcp.types import CallToolResult, Icon, InputRequiredResult

import whatsapp_mcp
from whatsapp_mcp.errors import Denied, InvalidArgument
from whatsapp_mcp.policy import TOOL_SCOPES, Policy, check_scope, is_offered
from whatsapp_mcp.server import cards, tools
from whatsapp_mcp.server.calls import (
    RegisteredTool,
    Resources,
    build,
    error_result,
    principal_of,
    requester_of,
    spec_of,
)
from whatsapp_mcp.server.fencing import new_code
from whatsapp_mcp.server.instructions import instructions
from whatsapp_mcp.server.invalid_requests import answering_invalid
from whatsapp_mcp.server.prompts import Skills, completed, prompts
from whatsapp_mcp.server.push import Offered, publishing, serve_push
from whatsapp_mcp.server.stdio import stdio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
    from mcp.server.lowlevel.helper_types import ReadResourceContents
    from mcp.server.mcpserver.tools import Tool
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage
    from mcp.types import Resource, ResourceTemplate
    from pydantic import AnyUrl

    from whatsapp_mcp.server.calls import OfferedTool, ResourceFunction, ServicesSource, ToolFunction
    from whatsapp_mcp.server.channel import Channel

NAME: Final = "whatsapp-mcp"
_STATE_LIFETIME: Final = 3600.0
"""Seconds for which a host may bring back an answer: as long as a person may decide."""
_GREETINGS: Final = frozenset({"initialize", "server/discover"})
"""Requests whose answers say what the server offers."""


class Tools(ToolManager):
    """The tools, built at first use: the handshake must not wait for them."""

    def __init__(self, make: Callable[[], list[Tool]], policy: Callable[[], Policy]) -> None:
        super().__init__()
        self._make = make
        self._policy = policy

    @cached_property
    def _made(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self._make()}

    def get_tool(self, name: str) -> Tool | None:
        """The tool of this name."""
        return self._made.get(name) or super().get_tool(name)

    def list_tools(self) -> list[Tool]:
        """Those that the policy allows at all, then those that were added to the application (fixtures)."""
        policy = self._policy()
        return [*(tool for tool in self._made.values() if _is_offered(tool, policy)), *super().list_tools()]


def _is_offered(tool: Tool, policy: Policy) -> bool:
    return not isinstance(tool, RegisteredTool) or is_offered(policy, tool.offered.spec.act)


class Application(MCPServer[Any]):
    """The SDK's server with these tools and this package's errors."""

    def __init__(
        self,
        source: ServicesSource,
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
            subscriptions=False,
            lifespan=lambda _: publishing(source, read, self._offers),
            extensions=[_cards(), *([Skills(self.offers)] if workflows else [])],
            request_state_security=RequestStateSecurity(keys=[state_key], ttl=_STATE_LIFETIME)
            if state_key
            else None,
            log_level="WARNING",
        )
        self._tool_manager = Tools(make, lambda: source.policy)
        self._resources = read
        self._structured = structured
        for prompt in prompts(self.offers) if workflows else ():
            self.add_prompt(prompt)
        serve_push(
            self._lowlevel_server,
            read,
            partial(completed, source),
            lambda ctx: requester_of(self._context(ctx)),
        )

    def _context(self, ctx: ServerRequestContext[Any, Any]) -> Context[Any, Any]:
        return Context(request_context=ctx, mcp_server=self)

    def _offers(self) -> Offered:
        """What is offered at the moment."""
        listed = [*self._resources.listed(), *self._resources.templates()]
        return Offered(
            tuple(tool.name for tool in self._tool_manager.list_tools()),
            tuple(each.name for each in listed),
        )

    def offers(self, name: str) -> bool:
        """Whether there is a tool of this name."""
        return self._tool_manager.get_tool(name) is not None

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
        return {**result, "capabilities": kept}

    async def _keep_to_scopes(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """SDK middleware: the principal of an HTTP request sees and calls what its scopes allow."""
        principal = principal_of(ctx.request)
        if principal is None or principal.scopes is None:
            return await call_next(ctx)
        if ctx.method == "tools/call":
            try:
                self._check_scope(principal.scopes, (ctx.params or {}).get("name"))
            except Denied as error:
                return error_result(error, structured=self._structured)
        result = await call_next(ctx)
        if not isinstance(result, dict):
            return result
        if ctx.method == "tools/list":
            listed = [tool for tool in result["tools"] if self._is_in_scope(principal.scopes, tool["name"])]
            return {**result, "tools": listed}
        if ctx.method == "resources/list":
            kept = [
                each
                for each in result["resources"]
                if self._resources.is_in_scope(principal.scopes, each["uri"])
            ]
            return {**result, "resources": kept}
        if ctx.method == "resources/templates/list":
            listed = [
                template
                for template in result["resourceTemplates"]
                if self._resources.is_in_scope(principal.scopes, template["uriTemplate"])
            ]
            return {**result, "resourceTemplates": listed}
        return result

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
        return [*self._resources.listed(), *await super().list_resources()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Ours, then those that were added to the application (conformance fixtures)."""
        return [*self._resources.templates(), *await super().list_resource_templates()]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """What a URI stands for; errors are in our form."""
        found = await self._resources.read(str(uri), context) if context is not None else None
        return await super().read_resource(uri, context) if found is None else found

    async def run_stdio_async(self, channel: Channel | None = None) -> None:
        """Serve on standard input and output, as a channel if one is given."""
        async with stdio() as (read, write):
            await self.run_streams(read, write, channel)

    async def run_streams(
        self,
        read: ReadStream[SessionMessage | Exception],
        write: WriteStream[SessionMessage],
        channel: Channel | None = None,
    ) -> None:
        """Serve one connection until its input ends; an invalid request is answered with an error."""
        server = self._lowlevel_server
        async with answering_invalid(read, write) as messages:
            if channel is None:
                await server.run(messages, write, server.create_initialization_options())
                return
            options = server.create_initialization_options(experimental_capabilities=channel.capabilities)
            told = f"{channel.instructions}{options.instructions}"
            async with channel.attached(messages, write) as those_for_us:
                await server.run(those_for_us, write, options.model_copy(update={"instructions": told}))

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; an unknown name is answered with an error that lists the tools."""
        if self._tool_manager.get_tool(name) is None:
            names = [tool.name for tool in self._tool_manager.list_tools()]
            return error_result(_no_such_tool(name, names), structured=self._structured)
        return await super().call_tool(name, arguments, context)


def _cards() -> Apps:
    """The extension with which hosts draw cards."""
    apps = Apps()
    for card in cards.CARDS:
        apps.add_html_resource(card.uri, card.html(), name=card.name, prefers_border=True)
    return apps


def _icon() -> Icon:
    """As a data URI: an application would download a web URL wherever it shows the server."""
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


def create(
    source: ServicesSource,
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
        source: Where tools take their services from; it outlives every connection.
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

    def make() -> list[Tool]:
        chosen = tools.load_tools(selection) if functions is None else functions
        if source.chat:
            chosen = [function for function in chosen if spec_of(function).in_chat]
        # Told once, as the list of tools is: the leader lets acts pass only for a server that told it so.
        hint_acts = source.policy.leaves_to_host
        return build(chosen, source, structured=structured, new_code=new_code, hint_acts=hint_acts)

    def make_resources() -> Iterable[ResourceFunction]:
        from whatsapp_mcp.server.push.resources import selected

        if resources is not None or functions is not None:
            return resources or ()
        return selected(tools.parse_selection(selection), in_chat=bool(source.chat))

    return Application(
        source,
        make,
        Resources(make_resources, source, new_code),
        middleware,
        instructions(selection),
        structured=structured,
        state_key=state_key,
        # They read lists of all chats, with tools of this toolset.
        workflows=functions is None and not source.chat and "core" in tools.parse_selection(selection),
    )
