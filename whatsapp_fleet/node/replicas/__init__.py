"""Replicas: servers that hold no account and have each call done by the node that leads its account."""

from whatsapp_fleet.node.replicas.directory import FleetDirectory
from whatsapp_fleet.node.replicas.figures import REPLICA_METRICS, ReplicaFigures
from whatsapp_fleet.node.replicas.fleet_accounts import FleetAccounts, devices_of
from whatsapp_fleet.node.replicas.listener import accept, connect, fleet_secret
from whatsapp_fleet.node.replicas.peers import Peers
from whatsapp_fleet.node.replicas.serving import Served

__all__ = [
    "REPLICA_METRICS",
    "FleetAccounts",
    "FleetDirectory",
    "Peers",
    "ReplicaFigures",
    "Served",
    "accept",
    "connect",
    "devices_of",
    "fleet_secret",
]
