"""Durability of a PostgreSQL server: whether commits survive its loss and a failover to a standby."""

from __future__ import annotations

from typing import Final, NamedTuple

_WAITS: Final = frozenset({"on", "remote_apply"})
"""Values of `synchronous_commit` at which a commit waits until a standby has it on its disk."""


class Durability(NamedTuple):
    """Durability settings of a server, as `SHOW` gives them.

    Source: PostgreSQL's documentation, "Write Ahead Log" and "Replication" in the chapter on configuration.

    Attributes:
        synchronous: Standbys that `pg_stat_replication` calls `sync` or `quorum`.
    """

    synchronous_commit: str
    synchronous_standby_names: str
    fsync: str
    full_page_writes: str
    synchronous: int

    def weaknesses(self) -> tuple[str, ...]:
        """Why what is confirmed could be lost, as sentences for an operator; empty if it cannot.

        A failover to a standby that lacks confirmed rows would use keys a second time, not only lose rows.
        """
        checks = {
            "`fsync` is off: a crash of the machine loses what was confirmed.": self.fsync != "on",
            "`full_page_writes` is off: a crash of the machine may damage tables.": self.full_page_writes
            != "on",
            "`synchronous_standby_names` is empty: a failover loses what was confirmed.": (
                not self.synchronous_standby_names.strip()
            ),
            "`synchronous_commit` is not `on`: a commit does not wait for a standby.": (
                self.synchronous_commit not in _WAITS
            ),
            "No standby is synchronous at the moment: commits wait until one is.": (
                bool(self.synchronous_standby_names.strip()) and self.synchronous < 1
            ),
        }
        return tuple(sentence for sentence, weak in checks.items() if weak)
