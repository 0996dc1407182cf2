"""One operation into the archive's two files: applied in one transaction, numbered, and recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from whatsapp_mcp.archive import database, write
from whatsapp_mcp.archive.identity import Lookups
from whatsapp_mcp.archive.operations import OPERATIONS, WriteOperation
from whatsapp_mcp.archive.write import WriteContext
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import transaction

_MOST_LOOKUPS: Final = 50_000
"""Addresses that are remembered from operation to operation; a few hundred bytes each."""

Recorder = Callable[[int, bytes], None]
"""Gets each operation that was applied: its number, and it as JSON."""


@dataclass(slots=True)
class Outcome:
    """Result of an operation.

    Attributes:
        value: What it gave.
        refusal: Why it was refused; nothing but its number was written then.
        files: Downloaded files that no message has any more.
        opens_addons: Whether add-ons may wait that can be opened now.
    """

    value: Any = None
    refusal: Exception | None = None
    files: list[str] = field(default_factory=list[str])
    opens_addons: bool = False

    def result(self) -> Any:
        """Return the value that the operation gave, or raise its refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.value


class _DryRunError(Exception):
    """Ends the transaction of a dry run."""


class Committer:
    """Applies operations, one at a time.

    Args:
        folder: The account's files.
        db: `archive.db`.
        raw: `raw.db`; it is opened again when it turns out to be damaged.
        recorder: Called with each operation after its commit.
        is_logged: Whether each operation is in a log before it is applied. A commit then does not wait for
            the disk: what a power failure undoes is applied once more.
    """

    def __init__(
        self,
        folder: AccountFolder,
        db: sqlite3.Connection,
        raw: sqlite3.Connection,
        recorder: Recorder | None,
        *,
        is_logged: bool = False,
    ) -> None:
        self.raw = raw
        self._is_logged = is_logged
        if is_logged:
            db.execute("PRAGMA synchronous = NORMAL")
        self._folder = folder
        self.db = db
        self._recorder = recorder
        self._lookups = Lookups()
        self._changes: int | None = None

    def close(self) -> None:
        """Close the connections."""
        self.db.close()
        self.raw.close()

    def commit(
        self, operation: WriteOperation, *, opens_addons: bool = False, mark: str | None = None
    ) -> Outcome:
        """Apply an operation in a transaction of its own. A refusal is an outcome like any other.

        Args:
            operation: Which.
            opens_addons: Whether add-ons that can be opened now are, by an operation that is part of the same
                transaction. In a log of operations the operation that opened them follows by itself.
            mark: Hash of the log up to this operation. What is in a log must have an outcome, or nothing
                after it could be applied: so one that cannot be written at all is refused.
        """
        assert (mark is not None) is self._is_logged, "what is in the log is applied, and nothing else"
        db, recorded = self.db, list[tuple[int, bytes]]()
        # What was looked up holds as long as nothing but operations has written.
        if db.total_changes != self._changes or len(self._lookups.addresses) > _MOST_LOOKUPS:
            self._lookups.forget()
        # Forgotten until the commit: a roll-back also takes back the rows that were looked up.
        self._changes = None
        outcome = Outcome()
        refusals = (WhatsAppError,) if mark is None else (WhatsAppError, *write.POISON)
        try:
            with transaction(db):
                outcome.value, context = self._apply(operation, recorded, mark)
                outcome.files += context.files
                outcome.opens_addons = context.opens_addons
                if (
                    opens_addons
                    and context.opens_addons
                    and (opened := write.open_waiting_addons(db, self.raw))
                ):
                    following = WriteOperation("open_addons", operation.at, {"opened": opened})
                    _, after = self._apply(following, recorded)
                    outcome.files += after.files
            if context.keeps_lookups:
                self._changes = db.total_changes
        except refusals as error:
            # A refusal uses up its number: wherever the operations are applied again, the rest keep theirs.
            outcome = Outcome(refusal=error)
            with transaction(db):
                write.begin_operation(db, operation.at, mark)
        if self._recorder is not None:
            for number, text in recorded:
                self._recorder(number, text)
        return outcome

    def commit_many(
        self, operations: Iterable[WriteOperation], on_result: Callable[[Any], None], *, dry: bool
    ) -> list[str]:
        """Apply operations in one transaction that does not wait for the disk; answers files that have to go.

        After a power failure a last part of them may not have been, with all that was committed after it but
        for what was committed durably: that takes them along (https://sqlite.org/wal.html).

        Args:
            operations: None of them is ever refused.
            on_result: Called with the result of each.
            dry: Roll back instead: nothing is written, and no number is used.
        """
        assert dry or not self._is_logged, "what is in the log is applied, and nothing else"
        db, recorded, files = self.db, list[tuple[int, bytes]](), list[str]()
        if db.total_changes != self._changes or len(self._lookups.addresses) > _MOST_LOOKUPS:
            self._lookups.forget()
        self._changes = None
        # Outside of the transaction: SQLite refuses to change this within one.
        db.execute("PRAGMA synchronous = NORMAL")
        try:
            with suppress(_DryRunError), transaction(db):
                for one in operations:
                    result, context = self._apply(one, recorded)
                    on_result(result)
                    files += context.files
                if dry:
                    # Only an error makes `transaction` roll back.
                    raise _DryRunError
            if not dry:
                self._changes = db.total_changes
        finally:
            db.execute(f"PRAGMA synchronous = {'NORMAL' if self._is_logged else 'FULL'}")
        if dry:
            return []
        if self._recorder is not None:
            for number, text in recorded:
                self._recorder(number, text)
        return files

    def _apply(
        self, operation: WriteOperation, recorded: list[tuple[int, bytes]], mark: str | None = None
    ) -> tuple[Any, WriteContext]:
        number = write.begin_operation(self.db, operation.at, mark)
        if self._recorder is not None:  # before it is applied, which may bring its values into bounds
            recorded.append((number, operation.to_json()))
        context = WriteContext(self.db, self.raw, number, operation.at, self._lookups, mark)
        return OPERATIONS[operation.name](context, **operation.values), context

    @contextmanager
    def raw_damage(self) -> Iterator[None]:
        """Recreate `raw.db` if an error says that it is damaged; the caller gets the error, and retries.

        With a log it is missing until the archive is opened again, which restores what it held.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The error does not say in which of the two files it was met.
            if database.is_damage(error) and not database.is_whole(self.raw):
                self.raw.close()
                database.quarantine(self._folder.raw_db, error)
                if not self._is_logged:
                    self.raw = database.connect_raw(self._folder)
            raise
