"""MCP hosts: how each is set up to start this server, and how that is taken back."""

from whatsapp_mcp.cli.hosts.entries import Snippet, command_words, entry_of, http_snippet, rendered, snippet
from whatsapp_mcp.cli.hosts.host import Host
from whatsapp_mcp.cli.hosts.launch import SERVER_NAME, Launch, launch_of, server_name
from whatsapp_mcp.cli.hosts.machine import Machine
from whatsapp_mcp.cli.hosts.steps import Found, found, to_install, to_undo, unreadable
from whatsapp_mcp.cli.hosts.table import CODEX_WAITS, HOSTS
from whatsapp_mcp.system import System

__all__ = [
    "CODEX_WAITS",
    "HOSTS",
    "SERVER_NAME",
    "Found",
    "Host",
    "Launch",
    "Machine",
    "Snippet",
    "System",
    "command_words",
    "entry_of",
    "found",
    "http_snippet",
    "launch_of",
    "rendered",
    "server_name",
    "snippet",
    "to_install",
    "to_undo",
    "unreadable",
]
