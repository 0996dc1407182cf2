"""`msgstore.db` through the confined process: each field of each kind of message, in each version."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.features.imports.backups.android import AT, Backup, contacts, digest
from tests.features.imports.backups.android_schemas import V2016, V2020, V2021, V2025, VERSIONS, Version
from tests.features.imports.backups.encrypting import encrypted, key_file
from tests.features.imports.foreign.archives import described, pages_of
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ForeignReceipt,
    ForeignVote,
    ImportSource,
    MessageKind,
    Unreadable,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

ANA, BEN, LID = "15550000001@s.whatsapp.net", "15550000002@s.whatsapp.net", "7777777777@lid"
GROUP, STATUS = "120363000000000001@g.us", "status@broadcast"
AT_1: Final = AT // 1_000 + 1
"""Seconds: when the first message was written."""
NEW: Final = (V2021, V2025)
OLD: Final = (V2016, V2020)
CARD: Final = "BEGIN:VCARD\nVERSION:3.0\nFN:Cara C\nTEL;type=CELL:+1 555 000 0003\nEND:VCARD"


async def read(backup: Backup, **more: Any) -> ForeignPage:
    """The one page of a backup."""
    (page,) = [page for page in await pages_of(backup.path, **more) if page.read or page.people]
    return page


async def one(backup: Backup) -> ForeignMessage:
    """The one message of a backup."""
    page = await read(backup)
    assert page.unreadable == {}
    (message,) = page.messages
    return message


@pytest.fixture(params=VERSIONS, ids=lambda version: str(version.year))
def version(request: pytest.FixtureRequest) -> Version:
    return request.param


@pytest.fixture(params=NEW, ids=lambda version: str(version.year))
def new(request: pytest.FixtureRequest) -> Version:
    return request.param


# In every version.


async def test_each_version_is_known_and_counted_without_the_row_that_begins_it(
    tmp_path: Path, version: Version
) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", "hi")
    source, total, _ = await described(backup.path)
    assert (source, total) == (ImportSource.ANDROID, 1)


async def test_a_text_of_another_and_of_the_owner(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", "hi \U0001f44b")
        backup.message(ANA, "A2", "hello", from_me=1)
        backup.message(GROUP, "A3", "all", sender=BEN)
        backup.message(STATUS, "A4", "seen", sender=ANA)
    page = await read(backup)
    assert page.messages == (
        ForeignMessage("A1", ANA, ANA, AT_1, text="hi \U0001f44b"),
        ForeignMessage("A2", ANA, None, AT_1 + 1, text="hello"),
        ForeignMessage("A3", GROUP, BEN, AT_1 + 2, text="all"),
        ForeignMessage("A4", STATUS, ANA, AT_1 + 3, text="seen"),
    )


async def test_a_star(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", "hi", starred=1)
    assert (await one(backup)).starred


async def test_an_address_has_no_device(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(GROUP, "A1", "hi", sender="15550000002.0:12@s.whatsapp.net")
    assert (await one(backup)).sender == BEN


async def test_kinds_with_a_file(tmp_path: Path, version: Version) -> None:
    kinds = {
        1: MessageKind.IMAGE,
        2: MessageKind.AUDIO,
        3: MessageKind.VIDEO,
        9: MessageKind.DOCUMENT,
        13: MessageKind.GIF,
        20: MessageKind.STICKER,
    }
    with Backup(tmp_path / "msgstore.db", version) as backup:
        for kind in kinds:
            backup.message(ANA, f"A{kind}", kind=kind)
        backup.message(ANA, "A0", kind=2, origin=1)
    found = (await read(backup)).messages
    assert [each.kind for each in found] == [*kinds.values(), MessageKind.VOICE]
    assert [each.file and each.file.media_type for each in found] == [
        *("image", "audio", "video", "document", "video", "sticker", "audio"),
    ]


async def test_an_unknown_kind_keeps_its_place_and_is_counted(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", "words", kind=118)
    page = await read(backup)
    assert page.messages == (
        ForeignMessage("A1", ANA, ANA, AT_1, MessageKind.UNKNOWN, "words", details={"type": "Android 118"}),
    )
    assert page.unreadable == {Unreadable.UNKNOWN_KIND: 1}


async def test_a_deleted_message(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", kind=15)
    message = await one(backup)
    assert (message.kind, message.text, message.revoked_at) == (MessageKind.TEXT, "", AT_1)


async def test_a_message_that_could_not_be_decrypted(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", kind=11)
    assert (await one(backup)).kind is MessageKind.UNDECRYPTABLE


async def test_the_status_of_a_message_says_how_far_it_got(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        for status in (4, 5, 13, 8):
            backup.message(ANA, f"A{status}", "hi", from_me=1, status=status)
    assert [each.receipts for each in (await read(backup)).messages] == [
        (),
        (ForeignReceipt(ANA, AT_1 + 1),),
        (ForeignReceipt(ANA, AT_1 + 2, AT_1 + 2),),
        (ForeignReceipt(ANA, AT_1 + 3, AT_1 + 3, AT_1 + 3),),
    ]


async def test_what_cannot_be_a_message_is_counted(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", "no time", timestamp=0)
        backup.message(GROUP, "A2", "no sender")
        backup.message(ANA, "A3", b"\xff\xfe", kind="x" if version.is_new else "image")
        backup.message("not an address", "A4", "no chat")
        backup.message(ANA, "A5", "damaged", timestamp="soon")
    page = await read(backup)
    assert page.messages == ()
    assert page.unreadable == {
        Unreadable.NO_TIME: 2,
        Unreadable.NO_SENDER: 1,
        Unreadable.DAMAGED: 1,
        Unreadable.NO_CHAT: 1,
    }
    assert page.read == 5


async def test_group_names_and_members(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        if "group_participant_user" in version.tables:
            backup.chat(GROUP, "Friends")
            for person, rank in ((ANA, 2), (BEN, 0)):
                backup.insert(
                    "group_participant_user",
                    group_jid_row_id=backup.jid(GROUP),
                    user_jid_row_id=backup.jid(person),
                    rank=rank,
                )
        else:
            backup.insert("chat_list", key_remote_jid=GROUP, subject="Friends")
            for person, admin in ((ANA, 2), (BEN, 0), ("", 1)):
                backup.insert("group_participants", gjid=GROUP, jid=person, admin=admin)
        backup.message(ANA, "A1", "hi")
    page = await read(backup)
    assert page.chats == (ForeignChat(GROUP, "Friends", ((ANA, 2), (BEN, 0))),)


async def test_names_of_the_database_beside_it(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        backup.message(ANA, "A1", "hi")
    names = contacts(tmp_path / "wa.db", [(ANA, "Ana A", "ana"), (BEN, None, None)], {BEN: "Ben's shop"})
    page = await read(backup, companions=(names, tmp_path / "none.db"))
    assert page.people == (
        ForeignPerson(ANA, saved_name="Ana A", push_name="ana"),
        ForeignPerson(BEN, business_name="Ben's shop"),
    )


async def test_pages_follow_one_another(tmp_path: Path, version: Version) -> None:
    with Backup(tmp_path / "msgstore.db", version) as backup:
        for number in range(25):
            backup.message(ANA, f"A{number}", str(number))
    pages = await pages_of(backup.path, rows=10)
    assert [message.text for page in pages for message in page.messages] == [str(n) for n in range(25)]
    assert [page.read for page in pages][:3] == [10, 10, 5]
    again = await pages_of(backup.path, rows=10, after=pages[1].following)
    assert [message.text for page in again for message in page.messages] == [str(n) for n in range(20, 25)]


# What stands in other tables, since 2020.


@pytest.fixture(params=(V2020, V2021, V2025), ids=lambda version: str(version.year))
def related(request: pytest.FixtureRequest) -> Version:
    return request.param


async def test_a_file_with_all_that_is_known_of_it(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:
        number = backup.message(ANA, "A1", "caption" if related.is_new else None, kind=9)
        backup.insert(
            "message_media",
            message_row_id=number,
            file_path="Media/WhatsApp Documents/a.pdf",
            file_length=99,
            media_key=bytes(32),
            width=3,
            height=4,
            direct_path="/v/t62",
            message_url="https://mmg.whatsapp.net/a",
            mime_type="application/pdf",
            media_name="a.pdf",
            file_hash=digest("a"),
            enc_file_hash=digest("b"),
            media_duration=5,
            page_count=6,
        )
    message = await one(backup)
    assert message.text == ("caption" if related.is_new else "")
    assert message.details == {"pages": 6}
    file = message.file
    assert file is not None
    assert file.sha256 is not None
    assert file == ForeignFile(
        "document", "application/pdf", "a.pdf", 99, 5, 3, 4, "/v/t62", "https://mmg.whatsapp.net/a",
        bytes(32), file.sha256, file.enc_sha256, "Media/WhatsApp Documents/a.pdf",
    )  # fmt: skip
    assert len(file.sha256) == 32


async def test_the_path_of_a_file_leads_nowhere_else(tmp_path: Path) -> None:
    absolute = "/storage/emulated/0/WhatsApp/Media/WhatsApp Images/a.jpg"
    with Backup(tmp_path / "msgstore.db") as backup:
        for path in (absolute, "Media/../../etc/passwd", "..", "/", "/WhatsApp/", b"Media/a.jpg"):
            number = backup.message(ANA, "A1", kind=1)
            backup.insert("message_media", message_row_id=number, file_path=path)
    found = [each.file and each.file.path for each in (await read(backup)).messages]
    assert found == ["Media/WhatsApp Images/a.jpg", *[None] * 5]


async def test_a_contact_and_several(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:
        first = backup.message(ANA, "A1", kind=4)
        backup.insert("message_vcard", message_row_id=first, vcard=CARD)
        second = backup.message(ANA, "A2", kind=14)
        backup.insert("message_vcard", message_row_id=second, vcard=CARD)
        backup.insert("message_vcard", message_row_id=second, vcard=CARD.replace("Cara C", "Dan"))
    one_card, two = (await read(backup)).messages
    card = {"name": "Cara C", "numbers": ["+1 555 000 0003"], "vcard": CARD}
    assert (one_card.kind, one_card.text) == (MessageKind.CONTACT, "Cara C +1 555 000 0003")
    assert one_card.details == {"contacts": [card]}
    assert [each["name"] for each in two.details["contacts"]] == ["Cara C", "Dan"]


async def test_places(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:
        for key, kind in (("A1", 5), ("A2", 16)):
            number = backup.message(ANA, key, kind=kind)
            backup.insert(
                "message_location", message_row_id=number, latitude=51.5, longitude=-0.12, place_name="Pub"
            )
        number = backup.message(ANA, "A3", kind=5)
        backup.insert("message_location", message_row_id=number, latitude=9e99, longitude="west")
    place, live, nowhere = (await read(backup)).messages
    assert (place.kind, place.text) == (MessageKind.LOCATION, "Pub")
    assert place.details == {"latitude": 51.5, "longitude": -0.12}
    assert live.kind is MessageKind.LIVE_LOCATION
    assert nowhere.details == {}


async def test_mentions_and_forwards_and_view_once_and_ephemeral(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:
        number = backup.message(GROUP, "A1", "@15550000002 hi", sender=ANA)
        backup.insert("message_mentions", message_row_id=number, jid_row_id=backup.jid(BEN))
        backup.insert("message_forwarded", message_row_id=number, forward_score=1)
        backup.insert("message_ephemeral", message_row_id=number, duration=604_800, expire_timestamp=AT)
        backup.insert("message_view_once_media", message_row_id=number, state=0)
    message = await one(backup)
    assert message.details == {"mentions": [BEN]}
    assert (message.forwarded, message.ephemeral, message.view_once) == (True, True, True)


async def test_receipts_of_each_reader(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:
        number = backup.message(GROUP, "A1", "hi", from_me=1)
        for reader, times in ((ANA, (1_000, 2_000, 3_000)), (BEN, (4_000, 0, None))):
            backup.insert(
                "receipt_user",
                message_row_id=number,
                receipt_user_jid_row_id=backup.jid(reader),
                receipt_timestamp=times[0],
                read_timestamp=times[1],
                played_timestamp=times[2],
            )
    assert (await one(backup)).receipts == (ForeignReceipt(ANA, 1, 2, 3), ForeignReceipt(BEN, 4, None, None))


async def test_calls(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:
        missed = backup.message(ANA, "call:AAA", kind=10)
        backup.insert("missed_call_logs", message_row_id=missed, video_call=1)
        backup.insert(
            "call_log", jid_row_id=backup.jid(BEN), from_me=0, call_id="call:BBB", timestamp=AT, video_call=0,
            duration=61, call_result=5,
        )  # fmt: skip
        backup.insert(
            "call_log", jid_row_id=backup.jid(ANA), from_me=1, call_id="call:CCC", timestamp=AT, video_call=1,
            duration=0, call_result=2, group_jid_row_id=backup.jid(GROUP),
        )  # fmt: skip
    (missed_call, *others) = [each for page in await pages_of(backup.path) for each in page.messages]
    assert missed_call == ForeignMessage(
        "AAA", ANA, ANA, AT_1, MessageKind.CALL, details={"call": {"video": True, "outcome": "missed"}}
    )
    assert others == [
        ForeignMessage(
            "BBB", BEN, BEN, AT_1 - 1, MessageKind.CALL,
            details={"call": {"video": False, "outcome": "connected", "duration": 61}},
        ),
        ForeignMessage(
            "CCC", GROUP, None, AT_1 - 1, MessageKind.CALL,
            details={"call": {"video": True, "outcome": "missed"}},
        ),
    ]  # fmt: skip


async def test_notices(tmp_path: Path, related: Version) -> None:
    with Backup(tmp_path / "msgstore.db", related) as backup:

        def notice(key: str, action: int, chat: str = GROUP, text: str | None = None, **more: Any) -> int:
            number = backup.message(chat, key, text, kind=7, from_me=1, status=6, **more)
            backup.insert("message_system", message_row_id=number, action_type=action)
            return number

        notice("A1", 11, text="Friends", sender=ANA)
        added = notice("A2", 12, sender=ANA)
        backup.insert(
            "message_system_chat_participant", message_row_id=added, user_jid_row_id=backup.jid(BEN)
        )
        notice("A3", 5, sender=BEN)
        me = notice("A4", 12, sender=ANA)
        backup.insert("message_system_group", message_row_id=me, is_me_joined=1)
        notice("A5", 18, chat=ANA)
        moved = notice("A6", 28, chat=ANA)
        backup.insert(
            "message_system_number_change",
            message_row_id=moved,
            old_jid_row_id=backup.jid(ANA),
            new_jid_row_id=backup.jid(BEN),
        )
        notice("A7", 67, chat=ANA)
        notice("A8", 131)
        notice("A9", 1, text="Family")
    page = await read(backup)
    said = [(each.id, each.sender, each.text, each.details.get("mentions")) for each in page.messages]
    assert said == [
        ("A1", ANA, "created the group Friends", None),
        ("A2", ANA, "added @15550000002", [BEN]),
        ("A3", BEN, "left: @15550000002", [BEN]),
        ("A4", ANA, "added you to the group", None),
        ("A5", ANA, "has a new security code", None),
        ("A6", ANA, "changed the phone number from @15550000001 to @15550000002", [ANA, BEN]),
        ("A8", None, "", None),
        ("A9", None, "changed the group's name to Family", None),
    ]
    assert {each.kind for each in page.messages} == {MessageKind.SYSTEM, MessageKind.UNKNOWN}
    assert page.unreadable == {Unreadable.UNKNOWN_KIND: 1}


# The new table.


async def test_a_reply_and_what_it_quotes(tmp_path: Path, new: Version) -> None:
    with Backup(tmp_path / "msgstore.db", new) as backup:
        number = backup.message(GROUP, "A2", "yes", from_me=1)
        backup.insert(
            "message_quoted", message_row_id=number, chat_row_id=1, parent_message_chat_row_id=1, from_me=0,
            sender_jid_row_id=backup.jid(BEN), key_id="A1", text_data="really?",
        )  # fmt: skip
    message = await one(backup)
    assert message.reply_to == "A1"
    assert message.details == {"quote": {"sender": BEN, "text": "really?"}}


async def test_a_deleted_message_has_its_own_id_not_that_of_the_deletion(
    tmp_path: Path, new: Version
) -> None:
    with Backup(tmp_path / "msgstore.db", new) as backup:
        number = backup.message(GROUP, "DELETION", kind=64, sender=ANA)
        when = {"revoke_timestamp": AT + 9_000} if new is V2025 else {}
        backup.insert("message_revoked", message_row_id=number, revoked_key_id="A1", **when)
    message = await one(backup)
    assert (message.id, message.revoked_at) == ("A1", AT_1 + 8 if when else AT_1)


async def test_forwarded_by_its_flag(tmp_path: Path, new: Version) -> None:
    with Backup(tmp_path / "msgstore.db", new) as backup:
        backup.message(ANA, "A1", "hi", origination_flags=67_108_865)
        backup.message(ANA, "A2", "hi", origination_flags=67_108_864)
    assert [each.forwarded for each in (await read(backup)).messages] == [True, False]


async def test_what_is_to_be_seen_once(tmp_path: Path, new: Version) -> None:
    with Backup(tmp_path / "msgstore.db", new) as backup:
        for kind in (42, 43, 82):
            backup.message(ANA, f"A{kind}", kind=kind)
    found = (await read(backup)).messages
    assert [each.kind for each in found] == [MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.VOICE]
    assert all(each.view_once for each in found)


async def test_an_edited_message(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        number = backup.message(ANA, "EDIT", "better")
        backup.insert(
            "message_edit_info",
            message_row_id=number,
            original_key_id="A1",
            edited_timestamp=AT + 2,
            sender_timestamp=AT + 1,
        )
    message = await one(backup)
    assert (message.id, message.text, message.edited_at_ms) == ("A1", "better", AT + 1)


async def test_reactions(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        for chat, key in ((GROUP, "A1"), (ANA, "A2")):
            number = backup.message(chat, key, "hi", from_me=1)
            for sender, mine, emoji in (
                (BEN, 0, "\U0001f44d"),
                (None, 1, "\u2764"),
                (None, 0, "\U0001f602"),
                (ANA, 0, ""),
            ):
                add_on = backup.add_on(number, 56, sender=sender, from_me=mine)
                backup.insert(
                    "message_add_on_reaction",
                    message_add_on_row_id=add_on,
                    reaction=emoji,
                    sender_timestamp=AT + 7,
                )
    in_group, direct = (await read(backup)).messages
    known = (ForeignReaction(BEN, "\U0001f44d", AT + 7), ForeignReaction(None, "\u2764", AT + 7))
    # In a group nobody else can be meant; in a chat with one person that one is.
    assert in_group.reactions == known
    assert direct.reactions == (*known, ForeignReaction(ANA, "\U0001f602", AT + 7))


async def test_a_poll_with_its_votes(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        backup.message(GROUP, "A0", "before", sender=ANA)
        number = backup.message(GROUP, "A1", "When?", kind=66, sender=ANA)
        backup.insert("message_poll", message_row_id=number, selectable_options_count=1)
        options = [
            backup.insert("message_poll_option", message_row_id=number, option_name=name)
            for name in ("Monday", "Friday", "never")
        ]
        for sender, mine, chosen in ((BEN, 0, options[1:]), (None, 1, options[:1]), (ANA, 0, [])):
            add_on = backup.add_on(number, 67, sender=sender, from_me=mine)
            backup.insert("message_add_on_poll_vote", message_add_on_row_id=add_on, sender_timestamp=AT + 5)
            for option in (*chosen, 999):
                backup.insert(
                    "message_add_on_poll_vote_selected_option",
                    message_add_on_row_id=add_on,
                    message_poll_option_id=option,
                )
    _, message = (await read(backup)).messages
    assert (message.kind, message.text) == (MessageKind.POLL, "When?")
    assert message.details == {"options": ["Monday", "Friday", "never"], "choose": 1}
    assert message.votes == (
        ForeignVote(BEN, (1, 2), AT + 5),
        ForeignVote(None, (0,), AT + 5),
        ForeignVote(ANA, (), AT + 5),
    )


async def test_an_event_with_its_answers(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        number = backup.message(GROUP, "A1", kind=92, sender=ANA)
        backup.insert(
            "message_event", message_row_id=number, name="Party", description="Bring cake",
            location_name="Here", start_time=AT, end_time=AT + 3_600_000, join_link="https://call.whatsapp.com/x",
        )  # fmt: skip
        add_on = backup.add_on(number, 93, sender=BEN)
        backup.insert(
            "message_add_on_event_response", message_add_on_row_id=add_on, response=1, sender_timestamp=AT + 3
        )
    message = await one(backup)
    assert (message.kind, message.text) == (MessageKind.EVENT, "Party\nBring cake\nHere")
    assert message.details == {
        "starts_at": AT_1 - 1,
        "ends_at": AT_1 + 3_599,
        "cancelled": False,
        "join_link": "https://call.whatsapp.com/x",
        "place": "Here",
    }
    assert message.votes == (ForeignVote(BEN, (0,), AT + 3),)


async def test_a_call_among_the_messages_is_not_there_twice(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        number = backup.message(ANA, "KEY", kind=90, from_me=1)
        entry = backup.insert(
            "call_log", jid_row_id=backup.jid(ANA), from_me=1, call_id="call:AAA", timestamp=AT, video_call=1,
            duration=9, call_result=5,
        )  # fmt: skip
        backup.insert("message_call_log", message_row_id=number, call_log_row_id=entry)
    messages = [each for page in await pages_of(backup.path) for each in page.messages]
    assert messages == [
        ForeignMessage(
            "AAA", ANA, None, AT_1, MessageKind.CALL,
            details={"call": {"video": True, "outcome": "connected", "duration": 9}},
        )
    ]  # fmt: skip


async def test_an_invitation_an_album_and_a_video_note(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        invite = backup.message(ANA, "A1", "Come!", kind=24)
        backup.insert(
            "message_group_invite", message_row_id=invite, group_jid_row_id=backup.jid(GROUP),
            admin_jid_row_id=1, group_name="Friends", invite_code="CODE", expiration=AT,
        )  # fmt: skip
        album = backup.message(ANA, "A2", kind=99)
        backup.insert("message_album", message_row_id=album, image_count=2, video_count=1)
        backup.message(ANA, "A3", kind=81)
        backup.message(ANA, "A4", kind=36, status=6)
    invited, together, note, timer = (await read(backup)).messages
    assert invited.text == "Friends\nCome!"
    assert invited.details == {
        "what": "group invite",
        "title": "Friends",
        "invite": {"group": GROUP, "code": "CODE"},
        "expires_at": AT_1 - 1,
    }
    assert (together.kind, together.text) == (MessageKind.SYSTEM, "Album of 3 files")
    assert (note.kind, note.details) == (MessageKind.VIDEO, {"round": True})
    assert (timer.kind, timer.text) == (MessageKind.SYSTEM, "changed disappearing messages")


async def test_lids_and_their_numbers_and_names(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db") as backup:
        backup.message(GROUP, "A1", "hi", sender=LID)
        backup.insert("jid_map", lid_row_id=backup.jid(LID), jid_row_id=backup.jid(ANA), sort_id=1)
        backup.insert("lid_display_name", lid_row_id=backup.jid(LID), display_name="ana")
        channel = backup.chat("120363000000000009@newsletter")
        backup.insert("newsletter", chat_row_id=channel, name="News", name_id=1)
    page = await read(backup)
    assert page.messages[0].sender == LID
    assert page.people == (ForeignPerson(LID, other=ANA, push_name="ana"),)
    assert {chat.jid: chat.name for chat in page.chats} == {
        "120363000000000009@newsletter": "News",
        GROUP: None,
    }


# The old table.


@pytest.mark.parametrize("version", OLD, ids=lambda version: str(version.year))
async def test_what_the_old_table_says_in_its_row(tmp_path: Path, version: Version) -> None:
    forwarded: dict[str, Any] = {"forwarded": 1} if version is V2020 else {}
    with Backup(tmp_path / "msgstore.db", version) as backup:
        quote = backup.insert("messages_quotes", key_remote_jid=ANA, key_from_me=0, key_id="A0", data="what?")
        backup.message(ANA, "A1", "hi", quoted_row_id=quote, mentioned_jids=f"{ANA},{BEN}", **forwarded)
        backup.message(
            ANA, "A2", None, kind=1, media_mime_type="image/jpeg", media_size=99, media_caption="see",
            media_hash=digest("a"), media_enc_hash=digest("b"), media_url="https://mmg.whatsapp.net/a",
        )  # fmt: skip
        backup.message(ANA, "A3", None, kind=5, latitude=1.5, longitude=2.5, media_name="Pub")
        backup.message(ANA, "A4", CARD, kind=4, media_name="Cara C")
        backup.message(ANA, "A5", None, kind=8, media_duration=60)
        backup.message(
            ANA, "A6", "hi", from_me=1, status=13, receipt_device_timestamp=1_000, read_device_timestamp=2_000
        )
    text, image, place, card, call, sent = (await read(backup)).messages
    assert (text.reply_to, text.details, text.forwarded) == ("A0", {"mentions": [ANA, BEN]}, bool(forwarded))
    assert image.file is not None
    assert (image.text, image.file.size, image.file.mime_type) == ("see", 99, "image/jpeg")
    assert image.file.url == "https://mmg.whatsapp.net/a"
    assert (place.text, place.details) == ("Pub", {"latitude": 1.5, "longitude": 2.5})
    assert card.text == "Cara C +1 555 000 0003"
    assert call.details == {"call": {"video": False, "outcome": "connected", "duration": 60}}
    assert sent.receipts == (ForeignReceipt(ANA, 1, 2, None),)


async def test_a_notice_of_the_old_table(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db", V2016) as backup:
        backup.message(GROUP, "A1", "Friends", from_me=1, status=6, media_size=11, sender=ANA)
        backup.message(GROUP, "A2", None, from_me=1, status=6, media_size=5, sender=BEN)
    assert [(each.sender, each.text) for each in (await read(backup)).messages] == [
        (ANA, "created the group Friends"),
        (BEN, "left: @15550000002"),
    ]


async def test_of_two_tables_the_one_with_the_later_rows_counts(tmp_path: Path) -> None:
    with Backup(tmp_path / "msgstore.db", V2020) as backup:
        backup.message(ANA, "A1", "in the old table")
        for number in range(5):
            backup.insert(
                "message", chat_row_id=backup.chat(ANA), from_me=0, key_id=f"B{number}", timestamp=AT,
                message_type=0, text_data="in the new one",
            )  # fmt: skip
    assert {each.text for each in (await read(backup)).messages} == {"in the new one"}


# Encrypted, with the names beside it.


@pytest.mark.parametrize("suffix", [14, 15])
async def test_an_encrypted_backup_with_encrypted_names(tmp_path: Path, suffix: int) -> None:
    key = bytes(range(32))
    with Backup(tmp_path / "plain.db") as backup:
        backup.message(ANA, "A1", "hi")
    names = contacts(tmp_path / "names.db", [(ANA, "Ana A", None)])
    for plain, name in ((backup.path, "msgstore.db"), (names, "wa.db")):
        (tmp_path / f"{name}.crypt{suffix}").write_bytes(encrypted(plain.read_bytes(), key, suffix))
    pages = await pages_of(
        tmp_path / f"msgstore.db.crypt{suffix}",
        key=key_file(key, suffix),
        companions=(tmp_path / f"wa.db.crypt{suffix}",),
    )
    assert [message.text for page in pages for message in page.messages] == ["hi"]
    assert pages[0].people == (ForeignPerson(ANA, saved_name="Ana A"),)
