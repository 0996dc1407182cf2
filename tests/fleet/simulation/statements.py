"""What is asked of the database, each as one transaction."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.fleet.simulation.archive import Operation, Tail, TailRow
from tests.fleet.simulation.database import Body, Database, Duplicate, Fenced, Transaction
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.rows import (
    JOURNAL,
    LOG,
    Keys,
    Login,
    Row,
    Run,
    head_key,
    keys_key,
    lease_key,
    login_key,
    row_key,
    run_key,
    stamp_key,
)
from tests.fleet.simulation.world import Violation
from whatsapp_fleet.protocol import EpochRaise, Lease, Position, Stamp, may_raise


class Leases(NamedTuple):
    """The leases of all accounts, and the runs that they name."""

    leases: dict[str, Lease]
    runs: dict[str, Run]


def begin_run(run: str) -> Body:
    """Insert the row of a run.

    It is written where an earlier attempt has done so, too: this commit waits for the standby.
    """

    async def body(txn: Transaction) -> None:
        row: Run | None = await txn.lock(run_key(run))
        txn.put(run_key(run), row or Run(0, ended=False))

    return body


def renew(run: str, attempt: int | None, confirmed: int) -> Body:
    """Write a new counter of a run; returns its row as it was found.

    Args:
        attempt: What is written; None lets the database count.
        confirmed: What was confirmed last: nothing is written where less is found.
    """

    async def body(txn: Transaction) -> Run | None:
        row: Run | None = await txn.lock(run_key(run))
        if row is not None and not row.ended:
            if attempt is None:
                txn.put(run_key(run), row._replace(counter=row.counter + 1))
            elif confirmed <= row.counter < attempt:
                txn.put(run_key(run), row._replace(counter=attempt))
        return row

    return body


def end_run(run: str, counter: int | None) -> Body:
    """End a run if it has not renewed its lease since the counter was read."""

    async def body(txn: Transaction) -> None:
        row: Run | None = await txn.lock(run_key(run))
        if row is not None and not row.ended and counter in {None, row.counter}:
            txn.put(run_key(run), row._replace(ended=True))

    return body


def read_leases(accounts: list[str]) -> Body:
    """Read all leases, and their runs."""

    async def body(txn: Transaction) -> Leases:
        leases = {account: txn.get(lease_key(account)) for account in accounts}
        runs = {lease.run: txn.get(run_key(lease.run)) for lease in leases.values() if lease.run}
        return Leases(leases, runs)

    return body


def raise_epoch(account: str, seen: Lease, run: str, defects: frozenset[Defect]) -> Body:
    """Become the leader; returns the epoch."""

    async def body(txn: Transaction) -> int:
        lease: Lease = await txn.lock(lease_key(account))
        await txn.pause()
        former: Run | None = txn.get(run_key(lease.run)) if lease.run else None
        match may_raise(lease, seen, run, ended=former is not None and former.ended):
            case EpochRaise.REFUSE:
                raise Fenced
            case EpochRaise.DONE if Defect.UNCONFIRMED_RAISE in defects:
                return lease.epoch
            case EpochRaise.DONE | EpochRaise.WRITE:
                pass
        txn.put(lease_key(account), Lease(run, seen.epoch + 1))
        for kind in (JOURNAL, LOG):
            head: Position = await txn.lock(head_key(kind, account))
            txn.put(head_key(kind, account), head._replace(epoch=seen.epoch + 1))
        return seen.epoch + 1

    return body


def give_up(account: str, lease: Lease) -> Body:
    """Let anybody take an account that this run leads."""

    async def body(txn: Transaction) -> None:
        if await txn.lock(lease_key(account)) == lease:
            txn.put(lease_key(account), Lease(None, lease.epoch))

    return body


async def _require(txn: Transaction, account: str, epoch: int) -> None:
    lease: Lease = await txn.lock(lease_key(account))
    if lease.epoch != epoch:
        raise Fenced


def change_login(account: str, epoch: int | None, login: Login) -> Body:
    """Give the role of the keys another name and password."""

    async def body(txn: Transaction) -> None:
        if epoch is not None:
            await _require(txn, account, epoch)
        txn.put(login_key(account), login)

    return body


def terminate_backends(database: Database, account: str, epoch: int) -> Body:
    """Ask the connections of the role to end; returns how many there were."""

    async def body(txn: Transaction) -> int:
        await _require(txn, account, epoch)
        return database.terminate(account)

    return body


def check_epoch(kind: str, account: str, epoch: int) -> Body:
    """Look an epoch up, and nothing else."""

    async def body(txn: Transaction) -> None:
        if txn.get(head_key(kind, account)).epoch != epoch:
            raise Fenced

    return body


def append(kind: str, account: str, row: Row, defects: frozenset[Defect]) -> Body:
    """Append a row; returns its number."""

    async def body(txn: Transaction) -> int:
        key, epoch = head_key(kind, account), row.stamp.epoch
        if Defect.UNLOCKED_CHECK in defects:
            if txn.get(key).epoch != epoch:
                raise Fenced
            await txn.pause()
        head: Position = await txn.lock(key)
        if head.epoch != epoch and not defects & {Defect.UNLOCKED_CHECK, Defect.SEPARATE_CHECK}:
            raise Fenced
        if txn.get(stamp_key(kind, account, row.stamp)) is not None and Defect.NO_STAMP not in defects:
            raise Duplicate
        seq = head.seq + 1
        txn.put(key, head._replace(seq=seq))
        txn.put(row_key(kind, account, seq), row)
        txn.put(stamp_key(kind, account, row.stamp), seq)
        return seq

    return body


def confirm(kind: str, account: str, stamp: Stamp) -> Body:
    """Commit a write behind a row that is there; returns its number, or None if it is not there."""

    async def body(txn: Transaction) -> int | None:
        head: Position = await txn.lock(head_key(kind, account))
        if head.epoch != stamp.epoch:
            raise Fenced
        txn.put(head_key(kind, account), head)
        return txn.get(stamp_key(kind, account, stamp))

    return body


def read_head(kind: str, account: str, seq: int) -> Body:
    """Read a head, and the stamp of one row."""

    async def body(txn: Transaction) -> tuple[Position, Stamp | None]:
        row: Row | None = txn.get(row_key(kind, account, seq))
        return txn.get(head_key(kind, account)), row.stamp if row else None

    return body


def read_journal(account: str, after: int, defects: frozenset[Defect]) -> Body:
    """Read ten messages of the journal after a number, with a commit that waits: they are durable."""

    async def body(txn: Transaction) -> list[int]:
        head: Position = txn.get(head_key(JOURNAL, account))
        if head.seq > after and Defect.UNCONFIRMED_READ not in defects:
            txn.put(head_key(JOURNAL, account), await txn.lock(head_key(JOURNAL, account)))
        rows = [txn.get(row_key(JOURNAL, account, seq)) for seq in range(after + 1, after + 11)]
        return [row.body for row in rows if row is not None]

    return body


def read_log(account: str, after: int) -> Body:
    """Read the log after a number, with the messages that it names."""

    async def body(txn: Transaction) -> Tail:
        head: Position = txn.get(head_key(LOG, account))
        there: Row | None = txn.get(row_key(LOG, account, after))
        rows: list[TailRow] = []
        for seq in range(after + 1, head.seq + 1):
            row: Row = txn.get(row_key(LOG, account, seq))
            operation: Operation = row.body
            numbers = range(operation.first, operation.last + 1)
            named: list[Row | None] = [txn.get(row_key(JOURNAL, account, number)) for number in numbers]
            if None in named:
                raise Violation("an operation names a row that the journal lacks")
            rows.append(TailRow(seq, row, [each.body for each in named if each is not None]))
        return Tail(head, there.stamp if there else None, rows)

    return body


def read_keys(account: str) -> Body:
    """Read how far the keys have moved on."""

    async def body(txn: Transaction) -> Keys:
        return txn.get(keys_key(account))

    return body


def write_keys(account: str, keys: Keys) -> Body:
    """Write the keys as the library does: without any check."""

    async def body(txn: Transaction) -> Any:
        await txn.lock(keys_key(account))
        txn.put(keys_key(account), keys)

    return body


def last_stamp(kind: str, account: str) -> Body:
    """Read the stamp of the last row."""

    async def body(txn: Transaction) -> Stamp | None:
        row: Row | None = txn.get(row_key(kind, account, txn.get(head_key(kind, account)).seq))
        return row.stamp if row else None

    return body
