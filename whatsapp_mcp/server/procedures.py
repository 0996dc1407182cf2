"""The functions of calls that a server may have run where an account is led: by name, with values as JSON.

A server that holds the account's files runs them itself. One that does not sends a function's name and
values to the machine that does, and gets back what it answers.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.policy import Act, Effect
from whatsapp_mcp.server.calls import (
    changes_after,
    expose,
    last_change,
    resource_spec_of,
    resumed,
    spec_of,
    taint,
)
from whatsapp_mcp.server.prompts import chat_names
from whatsapp_mcp.server.runtime import functions_of_features
from whatsapp_mcp.server.subscriptions import named_topic, touched
from whatsapp_mcp.server.tools import ALL_TOOLSETS, load_tools

Function = Callable[..., Awaitable[Any]]
PATIENCE: Final = 90.0
"""Seconds that a function may take, beyond what its caller asked it to wait."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A function of a call.

    Attributes:
        name: Under which the other side knows it.
        act: What it does; None where it is no tool and no resource, and what it is for has been allowed.
        is_leaders: Only the leader knows the answer: files that may lack something must not be asked.
        parameters: Its values as JSON, by name.
        result: What it answers, as JSON.
    """

    name: str
    function: Function
    act: Act | None
    is_leaders: bool
    parameters: Mapping[str, TypeAdapter[Any]]
    result: TypeAdapter[Any]

    @property
    def reads(self) -> bool:
        """True if repeating the call has no further effect, and a copy may answer it."""
        return not self.is_leaders and (self.act is None or self.act.effect is Effect.READ)

    def dump(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as JSON."""
        return {name: self.parameters[name].dump_python(value, mode="json") for name, value in values.items()}

    def load(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values from JSON.

        Raises:
            InvalidArgument: One is unknown or invalid.
        """
        unknown = sorted(values.keys() - self.parameters.keys())
        if unknown:
            raise InvalidArgument(f"{self.name} has no argument {unknown[0]!r}.")
        try:
            return {name: self.parameters[name].validate_python(value) for name, value in values.items()}
        except ValidationError as error:
            raise InvalidArgument(f"Invalid argument of {self.name}.") from error

    def dump_result(self, result: Any) -> Any:
        """Return the result as JSON."""
        return self.result.dump_python(result, mode="json")

    def load_result(self, result: Any) -> Any:
        """Read a result from JSON.

        Raises:
            Busy: It is not what this version expects of it.
        """
        try:
            return self.result.validate_python(result)
        except ValidationError as error:
            raise Busy(
                f"The leader's answer to {self.name} cannot be read.",
                "Tell the user: the servers differ in version.",
            ) from error

    def patience(self, values: Mapping[str, Any]) -> float:
        """Seconds after which the answer is given up on."""
        wait = values.get("wait")
        return PATIENCE + (wait if isinstance(wait, int | float) else 0.0)


def procedure_of(function: Function) -> Procedure:
    """The procedure of a function.

    Raises:
        LookupError: It is none that a server may have run elsewhere.
    """
    return _described(_entries()[function], function)


def procedure(name: str) -> Procedure:
    """The procedure of this name.

    Raises:
        Unsupported: There is none.
    """
    function = _functions().get(name)
    if function is None:
        raise Unsupported(
            f"This server does not know {name!r}.", "Tell the user: the servers differ in version."
        )
    return procedure_of(function)


class _Entry(NamedTuple):
    name: str
    act: Act | None = None
    is_leaders: bool = False


@cache
def _entries() -> Mapping[Function, _Entry]:
    """Every procedure. Each function of a tool or a resource is one, and its completer."""
    from whatsapp_mcp.server.tool_resources import RESOURCES

    feed = (last_change, resumed, changes_after)
    plain = (*feed, *functions_of_features(), named_topic, touched, chat_names)
    entries: dict[Function, _Entry] = {each: _Entry(each.__name__) for each in plain}
    # A ledger that is behind would say that nobody's words were handed out.
    entries |= {each: _Entry(each.__name__, is_leaders=True) for each in (taint, expose)}
    for function in load_tools(ALL_TOOLSETS):
        spec = spec_of(function)
        entries[spec.function] = _Entry(f"tools/{spec.toolset}/{spec.name}", spec.act)
        entries |= {each: _Entry(each.__name__) for each in spec.across_runs}
    for spec in map(resource_spec_of, RESOURCES):
        entries[spec.function] = _Entry(f"resources/{spec.name}", spec.act)
        if spec.complete is not None:
            entries[spec.complete] = _Entry(f"completion/{spec.complete.__name__}")
    return entries


@cache
def _functions() -> Mapping[str, Function]:
    return {entry.name: function for function, entry in _entries().items()}


# What pydantic makes of the annotations takes milliseconds for each.
@cache
def _described(entry: _Entry, function: Function) -> Procedure:
    signature = inspect.signature(function, eval_str=True)
    _call, *values = signature.parameters.values()
    parameters = {value.name: TypeAdapter[Any](value.annotation) for value in values}
    result = TypeAdapter[Any](signature.return_annotation)
    return Procedure(entry.name, function, entry.act, entry.is_leaders, parameters, result)
