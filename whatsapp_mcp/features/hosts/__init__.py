"""Hosts other than Claude: how each is set up to start this server, in the language of its file."""

from whatsapp_mcp.features.hosts.table import CODEX_WAITS, OTHER_HOSTS

__all__ = ["CODEX_WAITS", "OTHER_HOSTS"]
