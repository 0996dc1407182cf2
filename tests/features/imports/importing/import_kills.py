"""Imports that are killed at random moments, each in a process of its own, and gone on with to their end.

`python -m tests.features.imports.importing.import_kills --count 100 --seed 1` does so many times what the
tests do a few times.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import Any, Final

import anyio

from tests.archive import events as ev
from tests.archive.dump import differences, dump
from tests.features.imports.backups.android import many
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.features.imports.importing.importer import Importer
from whatsapp_mcp.features.imports.importing.imports import Imports
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.models import ImportState
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings

PROGRAM = "tests.features.imports.importing.import_kills"
MESSAGES: Final = 4_000
KILLS: Final = 2
LIVE: Final = 100
"""Live messages while a process imports."""
_BEGUN: Final = b"importing\n"
_LIMIT: Final = 120.0


def account(home: Path) -> AccountFolder:
    """The files of its account."""
    return Settings(home=home).account_folder()


async def _live(archive: Archive) -> None:
    """What comes over the connection meanwhile, the first time or again."""
    for number in range(LIVE):
        raw = ev.message(f"L{number:05}", f"live {number}", chat=ev.ANA, at=ev.NOON + number)
        await archive.ingest(ev.journal([raw]))
        await anyio.sleep(0.01)


async def _import(home: Path, backup: Path, most_bytes: int) -> None:
    folder, settings = account(home), CurrentSettings(Settings(home=home))
    async with open_archive(folder, write=True, now=lambda: ev.NOW) as archive:
        if most_bytes:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
        imports = Imports(archive, SystemClock(), Importer(folder, archive, settings))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(imports.run)
            if not most_bytes:
                tasks.start_soon(_live, archive)
            ticket = await imports.begin_import(ImportRequest(str(backup)))
            os.write(1, _BEGUN)
            while not (await imports.imports(ticket))[0].is_over:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            (ended,) = await imports.imports(ticket)
            os.write(1, f"{ended.state} {ended.error}\n".encode())
            if ended.state is ImportState.DONE:
                await _live(archive)
            tasks.cancel_scope.cancel()


@dataclass
class Running:
    """A process that imports."""

    process: subprocess.Popen[bytes]

    def ended(self) -> str:
        """What became of the import, once it is over."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().decode().strip()
        self.process.wait(_LIMIT)
        return said

    def reader(self) -> int | None:
        """The process that reads the backup, while it is there (Linux)."""
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):
                for pid in task.read_text().split():
                    if b"imports.foreign" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        return int(pid)
        return None


@contextmanager
def importing(home: Path, backup: Path, most_bytes: int = 0) -> Iterator[Running]:
    """A process that imports, from when it has begun; it is gone afterwards.

    Args:
        home: Of the account.
        backup: What it imports.
        most_bytes: How large a file may become there; 0: as large as it likes.
    """
    command = [sys.executable, "-m", PROGRAM, "--home", str(home)]
    command += ["--backup", str(backup), "--most-bytes", str(most_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == _BEGUN
            yield Running(process)
        finally:
            process.kill()


def whole(home: Path, backup: Path) -> dict[str, Any]:
    """Import to the end; all that the archive then holds."""
    with importing(home, backup) as running:
        assert running.ended() == "done None"
    return held(home)


def held(home: Path) -> dict[str, Any]:
    """All that an archive holds, in names, and what it knows of its imports."""
    path = account(home).archive_db
    with closing(sqlite3.connect(path)) as db:
        imports = db.execute("SELECT id, source, file, chat, state FROM imports").fetchall()
        rest = {
            table: sorted(db.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("imported_chats", "imported_addons")
        }
    return {**dump(path), "imports": imports, "counts": {table: len(rows) for table, rows in rest.items()}}


def killed(home: Path, backup: Path, chance: random.Random) -> int:
    """Kill an import at random moments, then let it come to its end; how often it was killed within."""
    hit = 0
    for _ in range(KILLS):
        at = chance.randrange(MESSAGES - 1_000)
        with importing(home, backup) as running:
            while running.process.poll() is None and _position(home) < at:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.1))
            running.process.kill()
            running.process.wait(_LIMIT)
        if _state(home)[0] == ImportState.DONE:
            return hit  # again would be another import
        hit += 1
    with importing(home, backup) as running:
        assert running.ended() == "done None"
    return hit


def _position(home: Path) -> int:
    """How far its import has come."""
    return _state(home)[1]


def _state(home: Path) -> tuple[str, int]:
    with closing(sqlite3.connect(account(home).archive_db)) as db:
        row = db.execute("SELECT state, coalesce(position, 0) FROM imports").fetchone()
    return row or ("", 0)


def main() -> int:
    """Run one import, or many that are killed; 1 if one of them ends otherwise than it must."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.features.imports.importing.import_kills", description=__doc__
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    for name in ("--home", "--backup"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--most-bytes", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.home is not None:
        anyio.run(_import, given.home, given.backup, given.most_bytes)
        return 0
    kills = failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backup = many(folder / "msgstore.db", MESSAGES)
        expected = whole(folder / "whole", backup)
        for number in range(given.seed, given.seed + given.count):
            home = folder / str(number)
            kills += killed(home, backup, random.Random(number))
            if found := differences(expected, held(home)):
                failures += 1
                print(f"seed {number}: {pformat(found)[:2_000]}", flush=True)
    print(f"{given.count} imports of {MESSAGES:,} messages, {kills} kills, {failures} ended otherwise")
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
