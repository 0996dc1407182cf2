"""Who calls a tool: the principal by which handed-out words, approvals and the audit are kept.

Over stdio it is the application that started the server, by the name it gave in the handshake; over HTTP it
is the token, since some applications open a session for every call.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mcp.server.mcpserver import Context

from whatsapp_mcp.models import Caller
from whatsapp_mcp.models.caller import UNKNOWN
from whatsapp_mcp.server.calls.principals import principal_of

_NOT_IN_A_NAME: Final = re.compile(r"[^\w .@+-]", re.ASCII)
_LONGEST: Final = 64


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
    principal = principal_of(request)
    return Caller(principal.name if principal else UNKNOWN.principal, client, tool)
