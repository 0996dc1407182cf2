"""What an application reads by a URI, and how it is told that it has changed."""

from whatsapp_mcp.server.push.handlers import serve_push
from whatsapp_mcp.server.push.publisher import Offered, publishing
from whatsapp_mcp.server.push.subscriptions import QUIET, named_topic, touched

__all__ = ["QUIET", "Offered", "named_topic", "publishing", "serve_push", "touched"]
