"""The chain of the audit: each row's hash covers the row before, and a seal covers both ends of what is kept.

A row that is changed, added, taken out or moved breaks the chain; one taken off an end breaks the seal, which
nobody makes without the account's key. The text of an act, where it is kept, is covered by its own hash, so
that it can be deleted later and the chain still holds.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

COLUMNS: Final = (
    "seq, at, kind, about, principal, client, tool, operation, chats, refs, verdict, rule, approval, way,"
    " digest, outcome, counted, new_chat, text_mac, text_hash"
)
"""Columns that the hash of a row covers."""
_BEGINNING: Final = bytes(32)
"""Stands for the hash of a row before the first."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of what is kept, by number and hash: the last row that was dropped, and the newest."""

    first_seq: int = 0
    first_hash: bytes = _BEGINNING
    last_seq: int = 0
    last_hash: bytes = _BEGINNING

    def seal(self, key: bytes) -> str:
        """Shows that this program wrote them."""
        ends = ["audit", self.first_seq, self.first_hash.hex(), self.last_seq, self.last_hash.hex()]
        return hmac.digest(key, json.dumps(ends).encode(), "sha256").hex()


class Fault(NamedTuple):
    """A break in the chain: the number of the row, and what is wrong."""

    seq: int
    what: str


def link(before: bytes, row: Sequence[Any]) -> bytes:
    """The hash of a row, given as `COLUMNS` names them, and of all before it."""
    # As JSON, so that no two rows give the same bytes.
    # Only in a damaged file a column holds bytes.
    return sha256(before + json.dumps(list(row), default=repr).encode()).digest()


def hash_of(text: str) -> str:
    """The hash that covers a text which is kept."""
    return sha256(text.encode()).hexdigest()


def read_ends(db: sqlite3.Connection) -> tuple[Ends, str]:
    """The ends as they are written down, and their seal."""
    row = db.execute("SELECT first_seq, first_hash, last_seq, last_hash, seal FROM audit_chain").fetchone()
    if row is None:
        return Ends(), ""
    return Ends(*row[:4]), row[4]


def write_ends(db: sqlite3.Connection, ends: Ends, key: bytes) -> None:
    """Write down new ends."""
    db.execute(
        "INSERT OR REPLACE INTO audit_chain VALUES (0, ?, ?, ?, ?, ?)",
        (ends.first_seq, ends.first_hash, ends.last_seq, ends.last_hash, ends.seal(key)),
    )


def faults(db: sqlite3.Connection, key: bytes) -> Iterator[Fault]:
    """Yield the faults of the chain; nothing if it holds.

    After a fault the chain is followed on from what is stored, so that each one is found once.
    """
    try:
        yield from _faults(db, key)
    except (sqlite3.DatabaseError, TypeError, AttributeError):  # a value that its column never holds
        yield Fault(0, "the file is damaged")


def _faults(db: sqlite3.Connection, key: bytes) -> Iterator[Fault]:
    for (said,) in db.execute("PRAGMA integrity_check(1)"):
        if said != "ok":
            yield Fault(0, "the file is damaged")
    ends, seal = read_ends(db)
    is_new = ends == Ends() and not seal
    if not is_new and not hmac.compare_digest(ends.seal(key), seal):
        yield Fault(ends.last_seq, "the seal is not that of this account's key")
    seq, before = ends.first_seq, ends.first_hash
    for *row, text, stored in db.execute(f"SELECT {COLUMNS}, text, hash FROM audit ORDER BY seq"):  # noqa: S608
        if row[0] != seq + 1:
            yield Fault(seq + 1, "rows are missing or were added")
        elif link(before, row) != stored:
            yield Fault(row[0], "the row was changed")
        if text is not None and hash_of(text) != row[-1]:
            yield Fault(row[0], "the text was changed")
        seq, before = row[0], stored
    if (seq, before) != (ends.last_seq, ends.last_hash):
        yield Fault(seq + 1, "the newest rows are missing or were added")
