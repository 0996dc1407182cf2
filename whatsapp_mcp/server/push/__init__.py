"""Resources that an application reads by URI, and notifications of their changes."""

from whatsapp_mcp.server.push.handlers import serve_push
from whatsapp_mcp.server.push.publisher import Offered, publishing
from whatsapp_mcp.server.push.subscriptions import QUIET, named_topic, touched

__all__ = ["QUIET", "Offered", "named_topic", "publishing", "serve_push", "touched"]
