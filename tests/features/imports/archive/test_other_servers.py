"""Stores of other servers in the archive: what they keep is shown as what came by WhatsApp is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archive.events import NOON
from tests.features.imports.archive.importing import import_archive
from tests.features.imports.backups import gowa, wacli
from whatsapp_mcp.archive import Archive, recording

pytestmark = pytest.mark.anyio

ANA = "15550000001@s.whatsapp.net"
BOB = "15550000002@s.whatsapp.net"
CLUB = "120363000000000001@g.us"


async def test_a_store_of_gowa_is_taken_over(archive: Archive, tmp_path: Path) -> None:
    await archive.write(recording.set_own, gowa.DEVICE, None, "Max")
    path = gowa.storage(
        tmp_path / "chatstorage.db",
        chats=[(CLUB, "Club"), (ANA, "Ana")],
        messages=[
            {"id": "A1", "chat_jid": CLUB, "sender": ANA, "content": "hi all"},
            {"id": "A2", "chat_jid": CLUB, "sender": gowa.DEVICE, "content": "yes", "is_from_me": 1},
            {"id": "call:C0FFEE", "chat_jid": ANA, "sender": ANA, "media_type": "call"},
            {"id": "A4", "chat_jid": ANA, "sender": ANA, "content": "x", "device_id": BOB},
        ],
        message_reactions=[
            {
                "message_id": "A1",
                "chat_jid": CLUB,
                "reactor_jid": gowa.DEVICE,
                "emoji": "👍",
                "is_from_me": 1,
                "reaction_timestamp": gowa.AT,
            }
        ],
    )
    result = await import_archive(archive, path, gowa.DEVICE)
    assert (result.messages, result.skipped) == (3, 1)
    first, mine = (await archive.message("A1")), (await archive.message("A2"))
    assert (first.chat_name, first.sender_name, first.imported, mine.from_me) == ("Club", "Ana", True, True)
    assert [(one.emoji, one.from_me) for one in first.reactions] == [("👍", True)]
    assert (await archive.message("C0FFEE")).text == "Voice call"
    assert (await import_archive(archive, path, gowa.DEVICE)).messages == 0
    assert await archive.check() == ()


async def test_a_store_of_wacli_is_taken_over(archive: Archive, tmp_path: Path) -> None:
    own = "10000@s.whatsapp.net"
    await archive.write(recording.set_own, own, None, "Max")
    said = {"chat_jid": CLUB, "sender_jid": ANA, "ts": NOON}
    path = wacli.store(
        tmp_path / "wacli.db",
        messages=[
            {"msg_id": "P1", "text": "Poll: Lunch?", **said},
            {
                "msg_id": "E1",
                "text": "better",
                "quoted_msg_id": "P1",
                "edited": 1,
                "edited_ts": NOON + 9,
                **said,
            },
            {"msg_id": "D1", "text": "gone", "revoked": 1, "deleted_at": NOON + 9, **said},
            {"msg_id": "L1", "media_type": "location", **said},
            {"msg_id": "R1", "reaction_to_id": "E1", "reaction_emoji": "👍", **said, "sender_jid": BOB},
        ],
        chats=[{"jid": CLUB, "kind": "group", "name": "Club"}],
        groups=[{"jid": CLUB, "name": "Club"}],
        group_participants=[{"group_jid": CLUB, "user_jid": jid, "role": "admin"} for jid in (ANA, BOB)],
        contacts=[{"jid": ANA, "full_name": "Ana Lee"}],
        polls=[
            {
                "chat_jid": CLUB,
                "msg_id": "P1",
                "question": "Lunch?",
                "options_json": '["Pizza", "Soup"]',
                "created_ts": NOON,
            }
        ],
        poll_votes=[
            {
                "chat_jid": CLUB,
                "poll_msg_id": "P1",
                "voter_jid": own,
                "vote_msg_id": "V1",
                "selected_options_json": '["Soup"]',
                "ts": NOON + 1,
            }
        ],
        message_locations=[
            {"chat_jid": CLUB, "msg_id": "L1", "latitude": 1.5, "longitude": 2, "name": "Café"}
        ],
    )
    result = await import_archive(archive, path, own)
    assert (result.messages, result.skipped) == (4, 0)
    poll, edited, gone, place = [await archive.message(wa_id) for wa_id in ("P1", "E1", "D1", "L1")]
    assert poll.text == "Lunch?"
    assert [(one.name, [who.from_me for who in one.voters]) for one in poll.poll] == [
        ("Pizza", []),
        ("Soup", [True]),
    ]
    assert (edited.text, edited.sender_name, edited.edited_at is not None) == ("better", "Ana Lee", True)
    assert [(one.emoji, one.from_me) for one in edited.reactions] == [("👍", False)]
    assert (gone.revoked_at is not None, place.text) == (True, "Café")
    assert len(await archive.members(CLUB)) == 2
    assert await archive.check() == ()
