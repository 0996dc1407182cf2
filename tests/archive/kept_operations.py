"""What a version's operations say and do, kept: `python -m tests.archive.kept_operations` writes it.

A log may be applied by another version than the one that wrote it, if both have the same `VERSION`. So the
operations of a recorded run are kept, with a digest of what they make; they must say and do the same until
`VERSION` grows, and then are kept again.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio

from tests.archive.recorded import Recording, path_of, recorded_archive, run
from tests.archive.replaying import replay
from whatsapp_mcp.archive.operations import VERSION
from whatsapp_mcp.settings import AccountFolder

KEPT: Final = Path(__file__).with_name(f"operations_{VERSION}.zlib")
_TABLES: Final = {
    "messages": "id, ref, chat_id, wa_id, sender_id, kind, text, edited_at, revoked_at",
    "refs": "ref, message_id",
    "outbox": "id, idempotency_key, chat, request, status, message_id, created_at, sent_at, reason",
    "events": "seq, at, kind, chat_id, wa_id, ref, actor_id, detail",
}
"""What later operations refer to, and what was told: none of it may differ. Other columns may come."""


def digest(folder: AccountFolder) -> str:
    """Of refs, messages, sends and the change feed."""
    said: list[object] = []
    with closing(sqlite3.connect(folder.archive_db)) as db:
        for table, columns in _TABLES.items():
            said.append(db.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall())
    return hashlib.sha256(repr(said).encode()).hexdigest()


def kept() -> tuple[str, list[bytes]]:
    """The digest, and the operations."""
    first, *lines = zlib.decompress(KEPT.read_bytes()).splitlines()
    return first.decode(), lines


async def replayed(operations: list[bytes], path: Path) -> str:
    """The digest of what operations make."""
    folder = path_of(path, "replayed")
    await replay(folder, operations)
    return digest(folder)


async def _record(path: Path) -> bytes:
    recorder, folder = Recording(), path_of(path, "recorded")
    async with recorded_archive(folder, recorder) as archive:
        await run(archive, folder)
    return b"\n".join([(await replayed(recorder.lines, path)).encode(), *recorder.lines])


def main() -> None:
    """Keep those of this version."""
    with tempfile.TemporaryDirectory() as path:
        KEPT.write_bytes(zlib.compress(anyio.run(_record, Path(path)), 9))


if __name__ == "__main__":
    main()
