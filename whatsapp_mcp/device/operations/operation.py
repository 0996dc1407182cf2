"""`Operation`: one thing that can be asked of a device, read from the function that does it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import ModuleType
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import SYSTEM, UNKNOWN, Approval, Caller, SendRequest
from whatsapp_mcp.policy import Declared, Effect, declared_of

PATIENCE: Final = 60.0
"""Seconds that an operation may take, beyond what its caller asked it to wait."""
_INVOCATION: Final = "invocation"
"""The parameter of those operations that have to know who asks; it is no argument of a caller."""


def never() -> bool:
    """False: nobody who asks can be gone."""
    return False


async def nothing() -> None:
    """Nothing has to be done first."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of an operation, for the few that have to know more than their arguments.

    Attributes:
        caller: For whom it is done.
        has_ended: Whether the process that asks is gone; then what was accepted stays accepted.
        begin: Writes the act down; nothing of it may be done before. An operation that begins by itself
            (`has_effect(begins_itself=True)`) has to call it; it raises `RateLimited` and `Busy`.
        approval: The answer of a person that it needed.
    """

    caller: Caller = UNKNOWN
    has_ended: Callable[[], bool] = never
    begin: Callable[[], Awaitable[None]] = nothing
    approval: Approval | None = None


DIRECT: Final = Invocation(SYSTEM)
"""A call by the leader itself, which writes nothing down."""


@dataclass(frozen=True)
class Operation:
    """A function that a device offers: its effect, its part of the device, and its types as JSON.

    Attributes:
        name: Of the function, and on the socket.
        declared: What it does to the world.
        function: Takes the part, then the arguments.
        part: The name of the part's class.
        signature: What a caller may give.
        takes_invocation: Whether the function also takes its `Invocation`.
    """

    name: str
    declared: Declared
    function: Callable[..., Awaitable[Any]]
    part: str
    signature: inspect.Signature
    takes_invocation: bool = False
    _hints: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)

    @property
    def effect(self) -> Effect:
        """Effect of the operation."""
        return self.declared.effect

    @cached_property
    def parameters(self) -> dict[str, TypeAdapter[Any]]:
        """Type adapters that convert each argument to JSON and back."""
        return {name: TypeAdapter(self._hints[name]) for name in self.signature.parameters}

    @cached_property
    def result(self) -> TypeAdapter[Any]:
        """The same for its result."""
        return TypeAdapter(self._hints["return"])

    async def do(self, part: object, arguments: dict[str, Any], invocation: Invocation) -> Any:
        """Do it by that part."""
        if self.takes_invocation:
            return await self.function(part, **arguments, invocation=invocation)
        return await self.function(part, **arguments)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name, defaults filled in."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def dump(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Arguments as JSON."""
        return {
            name: self.parameters[name].dump_python(value, mode="json") for name, value in arguments.items()
        }

    def load(self, params: dict[str, Any]) -> dict[str, Any]:
        """Arguments from JSON; a parameter that is missing keeps its default.

        Raises:
            InvalidArgument: One is unknown or invalid, or one that is needed is missing.
        """
        unknown = sorted(params.keys() - self.parameters.keys())
        if unknown:
            raise InvalidArgument(f"{self.name} has no argument {unknown[0]!r}.")
        try:
            given = {name: self.parameters[name].validate_python(value) for name, value in params.items()}
        except ValidationError as error:
            raise InvalidArgument(f"Invalid argument of `{self.name}`.") from error
        try:
            return self.bind((), given)
        except TypeError as error:
            raise InvalidArgument(f"An argument of `{self.name}` is missing.") from error

    def patience(self, arguments: dict[str, Any]) -> float:
        """Seconds after which the answer is given up on."""
        waits = [float(arguments.get("wait", 0.0))]
        waits += [value.wait for value in arguments.values() if isinstance(value, SendRequest)]
        return PATIENCE + max(waits)


@cache
def operation_of(function: Callable[..., Awaitable[Any]]) -> Operation:
    """The operation that a function declares; its first parameter is the part that does it.

    Raises:
        TypeError: It does not declare what it does.
    """
    declared = declared_of(function)
    if declared is None:
        raise TypeError(f"{function.__qualname__} does not declare what it does: decorate it with has_effect")
    signature = inspect.signature(function)
    part, *others = signature.parameters.values()
    # The class of a part is known to type checkers alone: who asks a leader elsewhere does not load it.
    hints = get_type_hints(function, localns={part.annotation: object})
    given = [each for each in others if each.name != _INVOCATION]
    return Operation(
        function.__name__,
        declared,
        function,
        part.annotation,
        signature.replace(parameters=given),
        takes_invocation=len(given) < len(others),
        _hints=hints,
    )


def operations_of(modules: Iterable[ModuleType]) -> dict[str, Operation]:
    """The operations of modules, by their names."""
    functions = [
        each for module in modules for each in vars(module).values() if inspect.iscoroutinefunction(each)
    ]
    return {each.__name__: operation_of(each) for each in functions if declared_of(each) is not None}
