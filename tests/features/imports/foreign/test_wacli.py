"""The store of wacli, of several versions, through the confined process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.features.imports.backups.wacli import AT, SCHEMAS, store
from tests.features.imports.foreign.archives import described, pages_of
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ForeignVote,
    ImportSource,
    MessageKind,
    Unreadable,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

ANA = "15550000001@s.whatsapp.net"
BOB = "15550000002@s.whatsapp.net"
OWNER = "15550009999@s.whatsapp.net"
CLUB = "120363000000000001@g.us"


def said(wa_id: str, text: str | None = "hi", **more: Any) -> dict[str, Any]:
    return {"msg_id": wa_id, "chat_jid": ANA, "sender_jid": ANA, "text": text, **more}


async def only_page(path: Path) -> ForeignPage:
    (page,) = await pages_of(path, owner=OWNER)
    return page


@pytest.mark.parametrize("version", SCHEMAS)
async def test_each_version_is_read(tmp_path: Path, version: str) -> None:
    path = store(
        tmp_path / "wacli.db",
        version,
        [said("A1"), said("A2", "yes", sender_jid=OWNER, from_me=1), said("A3", "all", chat_jid=CLUB)],
        chats=[{"jid": ANA, "kind": "dm", "name": "Ana"}, {"jid": CLUB, "kind": "group", "name": "Club"}],
        contacts=[
            {"jid": ANA, "push_name": "ana!", "full_name": "Ana Lee", "first_name": "Ana"},
            {"jid": BOB, "push_name": "Bob", "business_name": "Bob's"},
        ],
        contact_aliases=[{"jid": ANA, "alias": "Mum", "updated_at": AT}],
        groups=[{"jid": CLUB, "name": "The Club"}],
        group_participants=[
            {"group_jid": CLUB, "user_jid": ANA, "role": "superadmin"},
            {"group_jid": CLUB, "user_jid": BOB, "role": "member"},
        ],
    )
    source, total, _ = await described(path)
    assert (source, total) == (ImportSource.WACLI, 3)
    page = await only_page(path)
    assert page.messages == (
        ForeignMessage("A1", ANA, ANA, AT, text="hi"),
        ForeignMessage("A2", ANA, None, AT, text="yes"),
        ForeignMessage("A3", CLUB, ANA, AT, text="all"),
    )
    assert page.people == (
        ForeignPerson(ANA, saved_name="Mum", push_name="ana!"),
        ForeignPerson(BOB, business_name="Bob's", push_name="Bob"),
    )
    assert page.chats == (ForeignChat(CLUB, "The Club", ((ANA, 2), (BOB, 0))),)


async def test_files_come_with_what_their_download_needs_and_where_they_lie(tmp_path: Path) -> None:
    file = {
        "direct_path": "/v/1.enc",
        "media_key": b"k" * 32,
        "file_sha256": b"s" * 32,
        "file_enc_sha256": b"e" * 32,
        "file_length": 9,
    }
    path = store(
        tmp_path / "wacli.db",
        messages=[
            said(
                "A1",
                "a caption",
                media_type="image",
                mime_type="image/jpeg",
                media_caption="a caption",
                **file,
            ),
            said(
                "A2",
                "[Audio]",
                media_type="audio",
                mime_type="audio/ogg; codecs=opus",
                media_caption="[Audio]",
                local_path=f"/home/max/.wacli/media/{ANA}/A2/audio/message-A2.ogg",
            ),
            said("A3", None, media_type="gif", mime_type="video/mp4"),
        ],
    )
    image, voice, gif = (await only_page(path)).messages
    assert image.file == ForeignFile(
        "image",
        "image/jpeg",
        size=9,
        direct_path="/v/1.enc",
        media_key=b"k" * 32,
        sha256=b"s" * 32,
        enc_sha256=b"e" * 32,
    )
    assert (image.text, voice.text, voice.kind) == ("a caption", "", MessageKind.VOICE)
    assert voice.file is not None
    assert voice.file.path == f"media/{ANA}/A2/audio/message-A2.ogg"
    assert gif.kind is MessageKind.GIF


async def test_reactions_are_part_of_their_message_and_the_newest_of_each_person_counts(
    tmp_path: Path,
) -> None:
    def reaction(wa_id: str, who: str, emoji: str, at: int, **more: Any) -> dict[str, Any]:
        return said(
            wa_id, None, sender_jid=who, reaction_to_id="A1", reaction_emoji=emoji, ts=AT + at, **more
        )

    path = store(
        tmp_path / "wacli.db",
        "0.7",
        [
            said("A1"),
            reaction("R1", ANA, "👍", 1),
            reaction("R2", ANA, "🎉", 2),
            reaction("R3", BOB, "👎", 1),
            reaction("R4", BOB, "", 2),
            reaction("R5", OWNER, "❤️", 3, from_me=1),
            said("A2", is_forwarded=1),
        ],
        starred=[{"chat_jid": ANA, "msg_id": "A2", "starred_at": AT}],
    )
    page = await only_page(path)
    first, second = page.messages
    assert first.reactions == (
        ForeignReaction(ANA, "🎉", 1000 * (AT + 2)),
        ForeignReaction(None, "❤️", 1000 * (AT + 3)),
    )
    assert (second.starred, second.forwarded, first.starred) == (True, True, False)
    assert (page.read, page.unreadable) == (7, {})


async def test_polls_places_calls_edits_and_quotes_are_read(tmp_path: Path) -> None:
    path = store(
        tmp_path / "wacli.db",
        messages=[
            said("P1", "Poll: Lunch?"),
            said("V1", "Poll vote"),
            said("L1", None, media_type="location", media_caption="Café"),
            said("C1", None),
            said("E1", "better", quoted_msg_id="P1", edited=1, edited_ts=AT + 60),
        ],
        polls=[
            {
                "chat_jid": ANA,
                "msg_id": "P1",
                "question": "Lunch?",
                "options_json": '["Pizza", "Soup"]',
                "created_ts": AT,
            }
        ],
        poll_votes=[
            {
                "chat_jid": ANA,
                "poll_msg_id": "P1",
                "voter_jid": who,
                "vote_msg_id": "V1",
                "selected_options_json": chosen,
                "ts": AT + 1,
            }
            for who, chosen in (
                (OWNER, '["Soup"]'),
                (BOB, '{"selected": ["Pizza", "Soup"], "unknown_hashes": ["ff"]}'),
            )
        ],
        message_locations=[
            {
                "chat_jid": ANA,
                "msg_id": "L1",
                "latitude": 1.25,
                "longitude": -2,
                "name": "Café",
                "address": "Main St",
            }
        ],
        call_events=[
            {
                "chat_jid": ANA,
                "call_id": "C1",
                "msg_id": "C1",
                "event_type": "call_log",
                "media": "video",
                "outcome": "connected",
                "duration_secs": 61,
                "ts": AT,
            }
        ],
    )
    page = await only_page(path)
    poll, place, call, edited = page.messages
    assert (poll.kind, poll.text, poll.details) == (
        MessageKind.POLL,
        "Lunch?",
        {"options": ["Pizza", "Soup"], "choose": 1},
    )
    assert {*poll.votes} == {
        ForeignVote(None, (1,), 1000 * (AT + 1)),
        ForeignVote(BOB, (0, 1), 1000 * (AT + 1)),
    }
    assert (place.kind, place.text) == (MessageKind.LOCATION, "Café, Main St")
    assert place.details == {"latitude": 1.25, "longitude": -2.0}
    assert call.details == {"call": {"video": True, "outcome": "connected", "duration": 61}}
    assert (edited.reply_to, edited.edited_at_ms) == ("P1", 1000 * (AT + 60))
    assert page.unreadable == {Unreadable.EMPTY: 1}


async def test_a_message_deleted_for_everyone_is_told_and_one_deleted_for_oneself_left_out(
    tmp_path: Path,
) -> None:
    path = store(
        tmp_path / "wacli.db",
        messages=[
            said("A1", revoked=1, deleted_at=AT + 5),
            said("A2", None, revoked=1),
            said("A3", deleted_for_me=1),
        ],
    )
    page = await only_page(path)
    assert [(one.id, one.revoked_at) for one in page.messages] == [("A1", AT + 5), ("A2", AT)]
    assert page.unreadable == {Unreadable.DELETED: 1}


async def test_what_is_odd_in_a_row_is_counted(tmp_path: Path) -> None:
    path = store(
        tmp_path / "wacli.db",
        messages=[
            said("A1", ts="soon"),
            said("A2", None),
            said("A3", from_me=7),
            said("A4", sender_jid=b"\0", media_type="hologram", file_length="large"),
        ],
        polls=[
            {"chat_jid": ANA, "msg_id": "A5", "question": "?", "options_json": "[" * 90_000, "created_ts": AT}
        ],
    )
    page = await only_page(path)
    assert page.unreadable == {Unreadable.NO_TIME: 1, Unreadable.EMPTY: 1, Unreadable.DAMAGED: 1}
    (odd,) = page.messages
    assert (odd.sender, odd.kind, odd.file) == (ANA, MessageKind.DOCUMENT, ForeignFile("document"))
