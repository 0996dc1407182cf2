"""Scopes of a bearer token: `read`, `send` and `admin`, each of which allows some effects of tools.

| scope | tools |
|---|---|
| `read` | those that only read |
| `send` | those that act, destroy, fetch an address or write an export |
| `admin` | linking, unlinking, reconnecting and importing |
| `metrics` | none: it opens `/metrics` |

No scope includes another.
"""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.errors import Denied, InvalidArgument
from whatsapp_mcp.policy.acts import Effect
from whatsapp_mcp.text.choices import SCOPES, Scope

_SCOPE_OF: Final[dict[Effect, Scope]] = {
    Effect.READ: "read",
    Effect.LINK: "admin",
    Effect.ACT: "send",
    Effect.NAME: "send",
    Effect.DESTROY: "send",
    Effect.FETCH: "send",
    Effect.EXPORT: "send",
    Effect.IMPORT: "admin",
}
"""An effect that is not here belongs to no scope: what only a person may do is not for any token."""
_ADMIN_TOOLS: Final = frozenset({"unlink_device"})
"""Tools that need `admin` whatever their effect: they end what `admin` may begin."""


def scope_of(tool: str, effect: Effect) -> Scope | None:
    """The scope that a tool with this effect needs; None if no scope is enough."""
    return "admin" if tool in _ADMIN_TOOLS else _SCOPE_OF.get(effect)


def is_in_scope(scopes: frozenset[str] | None, tool: str, effect: Effect) -> bool:
    """Return whether the scopes allow a tool; None allows every tool, even one that no scope allows."""
    return scopes is None or scope_of(tool, effect) in scopes


def check_scope(scopes: frozenset[str] | None, tool: str, effect: Effect) -> None:
    """Let a tool pass, or refuse it.

    Raises:
        Denied: The scopes do not allow it.
    """
    if is_in_scope(scopes, tool, effect):
        return
    needed = scope_of(tool, effect)
    why = f"needs the scope {needed}, which this application does not have" if needed else "is for no token"
    raise Denied(f"{tool} {why}.", "Tell the user; only the person can give the application another token.")


def parse_scopes(text: str) -> frozenset[Scope]:
    """The scopes of a list with commas.

    Raises:
        InvalidArgument: One of them does not exist, or there is none.
    """
    given = {word.strip() for word in text.split(",")} - {""}
    if not given or not given <= set(SCOPES):
        raise InvalidArgument(
            f"{text!r} is not a list of scopes.", f"Give one or more of {', '.join(SCOPES)}, with commas."
        )
    return frozenset(scope for scope in SCOPES if scope in given)
