"""The tools as an HTTP API: `POST /api/v1/{tool}`, events, files, and the OpenAPI document of all of it."""

from whatsapp_mcp.server.rest.events import events_of
from whatsapp_mcp.server.rest.problems import JsonProblems
from whatsapp_mcp.server.rest.routes import API, rest_routes

__all__ = ["API", "JsonProblems", "events_of", "rest_routes"]
