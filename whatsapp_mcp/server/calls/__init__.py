"""A tool call: its registration, the services it uses, its result or its error."""

from whatsapp_mcp.server.calls.accounts import (
    ARGUMENT,
    EVERY,
    Accounts,
    by_account,
    named_cursor,
    positions_in,
    uri_in,
    with_account,
)
from whatsapp_mcp.server.calls.argument_models import EmptyRemoves, Neutral, lean_schema
from whatsapp_mcp.server.calls.beginning import begun, bound, contained, last_change
from whatsapp_mcp.server.calls.call import (
    BASE,
    Call,
    LocalSource,
    Pages,
    Requester,
    Services,
    ServicesSource,
    Sight,
    no_progress,
)
from whatsapp_mcp.server.calls.joining import Answers, answered, cursor_of, with_cursor
from whatsapp_mcp.server.calls.mcp_requests import requester_of
from whatsapp_mcp.server.calls.metering import BOUNDS, CallMeter
from whatsapp_mcp.server.calls.offered_tools import OfferedTool
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
    Place,
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
    "ARGUMENT",
    "BASE",
    "BOUNDS",
    "EVERY",
    "Accounts",
    "Answers",
    "Call",
    "CallMeter",
    "Content",
    "EmptyRemoves",
    "LocalSource",
    "Neutral",
    "OfferedTool",
    "Pages",
    "Place",
    "Principal",
    "RegisteredTool",
    "Requester",
    "ResourceFunction",
    "Resources",
    "Result",
    "Services",
    "ServicesSource",
    "Sight",
    "ToolFunction",
    "ToolSpec",
    "admit",
    "admitted",
    "answered",
    "begun",
    "bound",
    "bounded",
    "build",
    "by_account",
    "candidate_text",
    "client_name",
    "contained",
    "cursor_of",
    "error_payload",
    "error_result",
    "error_text",
    "last_change",
    "lean_schema",
    "named_cursor",
    "no_progress",
    "positions_in",
    "principal_of",
    "requester_of",
    "resource",
    "resource_spec_of",
    "spec_of",
    "tool",
    "uri_in",
    "with_account",
    "with_cursor",
]
