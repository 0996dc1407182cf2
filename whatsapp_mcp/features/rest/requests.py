"""The sender of a request, and the arguments in its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import from_json

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import Caller
from whatsapp_mcp.models.approvals import UNKNOWN
from whatsapp_mcp.server.calls import Requester, client_name, principal_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from whatsapp_mcp.server.calls import OfferedTool

KEY: Final = "idempotency_key"
"""The argument of tools that take a key."""
KEY_HEADER: Final = "Idempotency-Key"
_JSON: Final = "application/json"


def requester_of(request: Request) -> Requester:
    """Return the sender of a request: its token's principal, and the program's own name for itself."""
    principal = principal_of(request)
    client = client_name(request.headers.get("user-agent", "").partition("/")[0])
    caller = Caller(principal.name if principal else UNKNOWN.principal, client)
    if principal is None:
        return Requester(caller, frozenset(), over_http=True, accounts=frozenset())
    return Requester(caller, principal.scopes, over_http=True, accounts=principal.accounts)


async def arguments_of(request: Request, tool: OfferedTool) -> dict[str, Any]:
    """The arguments of a call: the JSON object of the body, and the key of the header.

    Raises:
        InvalidArgument: The body is no JSON object, or the tool takes no key, or another is in the body.
    """
    arguments = _object(await request.body())
    key = request.headers.get(KEY_HEADER)
    if key is None or not (tool.spec.acts or KEY in tool.arguments.model_fields):
        return arguments
    if KEY not in tool.arguments.model_fields:
        if tool.spec.idempotent:
            return arguments
        raise InvalidArgument(
            f"This tool takes no {KEY_HEADER}.", "Leave it out; after a failure check what was done."
        )
    if arguments.setdefault(KEY, key) != key:
        raise InvalidArgument(f"{KEY_HEADER} and {KEY} differ.", "Give one of them.")
    return arguments


def is_json(request: Request) -> bool:
    """Return whether the body is empty, or JSON by its content type."""
    given = request.headers.get("content-type")
    is_empty = given is None and request.headers.get("content-length", "0") == "0"
    return is_empty or (given or "").partition(";")[0].strip().lower() == _JSON


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = from_json(body, allow_inf_nan=False) if body else {}
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise InvalidArgument("The body is not a JSON object.", "Send an object with the arguments.")
    return cast("dict[str, Any]", parsed)
