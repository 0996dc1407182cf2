"""A tool of a server: where each of its calls begins, whichever interface it came by.

With the MCP SDK it is registered so that every outcome is one of our results.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Final, NamedTuple, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.types import CallToolResult, InputRequiredResult
from mcp.types import Tool as Listing
from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.errors import Denied, InvalidArgument, WhatsAppError
from whatsapp_mcp.models.approvals import Caller
from whatsapp_mcp.server.calls.accounts import (
    ARGUMENT,
    CURSOR,
    EVERY,
    Accounts,
    Answers,
    JoinedResult,
    by_account,
    carry_exposures,
    everywhere,
    joined,
    of_account,
    positions_in,
    with_account,
)
from whatsapp_mcp.server.calls.beginning import begun, contained
from whatsapp_mcp.server.calls.call import Call, Requester, ServicesSource, no_progress
from whatsapp_mcp.server.calls.elicitation import PageRequestedError, asking
from whatsapp_mcp.server.calls.requesters import requester_of
from whatsapp_mcp.server.calls.results import Result, error_result
from whatsapp_mcp.server.calls.specs import (
    StrictArguments,
    ToolFunction,
    ToolSpec,
    arguments_model,
    explained,
    lean_schema,
    spec_of,
)
from whatsapp_mcp.server.fencing import new_code

T = TypeVar("T")
_UNNAMED: Final = (None, "", EVERY)
"""Values of `account` with which a read covers every account that offers it."""
Perform = Callable[[Call, Callable[[Caller], Awaitable[Result]]], Awaitable[Result | T]]
"""Does, for a call, what the tool does for a caller: the call's, or the same with a person's answer."""


class _Asked(NamedTuple):
    """The accounts, cursors and arguments of a request.

    Attributes:
        sources: The accounts, by name.
        positions: The cursors of single accounts, by name.
        arguments: Those of the tool itself.
    """

    sources: Mapping[str, ServicesSource]
    positions: Mapping[str, str]
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool of a server.

    Attributes:
        arguments: What it takes in one account.
        accounts: In which it can be called.
    """

    spec: ToolSpec
    arguments: type[StrictArguments]
    accounts: Accounts

    @classmethod
    def of(cls, spec: ToolSpec, accounts: Accounts) -> OfferedTool:
        """The tool of this declaration."""
        return cls(spec, arguments_model(spec), accounts)

    def names_for(self, accounts: frozenset[str] | None) -> list[str]:
        """The accounts in which it is offered to a requester.

        Args:
            accounts: Those that the requester sees; None for every one.
        """
        return self.accounts.offering(self.spec.act, accounts)

    def is_one_of_several_for(self, accounts: frozenset[str] | None) -> bool:
        """Return whether a requester who sees these accounts has to tell them apart."""
        return len(self.accounts.seen_by(accounts)) > 1

    def call_of(self, requester: Requester, account: str | None = None) -> Call:
        """The call of a request in one account, if scopes and policy allow it.

        Args:
            requester: Who calls.
            account: Its name; needed where the requester sees several.

        Raises:
            Denied: They do not, whatever a person would answer.
            InvalidArgument: It has to be named, or there is none of this name.
        """
        seen = self._seen(requester)
        if len(seen) == 1 and account is not None:
            raise InvalidArgument(f"{ARGUMENT!r} is not an argument of this tool.", "Leave it out.")
        name = next(iter(seen)) if len(seen) == 1 else self._named(account, seen)
        return self._begun(seen[name], requester, len(seen) > 1, hinted=False)

    async def answer(
        self,
        arguments: Mapping[str, Any],
        requester: Requester,
        perform: Perform[T],
        *,
        hinted: bool = False,
    ) -> Result | JoinedResult | T:
        """Check scopes, policy and arguments, and do what the tool does.

        Args:
            arguments: As they came.
            requester: Who calls.
            perform: Does it in one account. Where several answer nobody is asked through the host.
            hinted: Whether the host was told that the tool is destructive, so that it asks.

        Raises:
            Denied: Scopes or policy do not allow it, whatever a person would answer.
            InvalidArgument: An argument is missing, unknown or invalid.
            WhatsAppError: What the tool raises.
        """
        seen = self._seen(requester)
        asked = self._asked(arguments, seen, requester)
        several = len(seen) > 1

        def begin(source: ServicesSource) -> tuple[Call, dict[str, Any]]:
            call = self._begun(source, requester, several, hinted=hinted)
            return call, self._validated(asked.arguments, further=[ARGUMENT] if several else [])

        if len(asked.sources) > 1:
            begun_calls = {name: begin(source) for name, source in asked.sources.items()}
            values = next(iter(begun_calls.values()))[1]
            calls = {name: call for name, (call, _) in begun_calls.items()}
            return joined(await self._across(calls, values, asked.positions))
        ((name, source),) = asked.sources.items()
        with source.meter.measured(self.spec.name):
            call, values = begin(source)
            if several and self.spec.acts:
                await carry_exposures(call, seen)
            values |= _cursor(asked.positions.get(name))

            async def act(caller: Caller) -> Result:
                return await replace(call, caller=caller).perform(self.spec.function, **values)

            result = await perform(call, act)
        if not (several and self.spec.reads and isinstance(result, Result)):
            return result
        return JoinedResult({name: of_account(name, result)}, is_headed=arguments.get(ARGUMENT) in _UNNAMED)

    def _seen(self, requester: Requester) -> Mapping[str, ServicesSource]:
        seen = self.accounts.seen_by(requester.accounts)
        if not seen:
            raise Denied("Who calls may use no account of this server.", "Tell the user.")
        return seen

    def _begun(self, source: ServicesSource, requester: Requester, several: bool, *, hinted: bool) -> Call:
        return begun(source, requester, self.spec.act, hinted=hinted, is_one_of_several=several)

    def _asked(
        self, arguments: Mapping[str, Any], seen: Mapping[str, ServicesSource], requester: Requester
    ) -> _Asked:
        """The accounts that a request is about, and what is left for each."""
        if len(seen) == 1:
            return _Asked(seen, {}, arguments)
        rest = dict(arguments)
        account, cursor = rest.pop(ARGUMENT, None), rest.get(CURSOR)
        if not self.spec.spans or account not in _UNNAMED:
            name = self._named(account, seen)
            chosen = {name: seen[name]}
        else:
            # Where it is offered nowhere, the policy of the first says why.
            names = self.names_for(requester.accounts) or [next(iter(seen))]
            chosen = {name: seen[name] for name in names}
        if not (isinstance(cursor, str) and cursor.strip() and CURSOR in self.arguments.model_fields):
            return _Asked(chosen, {}, rest)
        positions = positions_in(cursor, seen)
        if account not in _UNNAMED and positions.keys() != chosen.keys():
            raise InvalidArgument(f"{CURSOR!r} is of another account.", f"Leave {ARGUMENT!r} out.")
        del rest[CURSOR]
        return _Asked({name: seen[name] for name in positions}, positions, rest)

    def _named(self, account: object, seen: Mapping[str, ServicesSource]) -> str:
        """The account that a request names."""
        if isinstance(account, str) and account in seen:
            return account
        what = "is missing" if account in (None, "") else f"names no account here: {account!r}"
        raise InvalidArgument(f"{ARGUMENT!r} {what}.", f"Accounts: {', '.join(seen)}.")

    async def _across(
        self, calls: Mapping[str, Call], values: Mapping[str, Any], positions: Mapping[str, str]
    ) -> Answers:
        # Progress may only grow, so that of one account stands for all.
        first = next(iter(calls))
        calls = {
            name: call if name == first else replace(call, progress=no_progress)
            for name, call in calls.items()
        }
        if self.spec.across is not None:
            return await self.spec.across(calls, values, positions)

        def ask(name: str) -> Awaitable[Result]:
            return calls[name].perform(self.spec.function, **{**values, **_cursor(positions.get(name))})

        answers = await everywhere(self.spec.name, calls, ask)
        return {name: of_account(name, answer) for name, answer in answers.items()}

    def _validated(self, arguments: Mapping[str, Any], further: list[str]) -> dict[str, Any]:
        try:
            return self.arguments.model_validate(arguments).model_dump_one_level()
        except ValidationError as error:
            raise explained(error, self.spec, self.arguments, further) from None


def _cursor(position: str | None) -> dict[str, str]:
    return {} if position is None else {CURSOR: position}


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
            # Without a meter: every account counts its own calls.
            result = await contained(offered.spec.name, called)
        except WhatsAppError as error:
            return error_result(error, structured=self.structured)
        if isinstance(result, InputRequiredResult):
            return result
        return result.to_mcp(self.new_code, structured=self.structured)

    def shown_for(self, accounts: frozenset[str] | None, listing: Listing) -> Listing | None:
        """Return the tool's listing for a requester; None if no account of theirs offers it.

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
        """Return whether a requester sees every tool that acts declared as destructive."""
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
