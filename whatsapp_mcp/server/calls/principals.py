"""Who sent an HTTP request: stored in the request's state by the guard, read by whoever answers a call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

ANYBODY: Final = "http"
"""The principal of every request for MCP where the server asks for no token."""
_KEY: Final = "whatsapp_mcp_principal"
_NOT_IN_A_NAME: Final = re.compile(r"[^\w .@+-]", re.ASCII)
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request was admitted for.

    Attributes:
        name: as in `Caller`, or `ANYBODY`.
        scopes: What it may do (`policy.scopes`); None for everything.
        accounts: Those that it may use, by name; None for every one.
    """

    name: str
    scopes: frozenset[str] | None = None
    accounts: frozenset[str] | None = None

    @property
    def rights(self) -> str:
        """What it may do, and where: equal if and only if both are."""
        return json.dumps([None if each is None else sorted(each) for each in (self.scopes, self.accounts)])


def admit(scope: MutableMapping[str, Any], principal: Principal) -> None:
    """Store in the ASGI scope of a request whom it is admitted for."""
    scope.setdefault("state", {})[_KEY] = principal


def admitted(scope: Mapping[str, Any]) -> Principal | None:
    """Whom the request of this ASGI scope was admitted for; None if it was not (the open paths never are)."""
    return scope.get("state", {}).get(_KEY)


def principal_of(request: object) -> Principal | None:
    """Whom an HTTP request was admitted for.

    Args:
        request: `request` of the SDK's request context: Starlette's request over HTTP, None over stdio.
    """
    return admitted(request.scope) if isinstance(request, Request) else None


def client_name(given: str) -> str:
    """The name by which a client introduced itself, as the audit keeps it: short, and of plain characters."""
    return _NOT_IN_A_NAME.sub("?", given[:_LONGEST])
