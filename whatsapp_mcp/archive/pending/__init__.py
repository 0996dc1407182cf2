"""What is pending: who waits for whom, and what a digest of a time tells."""

from whatsapp_mcp.archive.pending.waits import waiting_chats

__all__ = ["waiting_chats"]
