"""The rules of leases, epochs, takeovers and appends, as functions of plain values.

Nothing here reads a clock, a database or a network. The code that leads accounts calls these functions, and
so does the simulation that looks for histories in which they fail (`tests/fleet/simulation`).
"""

from whatsapp_fleet.protocol.appends import (
    Append,
    AppendOutcome,
    Durability,
    NextMove,
    Position,
    Stamp,
    is_rewound,
)
from whatsapp_fleet.protocol.assignment import (
    STABLE,
    UNSUPPORTED_PAUSE,
    Candidate,
    Pause,
    Quarantine,
    after_failure,
    assigned,
    ranked,
)
from whatsapp_fleet.protocol.lease import (
    RESTART,
    TAKEOVER,
    Challenge,
    Contact,
    EpochRaise,
    Lease,
    LeaseTimes,
    OwnLease,
    Reconnect,
    Sighting,
    StayDisconnected,
    Step,
    after_replaced,
    may_raise,
)

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
