"""What operators see: the figures of this server's accounts, for Prometheus."""

from whatsapp_mcp.server.metrics.catalogue import ACCOUNT, METRICS, Metric
from whatsapp_mcp.server.metrics.gathering import MeteredAccount
from whatsapp_mcp.server.metrics.route import metrics_routes

__all__ = ["ACCOUNT", "METRICS", "MeteredAccount", "Metric", "metrics_routes"]
