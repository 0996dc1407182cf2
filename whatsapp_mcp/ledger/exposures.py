"""Records of whose words were handed out to whom, written before the words leave.

And what agents wrote to whom others' words had been handed out, as far as it is in no send of the archive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Authorship, Caller, OutboxEntry, SendStatus

KEPT: Final = timedelta(hours=24)
"""Time for which a principal stays tainted after its last call."""
_TOUCH_EVERY: Final = timedelta(minutes=1)
"""Most time by which the last call on disk may lag: a minute of a day is negligible, a write for each call is
not."""


class Exposure(StrEnum):
    """The kind of author whose words were handed out."""

    STRANGER = "stranger"
    """Words of somebody whom the owner does not know, or of an unknown author."""
    CONTACT = "contact"
    """Words of somebody whom the owner knows."""


@dataclass(frozen=True, slots=True)
class Taint:
    """Kinds of authors whose words were handed out to a principal, as far as still remembered."""

    sources: frozenset[Exposure] = frozenset()

    def counts(self, mode: str) -> bool:
        """Return whether the policy asks: for strangers' words, in `lockdown` for anybody's."""
        return bool(self.sources) if mode == "lockdown" else Exposure.STRANGER in self.sources


ANYBODYS: Final = Taint(frozenset(Exposure))
"""The taint of words of which it is not known who wrote them."""


def taint_of(sources: Iterable[str]) -> Taint:
    """The taint of words that may repeat those of these sources, as an `Authorship` names them."""
    return Taint(frozenset(map(Exposure, sources)))


def taint_in(authorship: Authorship | None) -> Taint:
    """Return the taint of the words that a send may repeat; without authorship, anybody's."""
    return ANYBODYS if authorship is None else taint_of(authorship.sources)


def stays_back(entry: OutboxEntry, caller: Caller, mode: str) -> bool:
    """Return whether a caller may neither see the words of a waiting send nor move it.

    So it is with what another principal wrote if a person is asked about it, or if it may repeat words that
    the mode distrusts.
    """
    known = entry.authorship
    if caller.is_trusted or (known is not None and known.caller.principal == caller.principal):
        return False
    return entry.status is SendStatus.HELD or (mode != "open" and taint_in(known).counts(mode))


class Exposures:
    """The exposures of all principals of an account."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    async def expose(self, principal: str, source: Exposure, now: datetime) -> None:
        """Write down that words of such authors are about to be handed out to a principal.

        Raises:
            Busy: It could not be written, so they must not leave.
        """
        await self._touch(principal, {source: self._last_calls(principal).get(source, 0)}, now)

    async def taint(self, principal: str, now: datetime) -> Taint:
        """Return the taint of a principal; the query counts as a call, except in a copy."""
        start = now.timestamp() - KEPT.total_seconds()
        remembered = {source: at for source, at in self._last_calls(principal).items() if at > start}
        if not self._file.is_copy:
            await self._touch(principal, remembered, now)
        return Taint(frozenset(remembered))

    async def clear(self, principal: str | None) -> None:
        """Forget what was handed out to a principal, or to all."""
        where, values = ("principal = ?", (principal,)) if principal else ("1", ())
        await self._file.write(lambda db: db.execute(f"DELETE FROM exposures WHERE {where}", values))  # noqa: S608

    def principals(self, now: datetime) -> dict[str, frozenset[Exposure]]:
        """Return the exposures of each principal that are still remembered."""
        start = int((now - KEPT).timestamp())
        query = "SELECT principal, source FROM exposures WHERE last_call > ? ORDER BY principal"
        exposures: dict[str, frozenset[Exposure]] = {}
        for principal, source in self._file.read(lambda db: db.execute(query, (start,)).fetchall()):
            exposures[principal] = exposures.get(principal, frozenset()) | {Exposure(source)}
        return exposures

    def _last_calls(self, principal: str) -> dict[Exposure, int]:
        query = "SELECT source, last_call FROM exposures WHERE principal = ?"
        rows = self._file.read(lambda db: db.execute(query, (principal,)).fetchall())
        return {Exposure(source): int(at) for source, at in rows}

    async def _touch(self, principal: str, last_calls: dict[Exposure, int], now: datetime) -> None:
        """Bring the time of the last call up to date where it is older than `_TOUCH_EVERY`."""
        now_seconds = int(now.timestamp())
        due = [
            source
            for source, last in last_calls.items()
            if now_seconds - last >= _TOUCH_EVERY.total_seconds()
        ]
        if due:
            rows = [(principal, source.value, now_seconds) for source in due]
            await self._file.write(
                lambda db: db.executemany(
                    # Several processes write here: a slower one must not set the time back.
                    """INSERT INTO exposures VALUES (?, ?, ?)
                    ON CONFLICT DO UPDATE SET last_call = max(last_call, excluded.last_call)""",
                    rows,
                )
            )


class TaintedWords:
    """Topics of groups and about texts, by their digests."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    async def add(self, texts: Iterable[str], taint: Taint) -> None:
        """Note texts that are about to be shown to others.

        Raises:
            Busy: It could not be written: they must not leave.
        """
        rows = [(_digest(text), source.value) for text in texts for source in taint.sources]
        if rows:
            await self._file.write(
                lambda db: db.executemany("INSERT OR IGNORE INTO tainted_words VALUES (?, ?)", rows)
            )

    def taint(self, text: str) -> Taint:
        """Return the taint of a text: that of the agent which wrote it."""
        query = "SELECT source FROM tainted_words WHERE digest = ?"
        rows = self._file.read(lambda db: db.execute(query, (_digest(text),)).fetchall())
        return Taint(frozenset(Exposure(row[0]) for row in rows))


def _digest(text: str) -> bytes:
    return sha256(text.strip().encode("utf-8", "surrogatepass")).digest()
