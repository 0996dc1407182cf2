"""What the parts of a node have in common while it has one run."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from whatsapp_mcp.fleet.database import Database, DatabaseCalls
from whatsapp_mcp.node.following import Following
from whatsapp_mcp.node.run import NodeRun
from whatsapp_mcp.settings import Settings


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What a node is made of.

    Attributes:
        settings: Those of the home folder.
        database: Where accounts are led.
        run: The lease that everything here depends on.
        calls: Statements that may wait for each other.
        listener: The socket of the node, which its client processes hold as well.
        copies: Of archives that other nodes lead; an account that is led here is not among them.
        logins: How many accounts are taken over at a time.
        clock: The time of leases, in seconds.
    """

    settings: Settings
    database: Database
    run: NodeRun
    calls: DatabaseCalls
    listener: socket.socket
    copies: Following
    logins: anyio.CapacityLimiter
    clock: Callable[[], float]
