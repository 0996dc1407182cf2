"""A tool call: its registration, the services it uses, its result or its error."""

from whatsapp_mcp.server.calls.argument_models import EmptyRemoves, Neutral, lean_schema
from whatsapp_mcp.server.calls.beginning import begun, bound, contained
from whatsapp_mcp.server.calls.call import Call, Requester, Services, ServicesSource
from whatsapp_mcp.server.calls.mcp_requests import requester_of
from whatsapp_mcp.server.calls.metering import BOUNDS, CallMeter
from whatsapp_mcp.server.calls.offered_tools import OfferedTool
from whatsapp_mcp.server.calls.pages import Pages
from whatsapp_mcp.server.calls.principals import (
    ANYBODY,
    Principal,
    admit,
    admitted,
    client_name,
    principal_of,
)
from whatsapp_mcp.server.calls.registry import RegisteredTool, build
from whatsapp_mcp.server.calls.resources import (
    Content,
    ResourceFunction,
    Resources,
    resource,
    resource_spec_of,
)
from whatsapp_mcp.server.calls.results import (
    Result,
    bounded,
    candidate_text,
    error_payload,
    error_result,
    error_text,
)
from whatsapp_mcp.server.calls.specs import ToolFunction, ToolSpec, spec_of, tool

__all__ = [
    "ANYBODY",
    "BOUNDS",
    "Call",
    "CallMeter",
    "Content",
    "EmptyRemoves",
    "Neutral",
    "OfferedTool",
    "Pages",
    "Principal",
    "RegisteredTool",
    "Requester",
    "ResourceFunction",
    "Resources",
    "Result",
    "Services",
    "ServicesSource",
    "ToolFunction",
    "ToolSpec",
    "admit",
    "admitted",
    "begun",
    "bound",
    "bounded",
    "build",
    "candidate_text",
    "client_name",
    "contained",
    "error_payload",
    "error_result",
    "error_text",
    "lean_schema",
    "principal_of",
    "requester_of",
    "resource",
    "resource_spec_of",
    "spec_of",
    "tool",
]
