"""The `messages.db` of lharries' bridge, as it is and as somebody may have forged it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.features.imports.backups.lharries import bridge_database
from tests.features.imports.foreign.archives import pages_of
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign import UnknownForeignVersion
from whatsapp_mcp.models import ForeignChat, ForeignFile, MessageKind, Unreadable

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

ANA = "15550000001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
AT = "2023-11-14 22:13:20+00:00"
CHATS = "CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TIMESTAMP)"
MESSAGES = """CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP,
 is_from_me BOOLEAN, media_type TEXT, filename TEXT, url TEXT, media_key BLOB, file_sha256 BLOB,
 file_enc_sha256 BLOB, file_length INTEGER, PRIMARY KEY (id, chat_jid))"""
ENDLESS = """AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
 SELECT i AS id, i AS chat_jid, i AS sender, i AS content, i AS timestamp, 0 AS is_from_me, '' AS media_type,
 '' AS filename, '' AS url, x'' AS media_key, x'' AS file_sha256, x'' AS file_enc_sha256, i AS file_length,
 i AS jid, '' AS name FROM n"""


def made(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    return path


async def test_messages_come_with_what_the_bridge_keeps(tmp_path: Path) -> None:
    file = ("image", "a.jpg", "https://mmg.whatsapp.net/d/f/1.enc", b"k", b"s", b"e", 9)
    path = bridge_database(
        tmp_path / "messages.db",
        [(GROUP, "Club"), (ANA, "Ana"), ("4917199999999@lid", None)],
        [
            ("A1", GROUP, "15550000001", "hi", AT, 0, *file),
            ("A2", GROUP, "4917199999999", "from a LID", AT, 0),
            ("A3", GROUP, "80001", "from one or the other", AT, 0),
            ("A4", GROUP, "10000", "mine", AT, 1),
            ("A5", ANA, "", "hers", "2023-11-14T19:13:20-03:00", 0),
        ],
    )
    (page,) = await pages_of(path)
    assert [one.sender for one in page.messages] == [ANA, "4917199999999@lid", "80001", None, ANA]
    assert {one.at for one in page.messages} == {1_700_000_000}
    assert page.chats == (ForeignChat(GROUP, "Club"),)
    photo = page.messages[0]
    assert (photo.kind, photo.text) == (MessageKind.IMAGE, "hi")
    assert photo.file == ForeignFile(
        "image",
        name="a.jpg",
        size=9,
        url="https://mmg.whatsapp.net/d/f/1.enc",
        media_key=b"k",
        sha256=b"s",
        enc_sha256=b"e",
        path=f"{GROUP}/a.jpg",
    )


async def test_rows_of_other_types_are_counted_and_odd_parts_left_out(tmp_path: Path) -> None:
    odd: list[tuple[Any, ...]] = [
        (b"A1", ANA, "x", "hi", AT, 0),
        ("A3", ANA, "x", b"\xff", AT, 0),
        ("A4", ANA, "x", "hi", 1_700_000_000, 0),
        ("A5", ANA, "x", "hi", AT, "no"),
        ("A6", ANA, "x", "hi", "soon", 0),
        ("A" * 600, ANA, "x", "hi", AT, 0),
        ("A7", "1" * 600, "x", "hi", AT, 0),
        ("B1", ANA, b"\0", "hi", AT, 0, "image", b"\xff", b"x", "text", None, None, "large"),
    ]
    (page,) = await pages_of(bridge_database(tmp_path / "messages.db", [], odd))
    assert page.unreadable == {
        Unreadable.DAMAGED: 4,
        Unreadable.NO_TIME: 1,
        Unreadable.NO_ID: 1,
        Unreadable.NO_CHAT: 1,
    }
    (kept,) = page.messages
    assert (kept.sender, kept.file) == (ANA, ForeignFile("image"))


@pytest.mark.parametrize(
    "statements",
    [
        (CHATS, f"CREATE VIEW messages {ENDLESS}"),
        (MESSAGES, f"CREATE VIEW chats {ENDLESS}"),
        (CHATS, "CREATE VIRTUAL TABLE messages USING fts5(id, chat_jid, content)"),
        (CHATS, MESSAGES.replace("content TEXT", "content TEXT AS (hex(zeroblob(9000000)))")),
        (CHATS,),
    ],
)
async def test_what_is_no_plain_table_is_not_looked_at(tmp_path: Path, statements: tuple[str, ...]) -> None:
    with pytest.raises(UnknownForeignVersion):
        await pages_of(made(tmp_path / "messages.db", *statements))


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    rows = [(f"A{n}" * 50, ANA, "x", "hi", AT, 0) for n in range(300)]
    path = bridge_database(tmp_path / "messages.db", [], rows)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 3 + 200] = b"\xa5" * 200
    path.write_bytes(content)
    with pytest.raises(InvalidArgument):
        await pages_of(path)
