"""HTTP: the routes, the limits on connections, the checks of a request and its bearer token."""

from whatsapp_mcp.server.transports.http import prepare
from whatsapp_mcp.server.transports.token import load_or_make

__all__ = ["load_or_make", "prepare"]
