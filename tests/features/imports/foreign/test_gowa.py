"""GOWA's chat storage, of several versions, through the confined process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.features.imports.backups.gowa import AT, AT_SECONDS, DEVICE, SCHEMAS, storage
from tests.features.imports.foreign.archives import described, pages_of
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ImportSource,
    MessageKind,
    Unreadable,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

ANA = "15550000001@s.whatsapp.net"
CLUB = "120363000000000001@g.us"
OTHER = "15550008888@s.whatsapp.net"


async def only_page(path: Path, owner: str | None = DEVICE) -> ForeignPage:
    (page,) = await pages_of(path, owner=owner)
    return page


@pytest.mark.parametrize("version", SCHEMAS)
async def test_each_version_is_read(tmp_path: Path, version: str) -> None:
    path = storage(
        tmp_path / "chatstorage.db",
        version,
        chats=[(ANA, "Ana"), (CLUB, "Club")],
        messages=[
            {"id": "A1", "chat_jid": ANA, "sender": ANA, "content": "hi"},
            {"id": "A2", "chat_jid": ANA, "sender": DEVICE, "content": "yes", "is_from_me": 1},
            {"id": "A3", "chat_jid": CLUB, "sender": "271515252437056:3@lid", "content": "all"},
        ],
    )
    source, total, _ = await described(path)
    assert (source, total) == (ImportSource.GOWA, 3)
    page = await only_page(path)
    assert page.messages == (
        ForeignMessage("A1", ANA, ANA, AT_SECONDS, text="hi"),
        ForeignMessage("A2", ANA, None, AT_SECONDS, text="yes"),
        ForeignMessage("A3", CLUB, "271515252437056:3@lid", AT_SECONDS, text="all"),
    )
    assert page.people == (ForeignPerson(ANA, push_name="Ana"),)
    assert page.chats == (ForeignChat(CLUB, "Club"),)


async def test_files_come_with_what_their_download_needs(tmp_path: Path) -> None:
    file = {
        "chat_jid": ANA,
        "sender": ANA,
        "filename": "made-up.jpg",
        "url": "https://mmg.whatsapp.net/v/1.enc",
        "direct_path": "/v/1.enc",
        "media_key": b"k" * 32,
        "file_sha256": b"s" * 32,
        "file_enc_sha256": b"e" * 32,
        "file_length": 9,
    }
    kinds = ("image", "video_note", "audio", "document", "sticker")
    path = storage(
        tmp_path / "chatstorage.db",
        messages=[{"id": f"A{n}", "media_type": kind, **file} for n, kind in enumerate(kinds)],
    )
    messages = (await only_page(path)).messages
    assert [one.kind for one in messages] == [
        *(MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.AUDIO, MessageKind.DOCUMENT, MessageKind.STICKER)
    ]
    assert messages[0].file == ForeignFile(
        "image",
        size=9,
        direct_path="/v/1.enc",
        url="https://mmg.whatsapp.net/v/1.enc",
        media_key=b"k" * 32,
        sha256=b"s" * 32,
        enc_sha256=b"e" * 32,
    )
    assert messages[1].details == {"round": True}
    assert messages[3].file is not None
    assert messages[3].file.name == "made-up.jpg"


async def test_reactions_edits_and_calls_come_with_their_messages(tmp_path: Path) -> None:
    call = {"chat_jid": ANA, "sender": ANA, "content": "Incoming call", "media_type": "call"}
    path = storage(
        tmp_path / "chatstorage.db",
        messages=[
            {"id": "A1", "chat_jid": ANA, "sender": ANA, "content": "new text"},
            {"id": "call:C0FFEE", **call, "call_metadata": '{"auto_rejected":true,"call_id":"C0FFEE"}'},
            {"id": "call:1700000000000000000", **call},
        ],
        message_reactions=[
            {
                "message_id": "A1",
                "chat_jid": ANA,
                "reactor_jid": ANA,
                "emoji": "👍",
                "reaction_timestamp": AT,
            },
            {
                "message_id": "A1",
                "chat_jid": ANA,
                "reactor_jid": DEVICE,
                "emoji": "🎉",
                "is_from_me": 1,
                "reaction_timestamp": "2023-11-14 22:13:20.5-03:00",
            },
            {
                "message_id": "A1",
                "chat_jid": CLUB,
                "reactor_jid": "x@lid",
                "emoji": "👎",
                "reaction_timestamp": AT,
            },
        ],
        message_edits=[
            {"original_message_id": "A1", "edit_event_id": f"E{n}", "chat_jid": ANA, "edited_at": at}
            for n, at in enumerate(("2023-11-14 22:20:00+00:00", "2023-11-14 22:14:00+00:00"))
        ],
    )
    page = await only_page(path)
    edited, rejected = page.messages
    assert edited.edited_at_ms == 1_700_000_400_000
    assert edited.reactions == (
        ForeignReaction(ANA, "👍", 1_700_000_000_000),
        ForeignReaction(None, "🎉", 1_700_010_800_500),
    )
    assert (rejected.id, rejected.kind, rejected.text) == ("C0FFEE", MessageKind.CALL, "")
    assert rejected.details == {"call": {"video": False, "outcome": "rejected"}}
    assert page.unreadable == {Unreadable.NO_ID: 1}


@pytest.mark.parametrize(
    ("devices", "read", "left_out"),
    [
        ([], ["A1", "A3"], 1),
        ([{"device_id": "work", "jid": OTHER}], ["A1"], 2),
        ([{"device_id": "shop", "jid": f"{DEVICE.replace('@', ':4@')}"}], ["A1", "A3"], 1),
    ],
)
async def test_only_the_messages_of_the_owners_account_are_read(
    tmp_path: Path, devices: list[dict[str, Any]], read: list[str], left_out: int
) -> None:
    message = {"chat_jid": ANA, "sender": ANA, "content": "hi"}
    path = storage(
        tmp_path / "chatstorage.db",
        messages=[
            {"id": "A1", **message},
            {"id": "A2", **message, "device_id": OTHER},
            {"id": "A3", **message, "device_id": "shop"},
        ],
        devices=devices,
    )
    page = await only_page(path)
    assert [one.id for one in page.messages] == read
    assert page.unreadable == {Unreadable.OTHER_ACCOUNT: left_out}
    with pytest.raises(InvalidArgument, match="several accounts"):
        await described(path)


async def test_what_is_odd_in_a_row_is_counted(tmp_path: Path) -> None:
    message = {"chat_jid": ANA, "sender": ANA, "content": "hi"}
    path = storage(
        tmp_path / "chatstorage.db",
        chats=[(CLUB, "Group 120363000000000001"), (ANA, "15550000001"), ("status@broadcast", "Status")],
        messages=[
            {"id": "A1", **message, "timestamp": "soon"},
            {"id": b"A2", **message},
            {"id": "A3", **message, "content": ""},
            {"id": "A4", **message, "is_from_me": "x"},
            {"id": "A5", **message, "sender": b"\0", "media_type": "hologram", "file_length": "large"},
        ],
    )
    page = await only_page(path)
    assert page.unreadable == {Unreadable.NO_TIME: 1, Unreadable.DAMAGED: 2, Unreadable.EMPTY: 1}
    (odd,) = page.messages
    assert (odd.sender, odd.kind, odd.file) == (ANA, MessageKind.DOCUMENT, ForeignFile("document", name=None))
    assert (page.chats, page.people, page.read) == ((ForeignChat(CLUB),), (ForeignPerson(ANA),), 5)
