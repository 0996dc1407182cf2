"""The commands about what agents may do: agent, approve, exposures and policy."""

from whatsapp_mcp.cli.agents.answering import app as answering_app
from whatsapp_mcp.cli.agents.answers import approve, exposures
from whatsapp_mcp.cli.agents.policy import app

__all__ = ["answering_app", "app", "approve", "exposures"]
