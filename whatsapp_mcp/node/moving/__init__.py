"""An account moves between the files of one computer and the database of a fleet."""

from whatsapp_mcp.fleet.database import Database
from whatsapp_mcp.fleet.objects import open_objects
from whatsapp_mcp.node.moving.incoming import MoveIn, move_in, remove_keys
from whatsapp_mcp.node.moving.outgoing import MoveOut, forget_there, move_out
from whatsapp_mcp.node.moving.records import ARRIVING, MoveRecord, arrival_in

__all__ = [
    "ARRIVING",
    "Database",
    "MoveIn",
    "MoveOut",
    "MoveRecord",
    "arrival_in",
    "forget_there",
    "move_in",
    "move_out",
    "open_objects",
    "remove_keys",
]
