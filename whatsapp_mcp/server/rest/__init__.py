"""The tools as an HTTP API: `POST /api/v1/{tool}`, events, files, and the OpenAPI document of all of it."""

from whatsapp_mcp.server.rest.events import events_of
from whatsapp_mcp.server.rest.files import part_of_file, released_file
from whatsapp_mcp.server.rest.problems import HEADERS, STATUSES, JsonProblems, problem
from whatsapp_mcp.server.rest.routes import API, rest_routes

__all__ = [
    "API",
    "HEADERS",
    "STATUSES",
    "JsonProblems",
    "events_of",
    "part_of_file",
    "problem",
    "released_file",
    "rest_routes",
]
