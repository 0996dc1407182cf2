"""`whatsapp-mcp accounts`: the accounts of this home, what they are called, and their removal."""

from whatsapp_mcp.cli.accounts.commands import RESTART, Name, app, finish_changes, say_who_names

__all__ = ["RESTART", "Name", "app", "finish_changes", "say_who_names"]
