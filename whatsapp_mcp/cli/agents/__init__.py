"""The commands about what agents may and will do: agent, approve, exposures, policy and scheduled."""

from whatsapp_mcp.cli.agents.answering import app as answering_app
from whatsapp_mcp.cli.agents.answering import approve, exposures
from whatsapp_mcp.cli.agents.policy import app
from whatsapp_mcp.cli.agents.scheduled import app as scheduled_app

__all__ = ["answering_app", "app", "approve", "exposures", "scheduled_app"]
