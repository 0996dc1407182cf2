"""How an operation of `Device` declares what it does to the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from whatsapp_mcp.policy import Effect

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE: Final = "_effect"


def has_effect(effect: Effect) -> Callable[[F], F]:
    """Declare the effect of the method below; `operations.OPERATIONS` has no operation without one."""

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, effect)
        return method

    return declare


def effect_of(method: Callable[..., Any]) -> Effect | None:
    """What was declared of a method."""
    return getattr(method, _ATTRIBUTE, None)
