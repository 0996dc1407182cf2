"""A node of a fleet: it leads accounts whose truth is in a database, and keeps copies of others."""

from whatsapp_fleet.node.account import NodeAccount
from whatsapp_fleet.node.admin import (
    Administration,
    DatabaseDirectory,
    admin_routes,
    delete_copies,
    keep_none_gone,
    take_folder,
)
from whatsapp_fleet.node.following import Following, following
from whatsapp_fleet.node.node import Node
from whatsapp_fleet.node.replica import serve_replica
from whatsapp_fleet.node.run import NodeRun
from whatsapp_fleet.node.serving import database_of, run_node

__all__ = [
    "Administration",
    "DatabaseDirectory",
    "Following",
    "Node",
    "NodeAccount",
    "NodeRun",
    "admin_routes",
    "database_of",
    "delete_copies",
    "following",
    "keep_none_gone",
    "run_node",
    "serve_replica",
    "take_folder",
]
