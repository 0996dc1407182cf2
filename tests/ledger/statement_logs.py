"""A ledger's log in memory, for tests of what is above it."""

from __future__ import annotations

from collections.abc import Callable

from whatsapp_mcp.storage import Fenced, LedgerSnapshot, Pruned, StatementRow


class MemoryStatements:
    """A `storage.StatementLog`.

    Attributes:
        rows: Body by number.
        failure: What appending raises, if anything; asked before it, and again after it.
    """

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self.failure: Callable[[str], Exception | None] = lambda when: None
        self._seq = 0
        self._epoch = 1
        self._snapshot: LedgerSnapshot | None = None

    def led_by(self, epoch: int) -> _Led:
        """The log as the leader of an epoch sees it; those before are fenced."""
        self._epoch = epoch
        return _Led(self, epoch)

    def append(self, body: bytes) -> int:
        if (error := self.failure("before")) is not None:
            raise error
        self._seq += 1
        self.rows[self._seq] = body
        if (error := self.failure("after")) is not None:
            raise error
        return self._seq

    def last(self) -> int:
        return self._seq

    def read(self, after: int, limit: int) -> list[StatementRow]:
        first = min(self.rows, default=self._seq + 1)
        if first > after + 1:
            raise Pruned
        return [StatementRow(seq, self.rows[seq]) for seq in sorted(self.rows) if seq > after][:limit]

    def put_snapshot(self, seq: int, content: bytes) -> None:
        self._snapshot = LedgerSnapshot(seq, content)
        self.rows = {number: body for number, body in self.rows.items() if number >= seq}

    def newest_snapshot(self) -> LedgerSnapshot | None:
        return self._snapshot

    def close(self) -> None:
        pass

    @property
    def epoch(self) -> int:
        """That of the newest leader."""
        return self._epoch


class _Led:
    """A `storage.StatementLog` that a newer leader fences."""

    def __init__(self, log: MemoryStatements, epoch: int) -> None:
        self._log = log
        self._epoch = epoch

    def append(self, body: bytes) -> int:
        self._check()
        return self._log.append(body)

    def last(self) -> int:
        self._check()
        return self._log.last()

    def read(self, after: int, limit: int) -> list[StatementRow]:
        return self._log.read(after, limit)

    def put_snapshot(self, seq: int, content: bytes) -> None:
        self._check()
        self._log.put_snapshot(seq, content)

    def newest_snapshot(self) -> LedgerSnapshot | None:
        return self._log.newest_snapshot()

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self._log.epoch != self._epoch:
            raise Fenced
