"""The rules of leases, epochs, takeovers and appends, as functions of plain values.

Nothing here reads a clock, a database or a network. The code that leads accounts calls these functions, and
so does the simulation that looks for histories in which they fail (`tests/fleet/simulation`).
"""

from whatsapp_mcp.fleet.protocol.appends import Append, AppendOutcome, NextMove
from whatsapp_mcp.fleet.protocol.durability import Durability
from whatsapp_mcp.fleet.protocol.lease import Challenge, LeaseTimes, OwnLease
from whatsapp_mcp.fleet.protocol.positions import Position, Stamp, is_rewound
from whatsapp_mcp.fleet.protocol.replaced import Reconnect, Rest, after_replaced
from whatsapp_mcp.fleet.protocol.takeover import RESTART, TAKEOVER, Lease, Raise, Step, may_raise

__all__ = [
    "RESTART",
    "TAKEOVER",
    "Append",
    "AppendOutcome",
    "Challenge",
    "Durability",
    "Lease",
    "LeaseTimes",
    "NextMove",
    "OwnLease",
    "Position",
    "Raise",
    "Reconnect",
    "Rest",
    "Stamp",
    "Step",
    "after_replaced",
    "is_rewound",
    "may_raise",
]
