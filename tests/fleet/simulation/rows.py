"""What the modelled database holds: keys of rows, and the rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from whatsapp_fleet.protocol import Lease, Position, Stamp

Key = tuple[Any, ...]
JOURNAL = "journal"
LOG = "log"


class Run(NamedTuple):
    """A start of a node's process."""

    counter: int
    ended: bool


class Row(NamedTuple):
    """A row of a journal or a log."""

    stamp: Stamp
    body: Any


class Login(NamedTuple):
    """The role of an account's keys."""

    name: str
    password: str


class Keys(NamedTuple):
    """How far the keys of an account have moved on.

    Attributes:
        sent: How many messages were encrypted.
        received: The number of the last message that was decrypted.
        epoch: The epoch of the client that wrote this; the library knows nothing of it.
    """

    sent: int
    received: int
    epoch: int


FIRST_LOGIN = Login("nobody's", "")


def run_key(run: str) -> Key:
    """The row of a run."""
    return ("run", run)


def lease_key(account: str) -> Key:
    """The lease of an account."""
    return ("lease", account)


def head_key(kind: str, account: str) -> Key:
    """The head of a journal or a log."""
    return ("head", kind, account)


def row_key(kind: str, account: str, seq: int) -> Key:
    """A row of a journal or a log."""
    return ("row", kind, account, seq)


def stamp_key(kind: str, account: str, stamp: Stamp) -> Key:
    """The entry of a row in the unique index of stamps."""
    return ("stamp", kind, account, stamp)


def login_key(account: str) -> Key:
    """The role of an account."""
    return ("login", account)


def keys_key(account: str) -> Key:
    """The keys of an account."""
    return ("keys", account)


def empty(account: str) -> dict[Key, Any]:
    """The rows of an account that nobody has led yet."""
    return {
        lease_key(account): Lease(None, 0),
        head_key(JOURNAL, account): Position(0, 0),
        head_key(LOG, account): Position(0, 0),
        login_key(account): FIRST_LOGIN,
        keys_key(account): Keys(0, 0, 0),
    }
