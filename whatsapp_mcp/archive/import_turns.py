"""Imports beside everything else that is written: in slices, as many to a transaction as nobody waits for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final

import anyio.to_thread

from whatsapp_mcp.archive import care
from whatsapp_mcp.archive.committer import Committer
from whatsapp_mcp.archive.database import Writer
from whatsapp_mcp.archive.operations import WriteOperation
from whatsapp_mcp.archive.projection import LogWriter
from whatsapp_mcp.models import ImportReport
from whatsapp_mcp.settings import AccountFolder

_LOGGED: Final = 4
"""Slices that are appended to a log together: whoever else writes waits for them."""
_MOST: Final = 13
"""Slices of one transaction: its commit takes some milliseconds, in which nobody else writes."""
_SWITCH_SECONDS: Final = 0.0005
"""Seconds for which a thread may compute while another waits for the interpreter. Python's own 5 ms are as
long as a slice takes, and a live message crosses threads several times."""

Values = Callable[[int, ImportReport], Mapping[str, Any]]
"""The values of the operation of a slice, by its place and what those before it brought."""


class ImportTurns:
    """Takes the writer's turn for imports.

    One commit for many slices costs much less than one for each. It does not wait for the disk either: an
    import goes on from what was committed, so after a power failure the last slices are done again. Whoever
    waits for the writer waits for the slice that is being applied, and for that commit.

    Args:
        folder: The account's files.
        writer: Lends the connection.
        committer: Applies the operations.
        now: The wall time.
        log: Through which operations are written, where there is a log.
    """

    def __init__(
        self,
        folder: AccountFolder,
        writer: Writer,
        committer: Committer,
        now: Callable[[], datetime],
        log: LogWriter | None,
    ) -> None:
        self._log = log
        self._folder = folder
        self._writer = writer
        self._committer = committer
        self._now = now

    async def run(self, name: str, slices: int, values: Values, *, dry: bool) -> ImportReport:
        """Apply all slices; answers what they brought.

        Args:
            name: Of the operation.
            slices: How many there are.
            values: Makes the values of each.
            dry: Roll each transaction back.
        """
        if self._log is not None and not dry:
            return await self._run_logged(self._log, name, slices, values)
        done, total = 0, ImportReport()
        with _short_switches():
            while done < slices:
                places = range(done, min(slices, done + _MOST))
                turn = partial(self._turn, name, places, values, total, dry)
                brought, files = await self._writer.run_bare(turn, bulk=True)
                # After the commit: a roll-back must not leave messages without their files.
                if files:
                    await anyio.to_thread.run_sync(care.unlink_media, self._folder.media, files)
                done += len(brought)
                total = sum(brought, total)
        return total

    @staticmethod
    async def _run_logged(log: LogWriter, name: str, slices: int, values: Values) -> ImportReport:
        """Apply slices through the log: several at once, and the last, with the total of all, by itself."""
        done, total = 0, ImportReport()
        while done < slices:
            # The last slice records the report of all, so it is made when the others have been applied.
            end = min(done + _LOGGED, slices - 1) if done < slices - 1 else slices
            made = [(name, partial(_given, values(place, total))) for place in range(done, end)]
            total = sum(await log.submit(made, bulk=True), total)
            done = end
        return total

    def _turn(
        self, name: str, places: range, values: Values, total: ImportReport, dry: bool, _: object
    ) -> tuple[list[ImportReport], list[str]]:
        """Apply slices in one turn; return the report of each, and the files that have to go."""
        created_at = int(self._now().timestamp() * 1000)
        brought: list[ImportReport] = []

        def operations() -> Iterator[WriteOperation]:
            for place in places:
                yield WriteOperation(name, created_at, values(place, sum(brought, total)))
                # Asked after each slice: a live message waits for one of them, not for the whole transaction.
                if self._writer.is_wanted:
                    return

        with self._committer.raw_damage():
            files = self._committer.commit_many(operations(), brought.append, dry=dry)
        return brought, files


def _given(values: Mapping[str, Any], _: object) -> Mapping[str, Any]:
    return values


@contextmanager
def _short_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
