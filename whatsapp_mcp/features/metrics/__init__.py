"""Metrics for operators: the figures of this server's accounts, for Prometheus."""

from whatsapp_mcp.features.metrics.catalogue import ACCOUNT, METRICS, Figures, Metric, Values
from whatsapp_mcp.features.metrics.gathering import MeteredAccount
from whatsapp_mcp.features.metrics.route import metrics_routes, scraped

__all__ = ["ACCOUNT", "METRICS", "Figures", "MeteredAccount", "Metric", "Values", "metrics_routes", "scraped"]
