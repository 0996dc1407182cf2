"""An account moves between the files of one computer and the database of a fleet."""

from whatsapp_fleet.database import Database
from whatsapp_fleet.node.moving.moves import (
    ARRIVING,
    MoveIn,
    MoveOut,
    MoveRecord,
    arrival_in,
    forget_there,
    move_in,
    move_out,
    remove_keys,
)
from whatsapp_fleet.objects import open_objects

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
