"""Resources that an application reads by URI, and notifications of their changes."""

from whatsapp_mcp.server.push.publisher import Offered, publishing
from whatsapp_mcp.server.push.subscriptions import QUIET, named_topic, serve_push, touched

__all__ = ["QUIET", "Offered", "named_topic", "publishing", "serve_push", "touched"]
