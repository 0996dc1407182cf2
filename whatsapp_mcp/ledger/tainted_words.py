"""What agents wrote to whom others' words had been handed out, as far as it is in no send of the archive."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.ledger.exposures import Exposure, Taint


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
        """Whose words had been handed out to an agent that wrote this text."""
        query = "SELECT source FROM tainted_words WHERE digest = ?"
        rows = self._file.read(lambda db: db.execute(query, (_digest(text),)).fetchall())
        return Taint(frozenset(Exposure(row[0]) for row in rows))


def _digest(text: str) -> bytes:
    return sha256(text.strip().encode("utf-8", "surrogatepass")).digest()
