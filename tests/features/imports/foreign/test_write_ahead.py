"""A database and the log beside it, as one file: as SQLite itself would read the two."""

from __future__ import annotations

import io
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign.phone_files.write_ahead import fold


def pair(folder: Path, *, page_size: int = 4096, rows: Sequence[int] = (50, 20, 0)) -> tuple[bytes, bytes]:
    """A database and its log, as a backup takes them; `rows` are those of each transaction, 0 deletes all."""
    path = folder / "live.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA page_size = {page_size}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number, count in enumerate(rows):
            if count == 0:
                db.execute("DELETE FROM t")
            db.executemany(
                "INSERT INTO t (text) VALUES (?)", [(f"row {number} {n} " * 20,) for n in range(count)]
            )
            db.commit()
        return path.read_bytes(), path.with_name("live.sqlite-wal").read_bytes()


def folded(main: bytes, log: bytes | None) -> bytes:
    """The one file."""
    found: list[bytes] = []
    fold(io.BytesIO(main), None if log is None else io.BytesIO(log), found.append)
    return b"".join(found)


def rows_of(content: bytes) -> list[tuple[int, str]]:
    """What it holds; without a log, since it stands alone."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(content)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return db.execute("SELECT n, text FROM t ORDER BY n").fetchall()


def by_sqlite(folder: Path, main: bytes, log: bytes) -> list[tuple[int, str]]:
    """What SQLite reads of both."""
    path = folder / "copy.sqlite"
    path.write_bytes(main)
    path.with_name("copy.sqlite-wal").write_bytes(log)
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT n, text FROM t ORDER BY n").fetchall()


@for_each("page_size", [512, 4096, 65_536])
@for_each("rows", [(1,), (50, 20), (400, 0, 3), (400, 400)])
def test_what_a_log_adds_is_in_the_one_file(tmp_path: Path, page_size: int, rows: Sequence[int]) -> None:
    main, log = pair(tmp_path, page_size=page_size, rows=rows)
    assert rows_of(folded(main, log)) == by_sqlite(tmp_path, main, log)
    assert rows_of(folded(main, None)) == []


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), seed=st.integers(0, 1 << 32), flips=st.integers(0, 3))
def test_a_log_that_was_cut_or_damaged_counts_as_far_as_sqlite_believes_it(
    tmp_path_factory: pytest.TempPathFactory, cut: float, seed: int, flips: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    main, log = pair(folder, rows=(30, 30, 0, 10))
    changed = bytearray(log[: int(len(log) * cut)])
    chance = random.Random(seed)
    for _ in range(flips if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    assert rows_of(folded(main, bytes(changed))) == by_sqlite(folder, main, bytes(changed))


@pytest.mark.parametrize("log", [b"", b"x" * 31, b"x" * 10_000, bytes(10_000)])
def test_what_is_no_log_adds_nothing(tmp_path: Path, log: bytes) -> None:
    main, _ = pair(tmp_path)
    assert rows_of(folded(main, log)) == []


@for_each("main", [b"", b"x" * 99, bytes(4096), b"x" * 4096])
def test_what_is_no_database_is_refused(main: bytes) -> None:
    with pytest.raises(InvalidArgument, match="damaged"):
        folded(main, None)
