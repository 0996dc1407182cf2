"""Messages that tainted calls have sent: read again, they are trusted as little as what led to them."""

from __future__ import annotations

from whatsapp_mcp.ledger.database import LedgerFile


class TaintedSends:
    """Sends by their number in the outbox, and by WhatsApp's id once they have one."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file
        self._version = -1
        self._ids: frozenset[str] = frozenset()

    async def add(self, send_id: int, message_id: str | None) -> None:
        """Note a send; once more with the message's id when WhatsApp has given it."""
        await self._file.write(
            lambda db: db.execute(
                """INSERT INTO tainted_sends VALUES (?, ?)
                ON CONFLICT DO UPDATE SET message_id = coalesce(excluded.message_id, message_id)""",
                (send_id, message_id),
            )
        )
        self._version = -1

    def message_ids(self) -> frozenset[str]:
        """WhatsApp's ids of all of them; read again only after the file has changed."""
        version = self._file.version()
        if version != self._version:
            query = "SELECT message_id FROM tainted_sends WHERE message_id IS NOT NULL"
            rows = self._file.read(lambda db: db.execute(query).fetchall())
            self._ids, self._version = frozenset(str(row[0]) for row in rows), version
        return self._ids

    def without_message(self) -> tuple[int, ...]:
        """The newest sends whose message has no id yet."""
        query = """SELECT send_id FROM tainted_sends WHERE message_id IS NULL
            ORDER BY send_id DESC LIMIT 50"""
        return tuple(int(row[0]) for row in self._file.read(lambda db: db.execute(query).fetchall()))
