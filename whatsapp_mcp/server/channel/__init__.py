"""The Claude Code channel: messages of a chat are pushed into a session, and permissions relayed to a phone.

https://code.claude.com/docs/en/channels-reference
"""

from whatsapp_mcp.server.channel.connection import Channel

__all__ = ["Channel"]
