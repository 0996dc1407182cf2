"""The routes of the HTTP API: each request is a call of a tool, as an MCP request is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.features.rest import events, files
from whatsapp_mcp.features.rest.openapi import document
from whatsapp_mcp.features.rest.problems import problem
from whatsapp_mcp.features.rest.requests import arguments_of, is_json, requester_of
from whatsapp_mcp.policy import is_in_scope
from whatsapp_mcp.processes.tracing import continued
from whatsapp_mcp.server.calls import ARGUMENT, bounded, contained
from whatsapp_mcp.server.transports import API, API_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from whatsapp_mcp.models import Caller
    from whatsapp_mcp.server.calls import Call, OfferedTool, Result

VERSION: Final = f"{API}v1"
_Offer = tuple[tuple[str, bool, tuple[str, ...]], ...]
"""The tools in a document: the name of each, whether it takes `account`, and the names of accounts."""
_SEND_JSON: Final = "Send JSON with `Content-Type: application/json`."


class Server(Protocol):
    """The server of the tools; asked at each request, since the policy may change what is offered."""

    def offered_tools(self) -> Sequence[OfferedTool]:
        """Return the tools that the policy allows at all."""
        ...

    def find_tool(self, name: str) -> OfferedTool | None:
        """The tool of this name, whatever the policy says; a call of it is refused with the reason."""
        ...


def rest_routes(server: Server) -> list[Route]:
    """The routes to the tools of a server."""
    api = _Api(server)
    return [
        Route(f"{VERSION}/openapi.json", api.openapi, methods=["GET"]),
        Route(f"{VERSION}/events", api.events, methods=["GET"]),
        Route(f"{VERSION}/media/{{ref}}", api.media, methods=["GET"]),
        Route(f"{VERSION}/{{tool}}", api.call, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Api:
    server: Server
    _documents: dict[_Offer, Response] = field(default_factory=dict[_Offer, Response])
    """The documents that were asked for, by what they describe: each is made once."""

    async def openapi(self, request: Request) -> Response:
        """The document of what this principal may call."""
        scopes, accounts = requester_of(request).sight
        offer = tuple(
            (tool, tuple(names))
            for tool in self.server.offered_tools()
            if (names := tool.names_for(accounts))
            and (scopes is None or is_in_scope(scopes, tool.spec.name, tool.spec.effect))
        )
        key = tuple((tool.spec.name, tool.is_one_of_several_for(accounts), names) for tool, names in offer)
        if key not in self._documents:
            several = {tool.spec.name: names for tool, names in offer if tool.is_one_of_several_for(accounts)}
            self._documents[key] = JSONResponse(
                document([tool for tool, _ in offer], VERSION, several), headers=API_HEADERS
            )
        return self._documents[key]

    async def call(self, request: Request) -> Response:
        """Call a tool."""
        name = request.path_params["tool"]
        tool = self.server.find_tool(name)
        if tool is None:
            return _no_such_tool(name)
        if not is_json(request):
            return problem(InvalidArgument("The body is not JSON by its type.", _SEND_JSON), 415)
        with continued(request.headers.get("traceparent"), "request"):
            return await _answered(tool, partial(_called, tool, request))

    async def events(self, request: Request) -> Response:
        """Stream what changes."""

        async def answer(tool: OfferedTool) -> Response:
            after = events.position(request.headers.get("last-event-id") or request.query_params.get("after"))
            begin = partial(tool.call_of, requester_of(request), request.query_params.get(ARGUMENT))
            with begin().source.meter.measured(events.TOOL):
                return await events.events_answer(begin, after)

        return await self._beside(events.TOOL, answer)

    async def media(self, request: Request) -> Response:
        """Hand out the file of a message."""

        async def answer(tool: OfferedTool) -> Response:
            call = tool.call_of(requester_of(request), request.query_params.get(ARGUMENT))
            with call.source.meter.measured(files.TOOL):
                return await files.file_answer(call, request.path_params["ref"])

        return await self._beside(files.TOOL, answer)

    async def _beside(self, name: str, answer: Callable[[OfferedTool], Awaitable[Response]]) -> Response:
        """Answer a request that belongs to a tool; 404 if there is no such tool."""
        tool = self.server.find_tool(name)
        return await _answered(tool, partial(answer, tool)) if tool else _no_such_tool(name)


async def _called(tool: OfferedTool, request: Request) -> Response:
    async def perform(call: Call, act: Callable[[Caller], Awaitable[Result]]) -> Result:
        return await act(call.caller)

    # No host was told that the tool is destructive, and none can ask a person: the leader does.
    result = await tool.answer(await arguments_of(request, tool), requester_of(request), perform)
    data: dict[str, Any] = bounded(result.data)
    return JSONResponse(data, headers=API_HEADERS)


async def _answered(tool: OfferedTool, answer: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await contained(tool.spec.name, answer)
    except WhatsAppError as error:
        return problem(error)


def _no_such_tool(name: str) -> Response:
    error = InvalidArgument(f"There is no tool {name!r} here.", f"GET {VERSION}/openapi.json lists them.")
    return problem(error, 404)
