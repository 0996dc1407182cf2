"""Imports that somebody made to do harm: each is refused by name, or what is odd in it left out."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable, TooLong, Unsupported
from whatsapp_mcp.media import (
    Worker,
    bridge_pages,
    open_worker,
    read_chat_authors,
    read_chat_export,
    read_exported_file,
)
from whatsapp_mcp.media.bridge_database import bridge_page
from whatsapp_mcp.media.exports import chat_authors, chat_export, jobs, reader

pytestmark = pytest.mark.anyio

LINE = "[14/11/2023, 22:13:20] Ana: "
CHATS = "CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TIMESTAMP)"
MESSAGES = """CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP,
 is_from_me BOOLEAN, media_type TEXT, filename TEXT, url TEXT, media_key BLOB, file_sha256 BLOB,
 file_enc_sha256 BLOB, file_length INTEGER, PRIMARY KEY (id, chat_jid))"""
ENDLESS = """AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
 SELECT i AS id, i AS chat_jid, i AS sender, i AS content, i AS timestamp, 0 AS is_from_me, '' AS media_type,
 '' AS filename, '' AS url, x'' AS media_key, x'' AS file_sha256, x'' AS file_enc_sha256, i AS file_length,
 i AS jid, '' AS name FROM n"""


@pytest.fixture(scope="module")
async def worker() -> AsyncIterator[Worker]:
    async with open_worker() as opened:
        yield opened


def opened(content: bytes) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type]


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return made.getvalue()


def database(path: Path, *statements: str, rows: list[tuple[Any, ...]] | None = None) -> bytes:
    """A database of these tables; its rows are of `messages`."""
    with closing(sqlite3.connect(path)) as db:
        for statement in statements or (CHATS, MESSAGES):
            db.execute(statement)
        if rows:
            db.executemany(f"INSERT INTO messages VALUES ({', '.join('?' * 13)})", rows)
        db.commit()
    return path.read_bytes()


def row(
    wa_id: Any = "A1", chat: Any = "1@g.us", text: Any = "hi", at: Any = "2023-11-14 22:13:20", **more: Any
) -> Any:
    return (
        wa_id, chat, more.get("sender", "15550000001"), text, at, more.get("from_me", 0), more.get("media"),
        more.get("name"), more.get("url"), more.get("key"), None, None, more.get("size"),
    )  # fmt: skip


def page_of(content: bytes, after: int | None = None, rows: int = 10) -> dict[str, Any]:
    return json.loads(bridge_page(opened(content), {"after": after, "rows": rows})[1])


# A chat that WhatsApp exported.


async def test_a_text_that_expands_without_end_is_refused(worker: Worker) -> None:
    bomb = packed({"_chat.txt": b"a" * (jobs.TEXT_BYTES + 1)})
    with pytest.raises(TooLong, match="67 MB"):
        await read_chat_export(worker, opened(bomb))
    bomb = packed({"_chat.txt": b"a" * 10_000_000})
    with pytest.raises(TooLong, match="100-fold"):
        await read_chat_export(worker, opened(bomb))


async def test_a_text_whose_zip_lies_of_its_size_is_refused(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed({"_chat.txt": (LINE + "hi\n").encode() * 200_000})
    directory = content.rindex(b"PK\x01\x02")
    lie = content[: directory + 24] + struct.pack("<I", 999) + content[directory + 28 :]
    with pytest.raises(Unsupported):
        await read_chat_export(worker, opened(lie))
    monkeypatch.setattr(jobs, "TEXT_BYTES", 1_000)
    text = io.BytesIO((LINE + "hi\n").encode() * 200)
    with pytest.raises(TooLong):
        chat_export(cast(BinaryIO, text), {})


async def test_a_zip_of_too_many_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ENTRIES", 3)
    with pytest.raises(TooLong, match="3 entries"):
        chat_export(opened(packed({f"{n}.jpg": b"" for n in range(4)})), {})


@pytest.mark.parametrize(
    ("entries", "method"),
    [({"notes.md": b"x"}, zipfile.ZIP_STORED), ({"_chat.txt": LINE.encode()}, zipfile.ZIP_BZIP2)],
)
async def test_a_zip_that_whatsapp_did_not_make_is_refused(entries: dict[str, bytes], method: int) -> None:
    with pytest.raises(InvalidArgument):
        chat_export(opened(packed(entries, method)), {})


@pytest.mark.parametrize("damage", ["encrypted", "cut", "overlapping"])
async def test_a_broken_zip_has_a_named_error(worker: Worker, damage: str) -> None:
    content = bytearray(packed({"_chat.txt": (LINE + "hi\n").encode() * 50, "a.jpg": b"x" * 100}))
    directory = content.index(b"PK\x01\x02")
    if damage == "encrypted":
        content[directory + 8] |= 1
    elif damage == "cut":
        content[60:90] = b"\xff" * 30
    else:
        content[directory + 42] = 1
    with pytest.raises(Unsupported):
        await read_chat_export(worker, opened(bytes(content)))


async def test_lines_and_messages_are_cut(worker: Worker) -> None:
    line = (LINE + "x" * 5_000_000 + "\n" + LINE + "next\n").encode()
    first, second = await read_chat_export(worker, opened(packed({"_chat.txt": line}, zipfile.ZIP_STORED)))
    assert len(first.text) <= jobs.LINE
    assert second.text == "next"
    many = (LINE + "first\n" + "y" * 50 + "\n").encode() + b"y\n" * 500_000
    (whole,) = await read_chat_export(worker, opened(many))
    assert len(whole.text) <= jobs.LINE
    assert whole.text.startswith("first\nyyy")


async def test_an_export_of_too_many_messages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsapp_mcp.media.exports.exported_text.MESSAGES", 3)
    with pytest.raises(TooLong, match="3 messages"):
        chat_export(opened((LINE + "hi\n").encode() * 4), {})


async def test_what_is_no_text_is_read_as_far_as_it_goes(worker: Worker) -> None:
    content = LINE.encode() + b"caf\xff\x00\n" + b"\xff\xfe" * 100
    (message,) = await read_chat_export(worker, opened(content))
    assert message.text.startswith("caf\ufffd\0\n")


async def test_who_wrote_in_an_export_is_counted(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        (LINE + "hi\n") * 2 + LINE.replace("Ana", "~ Max") + "x\n" + LINE.removesuffix("Ana: ") + "Ana left\n"
    )
    assert await read_chat_authors(worker, opened(packed({"_chat.txt": said.encode()}))) == {
        "Ana": 2,
        "Max": 1,
    }
    monkeypatch.setattr(jobs, "AUTHORS", 1)
    with pytest.raises(TooLong, match="1 people"):
        chat_authors(opened(said.encode()), {})


async def test_a_file_of_the_zip_has_a_bound(worker: Worker) -> None:
    photo = bytes(range(256)) * 400
    content = opened(packed({"_chat.txt": LINE.encode(), "a.jpg": photo, "b.jpg": b"\0" * 50_000_000}))
    assert await read_exported_file(worker, content, "a.jpg", 200_000) == photo
    for name, limit, error in (
        ("a.jpg", 1_000, TooLong),
        ("b.jpg", 100_000_000, TooLong),
        ("c.jpg", 1_000, MediaUnavailable),
        ("../../etc/passwd", 1_000, MediaUnavailable),
    ):
        with pytest.raises(error):
            await read_exported_file(worker, content, name, limit)


# The database of the bridge.


async def test_pages_of_rows_come_in_the_order_of_arrival(worker: Worker, tmp_path: Path) -> None:
    rows = [row(f"A{n}") for n in range(25)]
    content = database(tmp_path / "messages.db", rows=rows)
    assert [message["id"] for message in page_of(content)["messages"]] == [f"A{n}" for n in range(10)]
    assert page_of(content, after=20)["following"] is None
    (page,) = [page async for page in bridge_pages(worker, opened(content))]
    assert page.messages[24].id == "A24"


async def test_a_database_that_keeps_a_log_beside_it_is_read(tmp_path: Path) -> None:
    database(tmp_path / "messages.db", "PRAGMA journal_mode = WAL", CHATS, MESSAGES, rows=[row()])
    assert len(page_of((tmp_path / "messages.db").read_bytes())["messages"]) == 1


@pytest.mark.parametrize(
    "statements",
    [
        (CHATS, f"CREATE VIEW messages {ENDLESS}"),
        (MESSAGES, f"CREATE VIEW chats {ENDLESS}"),
        (CHATS, "CREATE VIRTUAL TABLE messages USING fts5(id, chat_jid, content)"),
        (CHATS,),
    ],
)
async def test_what_is_no_plain_table_is_refused(worker: Worker, tmp_path: Path, statements: Any) -> None:
    content = database(tmp_path / "messages.db", *statements)
    with pytest.raises(InvalidArgument, match="not a messages"):
        _ = [page async for page in bridge_pages(worker, opened(content))]


async def test_a_column_that_is_computed_when_it_is_read_is_refused(tmp_path: Path) -> None:
    computed = MESSAGES.replace("content TEXT", "content TEXT AS (hex(zeroblob(9000000)))")
    content = database(tmp_path / "messages.db", CHATS, computed)
    with pytest.raises(InvalidArgument):
        page_of(content)


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5_000, b"x" * 9_000]
)
async def test_what_is_no_database_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgument):
        page_of(content)


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    content = bytearray(database(tmp_path / "messages.db", rows=[row(f"A{n}" * 50) for n in range(300)]))
    content[4096 * 3 : 4096 * 3 + 200] = b"\xa5" * 200
    with pytest.raises(InvalidArgument):
        page_of(bytes(content))


async def test_a_database_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("whatsapp_mcp.media.bridge_database.MOST_BYTES", 8_192)
    with pytest.raises(TooLong):
        page_of(database(tmp_path / "messages.db"))


async def test_rows_of_other_types_are_skipped_and_odd_parts_left_out(tmp_path: Path) -> None:
    rows = [
        row(b"A1"), row("A3", text=b"\xff"), row("A4", at=1_700_000_000), row("A5", from_me="no"),
        row("B1", media=b"image", name=b"\xff", url=b"x", key="text", size="large", sender=b"\x00"),
        row("B2", key=b"k" * 32, size=9, media="image", name="a.jpg"),
    ]  # fmt: skip
    page = page_of(database(tmp_path / "messages.db", rows=rows))
    assert page["skipped"] == 4
    odd, even = page["messages"]
    assert {odd[part] for part in ("media_type", "file_name", "url", "media_key", "size")} == {None}
    assert odd["sender"] == ""
    assert (even["media_type"], even["file_name"], even["size"]) == ("image", "a.jpg", 9)


async def test_a_process_that_answers_nonsense_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        async def run(self, *_: Any, **__: Any) -> Any:
            return reader.Answer({}, b'[{"at": "now", "name": {}}]')

    taken = cast(Worker, Taken())
    with pytest.raises(Unsupported, match="invalid data"):
        await read_chat_export(taken, opened(b""))
    with pytest.raises(Unsupported, match="invalid data"):
        _ = [page async for page in bridge_pages(taken, opened(b""))]
