"""What must hold in every history, checked while it happens and at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from tests.fleet.simulation.archive import Archive, Operation
from tests.fleet.simulation.database import Database
from tests.fleet.simulation.rows import JOURNAL, LOG, Key, Keys, Row, Run, head_key, row_key, run_key
from tests.fleet.simulation.world import Violation
from whatsapp_fleet.protocol import Position


class Monitor:
    """Sees everything, and raises `Violation` for what must not be.

    Attributes:
        counts: What has happened, and how often.
        undecryptable: Messages that came again after the keys had moved on beyond them.
        owners: For each run, whether it takes its lease for held.
    """

    def __init__(self) -> None:
        self.database: Database | None = None
        self.counts: Counter[str] = Counter()
        self.acknowledged: dict[str, set[int]] = defaultdict(set)
        self.undecryptable: dict[str, set[int]] = defaultdict(set)
        self.accepted: dict[str, set[str]] = defaultdict(set)
        self.frames: dict[str, list[int]] = defaultdict(list)
        self.owners: dict[str, Callable[[], bool]] = {}
        self._newest_login: dict[str, int] = defaultdict(int)
        self._keys_used: dict[tuple[str, int], str] = {}
        self._confirmed: dict[Key, Row] = {}
        self._bodies: dict[Any, Key] = {}

    def visible(self, key: Key, value: Any) -> None:
        """A row has become visible in the database."""
        match key[0]:
            case "keys":
                keys: Keys = value
                self._not_older(key[1], keys.epoch, "a key write")
            case "row":
                row: Row = value
                self._not_older(key[2], row.stamp.epoch, f"a row of the {key[1]}")
                self._written_once(key, row)
            case "run":
                run: Run = value
                if run.ended and self.owners[key[1]]():
                    raise Violation("a run is ended while its lease holds: two may lead")
            case _:
                pass

    def _not_older(self, account: str, epoch: int, what: str) -> None:
        if epoch < self._newest_login[account]:
            raise Violation(f"{what} of an older epoch is accepted after a newer login")

    def _written_once(self, key: Key, row: Row) -> None:
        assert self.database is not None
        name = (*key[:3], row.body.id if isinstance(row.body, Operation) else row.body)
        former = self._bodies.get(name)
        if former is not None and former != key:
            there: Row | None = self.database.visible.get(former)
            if there is not None and there.body == row.body:
                raise Violation(f"the {key[1]} has a row twice")
        self._bodies[name] = key

    def handed_over(self, kind: str, account: str, seq: int | None, row: Row) -> None:
        """A writer has been told that its row is durable."""
        assert self.database is not None
        key = row_key(kind, account, seq or 0)
        if seq is None or self.database.visible.get(key) != row:
            raise Violation(f"a confirmed row of the {kind} is not there")
        self._confirmed[key] = row

    def failed_over(self) -> None:
        """The standby has taken over: it has all that was confirmed."""
        assert self.database is not None
        self.counts["failovers"] += 1
        for key, row in self._confirmed.items():
            if self.database.visible.get(key) != row:
                raise Violation(f"a failover loses a confirmed row of the {key[1]}")

    def rewound(self) -> None:
        """A node has found that the database lacks what was confirmed."""
        raise Violation("a node finds its database rewound")

    def acts(self, run: str) -> None:
        """A run acts as the leader, because its lease holds."""
        assert self.database is not None
        if self.database.visible[run_key(run)].ended:
            raise Violation("a run acts that was ended: two may lead")

    def logged_in(self, account: str, epoch: int) -> None:
        """WhatsApp has accepted a login."""
        self.counts["logins"] += 1
        self._not_older(account, epoch, "a login")
        self._newest_login[account] = max(self._newest_login[account], epoch)

    def frame(self, account: str, epoch: int, send: str, keys: int) -> None:
        """WhatsApp has accepted a message that was encrypted as the `keys`th one."""
        self._not_older(account, epoch, "a message")
        if self._keys_used.setdefault((account, keys), send) != send:
            raise Violation("keys are used twice")
        if keys not in self.frames[send]:
            self.frames[send].append(keys)
        if len(self.frames[send]) > 1:
            raise Violation("a message is sent twice")

    def ended(self, account: str, archive: Archive | None, replayed: Archive, followed: Archive) -> None:
        """Check an account after everything has come to rest."""
        assert self.database is not None
        if archive is None:
            raise Violation("nobody leads at the end")
        for kind in (JOURNAL, LOG):
            self._complete(kind, account)
        if not archive.digest() == replayed.digest() == followed.digest():
            raise Violation("archives of one log differ")
        self._received(account, archive)
        self._sent(account, archive)

    def _complete(self, kind: str, account: str) -> None:
        assert self.database is not None
        head: Position = self.database.visible[head_key(kind, account)]
        rows = [self.database.visible.get(row_key(kind, account, seq + 1)) for seq in range(head.seq)]
        if None in rows:
            raise Violation(f"the {kind} has a gap")
        epochs = [row.stamp.epoch for row in rows if row is not None]
        if epochs != sorted(epochs):
            raise Violation(f"the {kind} has a row of an older epoch behind one of a newer")
        self.counts[f"rows of the {kind}"] += len(rows)

    def _received(self, account: str, archive: Archive) -> None:
        if len(archive.messages) != len(set(archive.messages)):
            raise Violation("a message is archived twice")
        missing = self.acknowledged[account] - set(archive.messages)
        if missing - self.undecryptable[account]:
            raise Violation("a message is acknowledged and not archived")
        self.counts["messages archived"] += len(archive.messages)
        self.counts["messages that a client had only decrypted"] += len(missing)

    def _sent(self, account: str, archive: Archive) -> None:
        for send in self.accepted[account]:
            state, _ = archive.outbox.get(send, ("", 0))
            frames = len(self.frames[send])
            if state not in {"sent", "unknown"}:
                raise Violation(f"an accepted send is {state or 'lost'} at the end")
            if state == "sent" and frames != 1:
                raise Violation("a send is called sent that was not")
            self.counts[f"sends {state}"] += 1
        self.counts["takeovers"] += self.database.visible[("lease", account)].epoch if self.database else 0
