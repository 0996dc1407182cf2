"""The commands about the connection: link, unlink, status, reconnect, pause, resume, logs."""

from whatsapp_mcp.cli.connection.device import (
    asked,
    paused,
    reconnected,
    resumed,
    unlinked,
    with_device,
    with_known_device,
)
from whatsapp_mcp.cli.connection.linking import check, link
from whatsapp_mcp.cli.connection.logs import show_log
from whatsapp_mcp.cli.connection.report import JsonReport, TerminalReport
from whatsapp_mcp.cli.connection.status import find, print_status, print_statuses, watch

__all__ = [
    "JsonReport",
    "TerminalReport",
    "asked",
    "check",
    "find",
    "link",
    "paused",
    "print_status",
    "print_statuses",
    "reconnected",
    "resumed",
    "show_log",
    "unlinked",
    "watch",
    "with_device",
    "with_known_device",
]
