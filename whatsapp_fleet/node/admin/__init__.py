"""Operation of a fleet: the admin API, the actions behind it, and the principals of replicas."""

from whatsapp_fleet.node.admin.administration import Administration
from whatsapp_fleet.node.admin.copies import delete_copies, keep_none_gone, take_folder
from whatsapp_fleet.node.admin.directory import DatabaseDirectory
from whatsapp_fleet.node.admin.routes import admin_routes

__all__ = [
    "Administration",
    "DatabaseDirectory",
    "admin_routes",
    "delete_copies",
    "keep_none_gone",
    "take_folder",
]
