"""A tool of a server: where each of its calls begins, whichever interface it came by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from whatsapp_mcp.models.caller import Caller
from whatsapp_mcp.server.calls.argument_models import StrictArguments, arguments_model, explained
from whatsapp_mcp.server.calls.beginning import begun
from whatsapp_mcp.server.calls.call import Call, Requester, ServicesSource
from whatsapp_mcp.server.calls.results import Result
from whatsapp_mcp.server.calls.specs import ToolSpec


class BegunCall(NamedTuple):
    """A call that may be carried out.

    Attributes:
        act: Does what the tool does, for the call's caller, or for the same with a person's answer.
    """

    call: Call
    act: Callable[[Caller], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool of a server.

    Attributes:
        arguments: What it takes.
        source: Where it takes its services from when it is called.
    """

    spec: ToolSpec
    arguments: type[StrictArguments]
    source: ServicesSource

    @classmethod
    def of(cls, spec: ToolSpec, source: ServicesSource) -> OfferedTool:
        """The tool of this declaration."""
        return cls(spec, arguments_model(spec), source)

    def call_of(self, requester: Requester, *, hinted: bool = False) -> Call:
        """The call of a request, if scopes and policy allow it.

        Args:
            requester: Who calls.
            hinted: Whether the host was told that the tool is destructive, so that it asks.

        Raises:
            Denied: They do not, whatever a person would answer.
        """
        return begun(self.source, requester, self.spec.act, hinted=hinted)

    def begin(self, arguments: Mapping[str, Any], requester: Requester, *, hinted: bool = False) -> BegunCall:
        """Check scopes, policy and arguments.

        Args:
            arguments: As they came.
            requester: As in `call_of`.
            hinted: As in `call_of`.

        Raises:
            Denied: As `call_of`.
            InvalidArgument: An argument is missing, unknown or invalid.
        """
        call = self.call_of(requester, hinted=hinted)
        values = self._validated(arguments)

        async def act(caller: Caller) -> Result:
            return await self.spec.function(replace(call, caller=caller), **values)

        return BegunCall(call, act)

    def _validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self.arguments.model_validate(arguments).model_dump_one_level()
        except ValidationError as error:
            raise explained(error, self.spec, self.arguments) from None
