"""Transactions of operators: what they answer is durable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from whatsapp_mcp.fleet.database import Session

T = TypeVar("T")


def durably(session: Session, work: Callable[[], T]) -> T:
    """What `work` answers, in a transaction; done again while its commit did not wait for the standby.

    Args:
        session: Over which it works.
        work: Writes the same when it is done again.
    """
    while True:
        session.warned = False
        with session.transaction():
            answer = work()
        if not session.warned:
            return answer
