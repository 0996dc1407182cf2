"""Registers tools with the MCP SDK: the policy is checked, and every outcome is one of our results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.types import CallToolResult, InputRequiredResult
from mcp.types import Tool as Listing
from pydantic import TypeAdapter

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.server.calls.accounts import Accounts, by_account, with_account
from whatsapp_mcp.server.calls.argument_models import arguments_model, lean_schema
from whatsapp_mcp.server.calls.beginning import contained
from whatsapp_mcp.server.calls.elicitation import asking
from whatsapp_mcp.server.calls.joining import JoinedResult
from whatsapp_mcp.server.calls.mcp_requests import requester_of
from whatsapp_mcp.server.calls.offered_tools import OfferedTool
from whatsapp_mcp.server.calls.page_elicitation import PageRequestedError
from whatsapp_mcp.server.calls.results import Result, error_result
from whatsapp_mcp.server.calls.specs import ToolFunction, ToolSpec, spec_of
from whatsapp_mcp.server.fencing import new_code


class RegisteredTool(Tool):
    """An SDK tool whose every outcome is one of our results."""

    offered: Any
    structured: bool
    new_code: Any
    hinting: frozenset[str]

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        """Check the arguments and the policy, run the tool, and turn every outcome into a result."""
        offered: OfferedTool = self.offered
        try:
            called = partial(self._called, offered, arguments, context)
            result = await contained(offered.spec.name, called)
        except WhatsAppError as error:
            return error_result(error, structured=self.structured)
        if isinstance(result, InputRequiredResult):
            return result
        return result.to_mcp(self.new_code, structured=self.structured)

    def shown_for(self, accounts: frozenset[str] | None, listing: Listing) -> Listing | None:
        """How it is listed for a requester; None where no account of theirs offers it.

        Args:
            accounts: Those that the requester sees; None for every one.
            listing: As it is listed where there is one account.
        """
        offered: OfferedTool = self.offered
        names = offered.names_for(accounts)
        if not names:
            return None
        hints = offered.spec.annotations(hint_acts=self._hints(accounts))
        listing = listing.model_copy(update={"annotations": hints})
        if not offered.is_one_of_several_for(accounts):
            return listing
        schema = with_account(listing.input_schema, names, required=not offered.spec.spans)
        answer = listing.output_schema
        if answer is not None and offered.spec.reads:
            answer = _or_error(by_account(answer))
        return listing.model_copy(update={"input_schema": schema, "output_schema": answer})

    def _hints(self, accounts: frozenset[str] | None) -> bool:
        """Whether a requester is told of every tool that acts that it is destructive."""
        offered: OfferedTool = self.offered
        return not self.hinting.isdisjoint(offered.accounts.seen_by(accounts))

    async def _called(
        self, offered: OfferedTool, arguments: dict[str, Any], context: Context[Any, Any]
    ) -> Result | JoinedResult | InputRequiredResult:
        requester = requester_of(context)
        hinted = offered.spec.acts and self._hints(requester.accounts)
        ask = partial(asking, context)
        try:
            return await offered.answer(arguments, requester, ask, hinted=hinted)
        except PageRequestedError as requested:
            return requested.result


def build(
    functions: Iterable[ToolFunction],
    accounts: Accounts,
    *,
    structured: bool = False,
    new_code: Callable[[], str] = new_code,
    hinting: frozenset[str] = frozenset(),
) -> list[Tool]:
    """The SDK's tools of these functions.

    Args:
        functions: Marked by `tool`.
        accounts: In which each tool can be called.
        structured: Whether results, errors among them, carry structured content, and tools an output schema.
        new_code: Makes the number of each answer's fence.
        hinting: The accounts for which every tool that acts is called destructive, for hosts that ask about
            those.
    """
    return [_build(spec_of(function), accounts, structured, new_code, hinting) for function in functions]


# Making a schema takes milliseconds, and a declaration never changes: all servers of a process share them.
@cache
def _arguments_schema(spec: ToolSpec) -> dict[str, Any]:
    return lean_schema(arguments_model(spec).model_json_schema(by_alias=True))


@cache
def _result_schema(result: type) -> dict[str, Any]:
    return _or_error(lean_schema(TypeAdapter(result).json_schema(), nullable=True))


def _or_error(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a result, open to an error in its place: some clients check errors against it, too."""
    result, error = {"required": schema.get("required", [])}, {"required": ["error"]}
    properties = {**schema["properties"], "error": {"type": "object"}}
    kept = {key: value for key, value in schema.items() if key != "required"}
    return {**kept, "properties": properties, "anyOf": [result, error]}


def _build(
    spec: ToolSpec, accounts: Accounts, structured: bool, new_code: Callable[[], str], hinting: frozenset[str]
) -> Tool:
    offered = OfferedTool.of(spec, accounts)
    schema = _result_schema(spec.result) if structured and spec.result else None
    return RegisteredTool(
        fn=spec.function,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        context_kwarg=None,
        parameters=_arguments_schema(spec),
        fn_metadata=FuncMetadata(arg_model=offered.arguments, output_schema=schema),
        is_async=True,
        annotations=spec.annotations(hint_acts=bool(hinting)),
        offered=offered,
        structured=structured,
        new_code=new_code,
        hinting=hinting,
        meta={"ui": {"resourceUri": spec.card}} if spec.card else None,
    )
