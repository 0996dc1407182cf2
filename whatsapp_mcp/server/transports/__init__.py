"""HTTP: the routes, the limits on connections and requests, tokens, and how a person signs in to pages."""

from whatsapp_mcp.server.transports.guard import ADMIN, API
from whatsapp_mcp.server.transports.http import prepare, prepare_replica
from whatsapp_mcp.server.transports.json_problems import API_HEADERS
from whatsapp_mcp.server.transports.link_page import LinkPage, serve_link_page
from whatsapp_mcp.server.transports.oauth import Directory
from whatsapp_mcp.server.transports.page_login import login_url
from whatsapp_mcp.server.transports.tokens import Tokens, load_or_make

__all__ = [
    "ADMIN",
    "API",
    "API_HEADERS",
    "Directory",
    "LinkPage",
    "Tokens",
    "load_or_make",
    "login_url",
    "prepare",
    "prepare_replica",
    "serve_link_page",
]
