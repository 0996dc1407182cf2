"""A writer of a journal or a log: it drives `Append` until its row is durable."""

from __future__ import annotations

from tests.fleet.simulation import statements
from tests.fleet.simulation.database import Disconnected, Duplicate, Fenced
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.network import Connection
from tests.fleet.simulation.rows import Row
from tests.fleet.simulation.scene import Scene
from whatsapp_fleet.protocol import Append, AppendOutcome, NextMove, Position, Stamp, is_rewound


class Writer:
    """Appends rows of one epoch.

    Args:
        stamp: The stamp before that of the first row.
    """

    def __init__(self, scene: Scene, connection: Connection, kind: str, account: str, stamp: Stamp) -> None:
        self._scene = scene
        self._connection = connection
        self._kind = kind
        self._account = account
        self._stamp = stamp
        self._confirmed: tuple[Position, Stamp] | None = None
        self._seq: int | None = None

    async def append(self, content: object, attempts: int = 1000) -> tuple[int, Row]:
        """Append a row.

        Returns:
            Its number and the row, once it is durable.

        Raises:
            Fenced: The account has a newer epoch.
            Disconnected: All attempts have failed.
        """
        self._stamp = self._stamp.following()
        row, step = Row(self._stamp, content), Append()
        for _ in range(attempts):
            outcome = await self._attempt(step.move, row)
            step = step.after(outcome)
            if outcome is AppendOutcome.DUPLICATE and self._scene.has(Defect.UNCONFIRMED_DUPLICATE):
                step = Append(NextMove.HAND_OVER)
            if step.move is NextMove.HAND_OVER:
                return self._done(row)
            if step.move is NextMove.END:
                raise Fenced
            if outcome is AppendOutcome.UNANSWERED:
                await self._compare()
        raise Disconnected

    def _done(self, row: Row) -> tuple[int, Row]:
        monitor = self._scene.monitor
        seq = self._seq
        if seq is None and self._scene.has(Defect.UNCONFIRMED_DUPLICATE):
            key = statements.stamp_key(self._kind, self._account, row.stamp)
            seq = self._scene.database.visible.get(key)
        monitor.handed_over(self._kind, self._account, seq, row)
        assert seq is not None
        self._confirmed = Position(row.stamp.epoch, seq), row.stamp
        return seq, row

    async def _attempt(self, move: NextMove, row: Row) -> AppendOutcome:
        kind, account = self._kind, self._account
        self._seq = None
        try:
            if move is NextMove.CONFIRM:
                self._seq = await self._connection.run(statements.confirm(kind, account, row.stamp))
                absent = self._seq is None and not self._scene.has(Defect.BLIND_CONFIRMATION)
                return AppendOutcome.ABSENT if absent else AppendOutcome.COMMITTED
            if self._scene.has(Defect.SEPARATE_CHECK):
                await self._connection.run(statements.check_epoch(kind, account, row.stamp.epoch))
            self._seq = await self._connection.run(statements.append(kind, account, row, self._scene.defects))
        except Fenced:
            return AppendOutcome.FENCED
        except Duplicate:
            return AppendOutcome.DUPLICATE
        except Disconnected:
            return AppendOutcome.UNANSWERED
        return AppendOutcome.COMMITTED

    async def _compare(self) -> None:
        """After a lost connection: has the database still what it had confirmed?"""
        if self._confirmed is None:
            return
        position, stamp = self._confirmed
        try:
            head, there = await self._connection.run(
                statements.read_head(self._kind, self._account, position.seq)
            )
        except Disconnected:
            return
        if is_rewound(position, stamp, head, there):
            self._scene.monitor.rewound()
