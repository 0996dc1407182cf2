"""The operations of `Device`, read from the protocol: what each does, and how the socket carries it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.device.operations.protocol import Device
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import SendRequest
from whatsapp_mcp.policy import Declared, Effect, declared_of

PATIENCE: Final = 60.0
"""Seconds that an operation may take, beyond what its caller asked it to wait."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of `Device`: what it does, its signature, and its parameters and result as JSON."""

    name: str
    declared: Declared
    signature: inspect.Signature
    parameters: dict[str, TypeAdapter[Any]]
    result: TypeAdapter[Any]

    @property
    def effect(self) -> Effect:
        """What it does."""
        return self.declared.effect

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


def _operation(name: str) -> Operation:
    method = getattr(Device, name)
    declared = declared_of(method)
    if declared is None:
        raise TypeError(f"Device.{name} does not declare what it does: decorate it with has_effect")
    hints = get_type_hints(method)
    signature = inspect.signature(method)
    own = signature.replace(parameters=list(signature.parameters.values())[1:])
    return Operation(
        name,
        declared,
        own,
        {parameter: TypeAdapter(hints[parameter]) for parameter in own.parameters},
        TypeAdapter(hints["return"]),
    )


OPERATIONS: Final = {
    name: _operation(name) for name, _ in inspect.getmembers_static(Device, inspect.iscoroutinefunction)
}
