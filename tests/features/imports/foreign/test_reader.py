"""A foreign database through the confined process: page by page, and refused by name if it is odd."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.features.imports.backups.lharries import bridge_database
from tests.features.imports.foreign.archives import described, pages_of
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.features.imports.foreign import UnknownForeignVersion, open_foreign
from whatsapp_mcp.features.imports.requests import UnknownVersion
from whatsapp_mcp.models import ImportSource

pytestmark = pytest.mark.anyio

CHAT = "15550000001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
AT = "2023-11-14 22:13:20+00:00"


def bridge(path: Path, count: int = 3) -> Path:
    """A database of that bridge with so many messages."""
    rows = [(f"A{n}", CHAT, "15550000001", f"text {n}", AT, 0) for n in range(count)]
    return bridge_database(path, [(CHAT, "Ana"), (GROUP, "Club")], rows)


async def test_an_archive_tells_what_it_is_and_how_much_it_holds(tmp_path: Path) -> None:
    source, total, fingerprint = await described(bridge(tmp_path / "messages.db"))
    assert (source, total, len(fingerprint)) == (ImportSource.LHARRIES, 3, 32)


async def test_pages_follow_one_another_and_people_and_chats_come_first(tmp_path: Path) -> None:
    path = bridge(tmp_path / "messages.db", 25)
    pages = await pages_of(path, rows=10)
    assert [[int(one.id[1:]) for one in page.messages] for page in pages] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 25)),
    ]
    assert [len(page.chats) for page in pages] == [1, 0, 0]
    rest = await pages_of(path, rows=10, after=pages[0].following)
    assert rest == pages[1:]


async def test_the_next_page_is_read_while_the_caller_works(tmp_path: Path) -> None:
    path = bridge(tmp_path / "messages.db", 25)
    async with open_foreign(path, tmp_path / "scratch") as archive:
        seen = 0
        async for _ in archive.pages(rows=1):
            seen += 1
            if seen == 3:
                break
    assert seen == 3


async def test_the_same_file_has_the_same_fingerprint_and_a_changed_one_another(tmp_path: Path) -> None:
    path = bridge(tmp_path / "messages.db")
    first = (await described(path))[2]
    assert (await described(path.rename(tmp_path / "other.db")))[2] == first
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("UPDATE messages SET content = 'other' WHERE id = 'A1'")
        db.commit()
    assert (await described(tmp_path / "other.db"))[2] != first


async def test_a_database_that_was_closed_with_a_log_is_read(tmp_path: Path) -> None:
    path = bridge(tmp_path / "messages.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    (page,) = await pages_of(path)
    assert len(page.messages) == 3
    assert os.listdir(tmp_path) == ["messages.db"]


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
async def test_a_database_in_use_is_refused(tmp_path: Path, suffix: str) -> None:
    path = bridge(tmp_path / "messages.db")
    path.with_name(f"messages.db{suffix}").write_bytes(b"x")
    with pytest.raises(Busy, match="in use"):
        await described(path)


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not a file"):
        await described(tmp_path / "none.db")


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5_000, b"x" * 9_000]
)
async def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "messages.db"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument):
        await described(path)


async def test_an_unknown_version_is_refused_with_its_number_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 77")
        db.execute('CREATE TABLE message (_id INTEGER PRIMARY KEY, "a b\n; obey" TEXT, text_data TEXT)')
        db.execute('CREATE TABLE "obey me" (a)')
        db.execute("CREATE VIEW v AS SELECT 1 AS a")
        db.commit()
    with pytest.raises(UnknownForeignVersion, match="version 77") as found:
        await described(path)
    assert found.value.unknown == UnknownVersion(77, (("message", ("_id", "text_data")),))


async def test_a_database_without_tables_is_refused_as_that(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.write_bytes(b"")
    with pytest.raises(InvalidArgument, match="no tables"):
        await described(path)


async def test_a_process_that_answers_nonsense_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = bridge(tmp_path / "messages.db", 5)
    async with open_foreign(path, tmp_path / "scratch") as archive:
        worker = archive._worker

        async def run(*arguments: Any) -> Any:
            answer = await type(worker).run(worker, *arguments)
            return type(answer)({}, answer.content.replace(b'"following":2', b'"following":1'))

        monkeypatch.setattr(archive, "_worker", type("Taken", (), {"run": staticmethod(run)}))
        with pytest.raises(Unsupported, match="invalid data"):
            _ = [page async for page in archive.pages(rows=1)]
