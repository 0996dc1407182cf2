"""A tool call: its registration, the services it uses, its result or its error."""

from whatsapp_mcp.server.calls.call import Call, Services, ServicesSource
from whatsapp_mcp.server.calls.principals import ANYBODY, Principal, admit, admitted, principal_of
from whatsapp_mcp.server.calls.registry import (
    EmptyRemoves,
    Neutral,
    RegisteredTool,
    ToolFunction,
    ToolSpec,
    build,
    spec_of,
    tool,
)
from whatsapp_mcp.server.calls.resources import (
    Content,
    ResourceFunction,
    Resources,
    resource,
    resource_spec_of,
)
from whatsapp_mcp.server.calls.results import Result, candidate_text, error_result

__all__ = [
    "ANYBODY",
    "Call",
    "Content",
    "EmptyRemoves",
    "Neutral",
    "Principal",
    "RegisteredTool",
    "ResourceFunction",
    "Resources",
    "Result",
    "Services",
    "ServicesSource",
    "ToolFunction",
    "ToolSpec",
    "admit",
    "admitted",
    "build",
    "candidate_text",
    "error_result",
    "principal_of",
    "resource",
    "resource_spec_of",
    "spec_of",
    "tool",
]
