"""The commands about what agents may do: approve, exposures and policy."""

from whatsapp_mcp.cli.agents.answers import approve, exposures
from whatsapp_mcp.cli.agents.policy import app

__all__ = ["app", "approve", "exposures"]
