"""Replicas: servers that hold no account and have each call done by the node that leads its account."""

from whatsapp_mcp.node.replicas.listener import accept
from whatsapp_mcp.node.replicas.serving import Served

__all__ = ["Served", "accept"]
