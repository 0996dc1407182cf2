"""The sender of an MCP request: the principal for handed-out words, approvals and the audit log.

Over stdio it is the application that started the server, by the name it gave in the handshake; over HTTP it
is the token, since some applications open a session for every call: the guard stores it in the request's
state.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio
from mcp.server.apps import client_supports_apps
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import ListRootsRequest, ListRootsResult
from starlette.requests import Request

from whatsapp_mcp.models import Caller
from whatsapp_mcp.models.approvals import UNKNOWN
from whatsapp_mcp.server.calls.call import Requester
from whatsapp_mcp.server.calls.elicitation import page_opener

ANYBODY: Final = "http"
"""The principal of every request for MCP where the server asks for no token."""
_KEY: Final = "whatsapp_mcp_principal"
_NOT_IN_A_NAME: Final = re.compile(r"[^\w .@+-]", re.ASCII)
_LONGEST: Final = 64
"""Characters of a client's name that are kept."""
_ANSWERS_WITHIN: Final = 5.0
"""Seconds in which the application answers."""
_MOST: Final = 32
"""Folders of an application that count."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """The principal that a request was admitted for, and its rights.

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
        """The scopes and accounts as text: equal if and only if both are."""
        return json.dumps([None if each is None else sorted(each) for each in (self.scopes, self.accounts)])


def admit(scope: MutableMapping[str, Any], principal: Principal) -> None:
    """Store in the ASGI scope of a request whom it is admitted for."""
    scope.setdefault("state", {})[_KEY] = principal


def admitted(scope: Mapping[str, Any]) -> Principal | None:
    """Return the principal this ASGI scope was admitted for; None if none (the open paths never have one)."""
    return scope.get("state", {}).get(_KEY)


def principal_of(request: object) -> Principal | None:
    """Return the principal that an HTTP request was admitted for.

    Args:
        request: `request` of the SDK's request context: Starlette's request over HTTP, None over stdio.
    """
    return admitted(request.scope) if isinstance(request, Request) else None


def client_name(given: str) -> str:
    """The name by which a client introduced itself, as the audit keeps it: short, and of plain characters."""
    return _NOT_IN_A_NAME.sub("?", given[:_LONGEST])


async def client_roots(context: Context[Any, Any], home: Path | None = None) -> tuple[Path, ...]:
    """The folders that the application names as its own (`roots/list`): files may be sent from them as well.

    They count only from an application on this computer, which started the server itself, and only as far as
    it names folders of a project: one that contains the person's home folder would allow every key in it.

    Args:
        context: Of the call.
        home: The person's home folder, for tests.
    """
    offered = context.session.client_capabilities
    if context.headers is not None or offered is None or offered.roots is None:
        return ()
    answer = None
    with anyio.move_on_after(_ANSWERS_WITHIN):
        try:
            # `list_roots` of the session does the same, with a warning that roots are deprecated.
            answer = await context.session.send_request(ListRootsRequest(), ListRootsResult)
        except MCPError as error:
            logger.info("roots: the application does not name its folders: %s", type(error).__name__)
    if answer is None:
        return ()
    folders = (_folder(str(root.uri)) for root in answer.roots[:_MOST])
    return tuple(each for each in folders if each is not None and _is_narrow(each, home or Path.home()))


def _folder(uri: str) -> Path | None:
    """The folder of a `file:` URI; None for any other."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = Path(url2pathname(parts.path))
    return path if path.is_absolute() and "\0" not in str(path) else None


def _is_narrow(folder: Path, home: Path) -> bool:
    try:
        return not home.resolve().is_relative_to(folder.resolve())
    except OSError:
        return False


def requester_of(context: Context[Any, Any]) -> Requester:
    """Return the sender of the request in this context of the SDK."""
    params = context.session.client_params
    client = client_name(params.client_info.name) if params else ""
    request: Any = context.request_context.request
    principal = principal_of(request)
    over_http = principal.name if principal else UNKNOWN.principal
    return Requester(
        # The prefix keeps the name that an application gives itself apart from those of tokens.
        Caller(f"stdio:{client}" if request is None else over_http, client),
        principal.scopes if principal else None,
        over_http=context.headers is not None,
        progress=context.report_progress,
        roots=partial(client_roots, context),
        draws_cards=client_supports_apps(context),
        show_page=page_opener(context),
        accounts=principal.accounts if principal else None,
    )
