"""An account moves between the files of one computer and the database of a fleet."""

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

__all__ = [
    "ARRIVING",
    "MoveIn",
    "MoveOut",
    "MoveRecord",
    "arrival_in",
    "forget_there",
    "move_in",
    "move_out",
    "remove_keys",
]
