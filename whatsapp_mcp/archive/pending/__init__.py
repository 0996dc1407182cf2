"""What is pending: who waits for whom, and what a digest of a time tells."""

from whatsapp_mcp.archive.pending.digest import digest
from whatsapp_mcp.archive.pending.waits import waiting_chats

__all__ = ["digest", "waiting_chats"]
