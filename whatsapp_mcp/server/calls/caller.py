"""Who calls a tool: the principal by which handed-out words, approvals and the audit are kept.

Over stdio it is the application that started the server, by the name it gave in the handshake; over HTTP it
is the token, since some applications open a session for every call.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mcp.server.mcpserver import Context

from whatsapp_mcp.models import Caller

PRINCIPAL: Final = "whatsapp_mcp_principal"
"""Key of the principal in the state of an admitted HTTP request."""
_NOT_IN_A_NAME: Final = re.compile(r"[^\w .@+-]", re.ASCII)
_LONGEST: Final = 64
_ANYBODY: Final = "http"
"""The principal of a server that asks for no token."""


def caller_of(context: Context[Any, Any], tool: str) -> Caller:
    """Who sent this request.

    Args:
        context: The SDK's.
        tool: The tool that is called.
    """
    params = context.session.client_params
    client = _NOT_IN_A_NAME.sub("?", params.client_info.name[:_LONGEST]) if params else ""
    request: Any = context.request_context.request
    if request is None:
        return Caller(f"stdio:{client}", client, tool)
    return Caller(str(request.scope.get("state", {}).get(PRINCIPAL, _ANYBODY)), client, tool)
