"""MCP hosts: how each is set up to start this server, and how that is taken back."""

from whatsapp_mcp.cli.hosts.host import (
    AUTHORIZATION,
    MERGE,
    SHELL_VARIABLE,
    TOKEN_VARIABLE,
    Command,
    Format,
    Host,
    Http,
    application_data,
    by_connector,
    by_url,
    everywhere,
    plain_entry,
    typed_entry,
)
from whatsapp_mcp.cli.hosts.launch import Launch, Machine, launch_of
from whatsapp_mcp.cli.hosts.steps import (
    Found,
    entry_of,
    found,
    http_snippet,
    rendered,
    snippet,
    to_install,
    to_undo,
    unreadable,
)
from whatsapp_mcp.cli.hosts.table import known_hosts
from whatsapp_mcp.system import System

__all__ = [
    "AUTHORIZATION",
    "MERGE",
    "SHELL_VARIABLE",
    "TOKEN_VARIABLE",
    "Command",
    "Format",
    "Found",
    "Host",
    "Http",
    "Launch",
    "Machine",
    "System",
    "application_data",
    "by_connector",
    "by_url",
    "entry_of",
    "everywhere",
    "found",
    "http_snippet",
    "known_hosts",
    "launch_of",
    "plain_entry",
    "rendered",
    "snippet",
    "to_install",
    "to_undo",
    "typed_entry",
    "unreadable",
]
