"""The tools as an HTTP API: `POST /api/v1/{tool}`, events, files, and the OpenAPI document of all of it."""

from whatsapp_mcp.features.rest.events import events_of
from whatsapp_mcp.features.rest.files import part_of_file, released_file
from whatsapp_mcp.features.rest.problems import STATUSES, problem
from whatsapp_mcp.features.rest.routes import rest_routes

FUNCTIONS = (events_of, part_of_file, released_file)
"""The functions of calls that run where an account is led."""

__all__ = ["FUNCTIONS", "STATUSES", "problem", "rest_routes"]
