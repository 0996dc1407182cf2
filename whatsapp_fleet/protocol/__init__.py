"""The rules of leases, epochs, takeovers and appends, as functions of plain values.

Nothing here reads a clock, a database or a network. The code that leads accounts calls these functions, and
so does the simulation that looks for histories in which they fail (`tests/fleet/simulation`).
"""

from whatsapp_fleet.protocol.appends import Append, AppendOutcome, NextMove
from whatsapp_fleet.protocol.assignment import Candidate, assigned, ranked
from whatsapp_fleet.protocol.attempts import STABLE, UNSUPPORTED_PAUSE, Pause, Quarantine, after_failure
from whatsapp_fleet.protocol.durability import Durability
from whatsapp_fleet.protocol.lease import Challenge, Contact, LeaseTimes, OwnLease, Sighting
from whatsapp_fleet.protocol.positions import Position, Stamp, is_rewound
from whatsapp_fleet.protocol.replaced import Reconnect, StayDisconnected, after_replaced
from whatsapp_fleet.protocol.takeover import RESTART, TAKEOVER, EpochRaise, Lease, Step, may_raise

__all__ = [
    "RESTART",
    "STABLE",
    "TAKEOVER",
    "UNSUPPORTED_PAUSE",
    "Append",
    "AppendOutcome",
    "Candidate",
    "Challenge",
    "Contact",
    "Durability",
    "EpochRaise",
    "Lease",
    "LeaseTimes",
    "NextMove",
    "OwnLease",
    "Pause",
    "Position",
    "Quarantine",
    "Reconnect",
    "Sighting",
    "Stamp",
    "StayDisconnected",
    "Step",
    "after_failure",
    "after_replaced",
    "assigned",
    "is_rewound",
    "may_raise",
    "ranked",
]
