"""What operators and machines ask a node: `/healthz`, `/readyz` and `/metrics`."""

from whatsapp_mcp.node.status.catalogue import FLEET_METRICS
from whatsapp_mcp.node.status.serving import NodeStatus

__all__ = ["FLEET_METRICS", "NodeStatus"]
