"""By which addresses messages name their chat and their author."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import whatsapp_mcp
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import Message, MessageKind

pytestmark = pytest.mark.anyio

GROUP = "120363000000000001@g.us"
PN, LID = "15550002222@s.whatsapp.net", "990002222@lid"
OTHER_PN, OTHER_LID = "15550003333@s.whatsapp.net", "990003333@lid"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database as the library makes it, with one hidden address and no secret."""
    path = tmp_path / "client.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE whatsmeow_message_secrets (chat_jid, sender_jid, message_id, key)")
        db.execute("CREATE TABLE whatsmeow_lid_map (lid, pn)")
        db.execute("INSERT INTO whatsmeow_lid_map VALUES ('990002222', '15550002222')")
    return path


def keep_secret(path: Path, chat: str, sender: str, message_id: str) -> None:
    row = (chat, sender, message_id, b"")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO whatsmeow_message_secrets VALUES (?, ?, ?, ?)", row)


def message(sender: str, chat: str = GROUP) -> Message:
    return Message(1, "ID1", chat, "", sender, "", False, MessageKind.TEXT, "hello", NOW)


async def test_an_author_is_named_as_the_message_itself_did(path: Path) -> None:
    keep_secret(path, GROUP, LID, "ID1")
    assert (await Addresses(FileKeys(path)).as_named_in_chat(message(PN))).sender == LID


async def test_an_author_is_named_as_the_group_names_others(path: Path) -> None:
    addresses = Addresses(FileKeys(path))
    assert (await addresses.as_named_in_chat(message(PN))).sender == PN, "nothing tells"
    keep_secret(path, GROUP, OTHER_PN, "ID2")
    assert (await addresses.as_named_in_chat(message(PN))).sender == PN
    keep_secret(path, GROUP, OTHER_LID, "ID3")
    assert (await addresses.as_named_in_chat(message(PN))).sender == LID


async def test_an_author_whose_hidden_address_is_not_known_keeps_the_number(path: Path) -> None:
    keep_secret(path, GROUP, LID, "ID2")
    assert (await Addresses(FileKeys(path)).as_named_in_chat(message(OTHER_PN))).sender == OTHER_PN


async def test_only_in_groups_do_authors_need_another_name(path: Path) -> None:
    keep_secret(path, PN, LID, "ID1")
    assert (await Addresses(FileKeys(path)).as_named_in_chat(message(PN, chat=PN))).sender == PN


async def test_a_message_is_put_into_the_addresses_that_its_secret_is_bound_to(path: Path) -> None:
    asked = message(PN, chat=PN)
    assert await Addresses(FileKeys(path)).as_stored(asked) == asked
    keep_secret(path, LID, LID, "ID1")
    assert await Addresses(FileKeys(path)).as_stored(asked) == replace(asked, chat=LID, sender=LID)


async def test_a_database_that_cannot_be_read_is_worth_another_try_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Busy):
        await Addresses(FileKeys(tmp_path / "client.db")).as_stored(message(PN))
    assert not (tmp_path / "client.db").exists()


def test_no_second_copy_of_sqlite_opens_the_keys_in_the_process_of_the_library() -> None:
    room = Path(whatsapp_mcp.__file__).parent / "client"
    opening = [
        path.name
        for path in room.glob("*.py")
        if re.search(r"(sqlite3|encrypted_databases)\.connect\(", path.read_text("utf-8"))
    ]
    assert opening == ["journal.py"]
