"""Messages that come to an agent: handed on once, answered by a command, or taken by a channel."""

from whatsapp_mcp.device.agent.agents import Agents

__all__ = ["Agents"]
