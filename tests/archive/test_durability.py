"""Whoever dies and wherever: what was acknowledged is there, and the file is whole."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import NOON, NOW, journal
from tests.archive.power import ForgetfulDisk
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

WRITER = """
import sys, anyio
from pathlib import Path
from tests.archive import events as ev
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import AccountFolder

async def main():
    folder = AccountFolder("default", Path(sys.argv[1]))
    async with open_archive(folder, write=True, now=lambda: ev.NOW) as archive:
        position = await archive.position()
        while True:
            numbers = range(position, position + 5)
            batch = [ev.message(f"K{n}", f"text {n}", at=ev.NOON + n) for n in numbers]
            result = await archive.ingest(ev.journal(batch, after=position))
            position = result.position
            print(position, flush=True)

anyio.run(main)
"""


def check(path: Path, acknowledged: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {row[0] for row in db.execute("SELECT wa_id FROM messages")}
        position = int(db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()[0])
    assert position >= acknowledged
    assert stored == {f"K{n}" for n in range(position)}


def test_a_killed_writer_loses_nothing_that_it_had_acknowledged(tmp_path: Path) -> None:
    folder = AccountFolder("default", tmp_path / "accounts" / "default")
    rng = random.Random(3)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder.path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(rng.randrange(2, 30))]
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        acknowledged = [int(line) for line in told if line.endswith("\n")]
        check(folder.archive_db, acknowledged[-1])


@pytest.mark.parametrize("seed", range(6))
async def test_a_power_failure_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder = AccountFolder("default", tmp_path / "home" / "accounts" / "default")
    with ForgetfulDisk() as disk:
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            position = 0
            for turn in range(rng.randrange(3, 25)):
                count = rng.randrange(1, 9)
                batch = [
                    ev.message(f"K{position + n}", "word " * 9, at=NOON + position + n) for n in range(count)
                ]
                position = (await archive.ingest(journal(batch, after=position))).position
                if rng.random() < 0.2:
                    await archive.optimize()
                copy = tmp_path / f"after-{turn}"
                disk.crash(folder.path, copy, rng)
                check(copy / "archive.db", position)


@pytest.mark.parametrize("seed", range(6))
async def test_a_power_failure_keeps_the_raw_form_of_what_is_not_understood_and_none_of_what_was_deleted(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    folder = AccountFolder("default", tmp_path / "home" / "accounts" / "default")
    with ForgetfulDisk() as disk:
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            position, unknown, deleted = 0, set[str](), set[str]()
            for turn in range(rng.randrange(5, 20)):
                name = f"K{turn}"
                batch = [ev.message(name, f"secret {name} ", at=NOON + turn)]
                if rng.random() < 0.5:
                    batch.append(ev.revoke(name, at=NOON + turn + 1))
                    deleted.add(name)
                if rng.random() < 0.5:
                    strange = E2E.Message.FromString(b"\xc2\x3e\x02hi")
                    batch.append(ev.message(f"U{turn}", strange, at=NOON + turn))
                    unknown.add(f"U{turn}")
                position = (await archive.ingest(journal(batch, after=position))).position
                copy = tmp_path / f"after-{turn}"
                disk.crash(folder.path, copy, rng)
                with closing(sqlite3.connect(copy / "raw.db")) as raw:
                    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                    payloads = [row[0] for row in raw.execute("SELECT payload FROM raw")]
                assert {one for one in unknown if any(one.encode() in found for found in payloads)} == unknown
                secrets = [f"secret {one} ".encode() for one in deleted]
                assert not [one for one in secrets if any(one in found for found in payloads)]


async def test_what_was_written_by_a_newer_version_is_refused(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW):
        pass
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(Unsupported):
        async with open_archive(folder, write=True, now=lambda: NOW):
            pass
    async with open_archive(folder) as reader:
        with pytest.raises(Unsupported):
            await reader.chats()


async def test_files_are_private_to_their_owner(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("A1")]))
        assert {path.stat().st_mode & 0o777 for path in folder.path.glob("*.db*")} == {0o600}
        assert folder.path.stat().st_mode & 0o777 == 0o700
