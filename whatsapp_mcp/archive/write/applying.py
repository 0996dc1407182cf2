"""What an operation finds when it is applied: the databases in one transaction, and its own time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from whatsapp_mcp.archive.identity import Lookups


@dataclass(slots=True)
class Applying:
    """One operation on its way into the archive.

    Attributes:
        db: `archive.db`, in a write transaction.
        raw: `raw.db`. What is written there commits before the archive does, so it must be idempotent.
        number: The operation's place in the order.
        at: When it was made, in milliseconds since 1970.
        lookups: What earlier operations have looked up.
        files: Downloaded files that no message has any more; whoever applies deletes them after the commit.
        opens_addons: Whether an add-on and the message that it is sealed with may have come together.
        keeps_lookups: Whether what was looked up still holds afterwards.
    """

    db: sqlite3.Connection
    raw: sqlite3.Connection
    number: int
    at: int
    lookups: Lookups
    files: list[str] = field(default_factory=list[str])
    opens_addons: bool = False
    keeps_lookups: bool = False

    @property
    def seconds(self) -> int:
        """When it was made, in seconds since 1970."""
        return self.at // 1000


def begin_operation(db: sqlite3.Connection, at: int) -> int:
    """Note an operation in `archive.db`, before anything that it writes; answers its number.

    What it adds to the change feed has the time that is noted here.
    """
    # One statement: it is part of every write.
    noted = db.execute(
        """INSERT INTO meta VALUES ('operation', 1), ('operation_at', ?)
        ON CONFLICT DO UPDATE SET value = iif(key = 'operation', value + 1, excluded.value)
        RETURNING key, value""",
        (at,),
    ).fetchall()
    return int(dict(noted)["operation"])


def begin_raw_operation(on: Applying) -> None:
    """Note the operation in `raw.db`, in the transaction there, if it writes anything there."""
    on.raw.execute("INSERT OR REPLACE INTO applied VALUES (0, ?)", (on.number,))
