"""How an operation of `Device` declares what it does to the world, and whom it reaches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from whatsapp_mcp.policy.effects import Audience, Effect

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE: Final = "_declared"


@dataclass(frozen=True, slots=True)
class Declared:
    """What an operation does.

    Attributes:
        effect: What is done.
        audience: Who sees it.
        reaches: The parameters that hold the jids of the chats and people that it reaches or is about.
        in_chat: A caller that is bound to one chat may do it there (`device/guard/one_chat.py`).
    """

    effect: Effect
    audience: Audience
    reaches: tuple[str, ...] = ()
    in_chat: bool = False


def has_effect(
    effect: Effect, audience: Audience = Audience.NOBODY, *reaches: str, in_chat: bool = False
) -> Callable[[F], F]:
    """Declare what the method below does; `operations.OPERATIONS` has no operation without it.

    Args:
        effect: What is done.
        audience: Who sees it; what others see is never left to the default, since acts name theirs.
        reaches: Parameters with the jids of chats and people: one jid or a tuple of them each.
        in_chat: Whether a caller that is bound to one chat may do it there. Then it reads, or is seen by the
            chat that it reaches; what else it touches is checked in `device/guard/one_chat.py`.

    Raises:
        TypeError: An act without an audience of its own, one that people of a chat see without the
            parameter that says which, or a parameter that is not there; or something else done in a chat.
    """

    def declare(method: F) -> F:
        parameters = inspect.signature(method).parameters
        if missing := [name for name in reaches if name not in parameters]:
            raise TypeError(f"{method.__name__} has no parameter {missing[0]!r}")
        if effect is Effect.ACT and audience is Audience.NOBODY:
            raise TypeError(f"{method.__name__} acts: declare who sees it")
        acts_there = effect is Effect.ACT and audience is Audience.CHAT and reaches
        if in_chat and not (effect is Effect.READ or acts_there):
            raise TypeError(f"{method.__name__} reaches beyond a chat")
        setattr(method, _ATTRIBUTE, Declared(effect, audience, reaches, in_chat))
        return method

    return declare


def declared_of(method: Callable[..., Any]) -> Declared | None:
    """What was declared of a method."""
    return getattr(method, _ATTRIBUTE, None)
