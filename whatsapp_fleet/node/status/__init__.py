"""HTTP endpoints of a node for operators and machines: `/healthz`, `/readyz` and `/metrics`."""

from whatsapp_fleet.node.status.catalogue import FLEET_METRICS
from whatsapp_fleet.node.status.serving import NodeStatus

__all__ = ["FLEET_METRICS", "NodeStatus"]
