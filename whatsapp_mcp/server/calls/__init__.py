"""A tool call: its registration, the services it uses, its result or its error."""

from whatsapp_mcp.server.calls.call import Call, Services, ServicesSource
from whatsapp_mcp.server.calls.registry import EmptyRemoves, Neutral, ToolFunction, build, spec_of, tool
from whatsapp_mcp.server.calls.results import Result, candidate_text, error_result

__all__ = [
    "Call",
    "EmptyRemoves",
    "Neutral",
    "Result",
    "Services",
    "ServicesSource",
    "ToolFunction",
    "build",
    "candidate_text",
    "error_result",
    "spec_of",
    "tool",
]
