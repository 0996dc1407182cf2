"""Who sent a request of MCP: the principal by which handed-out words, approvals and the audit are kept.

Over stdio it is the application that started the server, by the name it gave in the handshake; over HTTP it
is the token, since some applications open a session for every call.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mcp.server.apps import client_supports_apps
from mcp.server.mcpserver import Context

from whatsapp_mcp.models import Caller
from whatsapp_mcp.models.approvals import UNKNOWN
from whatsapp_mcp.server.calls.call import Requester
from whatsapp_mcp.server.calls.page_elicitation import page_opener
from whatsapp_mcp.server.calls.principals import client_name, principal_of
from whatsapp_mcp.server.calls.roots import client_roots


def requester_of(context: Context[Any, Any]) -> Requester:
    """Who sent the request of this context of the SDK."""
    params = context.session.client_params
    client = client_name(params.client_info.name) if params else ""
    request: Any = context.request_context.request
    principal = principal_of(request)
    over_http = principal.name if principal else UNKNOWN.principal
    return Requester(
        Caller(f"stdio:{client}" if request is None else over_http, client),
        principal.scopes if principal else None,
        over_http=context.headers is not None,
        progress=context.report_progress,
        roots=partial(client_roots, context),
        draws_cards=client_supports_apps(context),
        show_page=page_opener(context),
        accounts=principal.accounts if principal else None,
    )
