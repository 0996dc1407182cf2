"""WhatsApp on an iPhone: what its `ChatStorage.sqlite` says, through the confined process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.features.imports.backups.iphone import (
    V2016,
    V2020,
    V2025,
    VERSIONS,
    CallEntry,
    ChatStorage,
    Receipts,
    Version,
    call_history,
    contacts,
    lids,
    media_key,
    quote,
)
from tests.features.imports.foreign.archives import described, pages_of
from tests.tables import for_each
from whatsapp_mcp.features.imports.foreign import database, iphone
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

AT = 1_700_000_000
AT_MS = AT * 1000
ANA = "15550000001@s.whatsapp.net"
BEN = "15550000002@s.whatsapp.net"
ANA_LID = "100000000000001@lid"
BEN_LID = "100000000000002@lid"
GROUP = "120363000000000001@g.us"


def read(path: Path, *beside: Path, after: int | None = None, rows: int = 2_000) -> ForeignPage:
    """A page of an archive, in this process, which is faster to start than one that is confined."""

    def opened(file: Path) -> database.Opened:
        db = database.opened(file)
        schema = database.guarded(db)
        database.check(db, schema.tables)
        return database.Opened(db, schema)

    with ExitStack() as stack:
        archive, *others = (stack.enter_context(closed(opened(file))) for file in (path, *beside))
        assert iphone.fits(archive.schema)
        return iphone.page(replace(archive, companions=tuple(others)), after, rows)


@contextmanager
def closed(archive: database.Opened) -> Iterator[database.Opened]:
    """An open database, until the body has run."""
    with closing(archive.db):
        yield archive


def said(tmp_path: Path, version: Version = V2025, chat: str = ANA, **values: Any) -> ForeignMessage:
    """One message, as it is read."""
    with ChatStorage(tmp_path / "ChatStorage.sqlite", version) as storage:
        storage.message(storage.chat(chat), "3A0000000001", AT, **values)
    (message,) = (read(storage.path)).messages
    return message


def refused(tmp_path: Path, **values: Any) -> Mapping[Unreadable, int]:
    """Why one message is not read."""
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        values = {"chat": storage.chat(ANA), "wa_id": "3A0000000001", "at": AT} | values
        storage.message(values.pop("chat"), values.pop("wa_id"), values.pop("at"), **values)
    page = read(storage.path)
    assert page.messages == ()
    assert page.read == 1
    return page.unreadable


@pytest.mark.anyio
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.year))
async def test_each_version_is_known_and_counts_its_messages(tmp_path: Path, version: Version) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite", version) as storage:
        chat = storage.chat(ANA)
        for number in range(5):
            storage.message(chat, f"3A{number:010}", AT + number, text="hello")
    assert (await described(storage.path))[:2] == (ImportSource.IPHONE, 5)
    pages = await pages_of(storage.path, rows=2)
    assert [[one.at - AT for one in page.messages] for page in pages] == [[0, 1], [2, 3], [4]]
    assert [page.read for page in pages] == [2, 2, 1]
    assert await pages_of(storage.path, rows=2, after=pages[0].following) == pages[1:]


def test_a_message_in_a_direct_chat_is_from_its_person_or_from_the_owner(tmp_path: Path) -> None:
    assert said(tmp_path / ".", text="hello") == ForeignMessage("3A0000000001", ANA, ANA, AT, text="hello")


def test_what_the_owner_wrote_has_no_sender(tmp_path: Path) -> None:
    assert (said(tmp_path, text="hello", isfromme=1, tojid=ANA)).sender is None


def test_a_lid_stays_as_it_stands_there(tmp_path: Path) -> None:
    message = said(tmp_path, chat=ANA_LID, text="hello")
    assert (message.chat, message.sender) == (ANA_LID, ANA_LID)


def test_in_a_group_the_row_of_the_member_names_the_sender(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        group = storage.chat(GROUP, "Reading circle")
        member = storage.member(group, BEN_LID)
        storage.message(group, "3A0000000001", AT, text="hello", groupmember=member, fromjid=GROUP)
        storage.message(group, "3A0000000002", AT, text="long ago", fromjid=BEN)
        storage.message(group, "3A0000000003", AT, text="of nobody", fromjid=GROUP)
    page = read(storage.path)
    assert [message.sender for message in page.messages] == [BEN_LID, BEN]
    assert page.unreadable == {Unreadable.NO_SENDER: 1}


def test_a_status_of_a_person_is_one_in_the_status_feed(tmp_path: Path) -> None:
    message = said(tmp_path, chat="100000000000001@lid.status", text="on holiday")
    assert (message.chat, message.sender) == ("status@broadcast", ANA_LID)


@pytest.mark.parametrize("kind", [0, 7])
def test_a_text_is_a_text_with_and_without_a_link(tmp_path: Path, kind: int) -> None:
    message = said(tmp_path, kind=kind, text="https://example.org")
    assert (message.kind, message.text) == (MessageKind.TEXT, "https://example.org")


KEY, ENC = b"\x01" * 32, b"\x02" * 32


@for_each(
    ("kind", "origin", "mime_type", "what", "media_type", "duration", "width"),
    [
        (1, 0, "image/jpeg", MessageKind.IMAGE, "image", None, 1200),
        (38, 0, "image/jpeg", MessageKind.IMAGE, "image", None, 1200),
        (2, 0, "video/mp4", MessageKind.VIDEO, "video", 7, 1200),
        (3, 1, "audio/ogg; codecs=opus", MessageKind.VOICE, "audio", 7, None),
        (3, 0, "audio/mpeg", MessageKind.AUDIO, "audio", 7, None),
        (11, 0, "video/mp4", MessageKind.GIF, "video", 7, 1200),
        (15, 0, "image/webp", MessageKind.STICKER, "sticker", None, 1200),
        (999, 0, "image/jpeg", MessageKind.IMAGE, "image", None, 1200),
    ],
)
def test_a_file_is_described_by_the_row_beside_the_message(
    tmp_path: Path,
    kind: int,
    origin: int,
    mime_type: str,
    what: MessageKind,
    media_type: str,
    duration: int | None,
    width: int | None,
) -> None:
    message = said(
        tmp_path,
        kind=kind,
        media={
            "medialocalpath": "Media/15550000001@s.whatsapp.net/a/b/c.bin",
            "filesize": 4_321,
            "movieduration": 7,
            "latitude": 1200.0,
            "longitude": 800.0,
            "mediaurl": "https://mmg.whatsapp.net/x",
            "vcardstring": mime_type,
            "vcardname": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "mediakey": media_key(KEY, ENC),
            "mediaorigin": origin,
            "title": "a caption",
        },
    )
    assert (message.kind, message.text) == (what, "a caption")
    assert message.file == ForeignFile(
        media_type,
        mime_type=mime_type,
        size=4_321,
        duration=duration,
        width=width,
        height=800 if width else None,
        url="https://mmg.whatsapp.net/x",
        media_key=KEY,
        enc_sha256=ENC,
        path="Message/Media/15550000001@s.whatsapp.net/a/b/c.bin",
    )


def test_a_document_has_its_name_and_its_pages_are_no_duration(tmp_path: Path) -> None:
    message = said(
        tmp_path,
        kind=8,
        text="please read",
        media={
            "title": "contract.pdf",
            "movieduration": 3,
            "filesize": 9,
            "vcardstring": "application/pdf",
            "medialocalpath": "/Media/x/contract.pdf",
        },
    )
    assert (message.kind, message.text) == (MessageKind.DOCUMENT, "please read")
    assert message.file == ForeignFile(
        "document",
        mime_type="application/pdf",
        name="contract.pdf",
        size=9,
        path="Message/Media/x/contract.pdf",
    )


@for_each(
    "path",
    ["../../etc/passwd", "Media/../../x", "Media/./x", "Media/..", "a\0b", "a\\b", "", "x" * 1_025, b"x"],
)
def test_a_path_that_leads_elsewhere_is_none(tmp_path: Path, path: Any) -> None:
    message = said(tmp_path, kind=1, media={"medialocalpath": path})
    assert message.file is not None
    assert message.file.path is None


def test_a_place_has_its_coordinates_and_a_photo_has_none(tmp_path: Path) -> None:
    media = {"latitude": 52.520008, "longitude": 13.404954, "title": "Alexanderplatz"}
    message = said(tmp_path, kind=5, media=media)
    assert (message.kind, message.text) == (MessageKind.LOCATION, "Alexanderplatz")
    assert message.details == {"latitude": 52.520008, "longitude": 13.404954}


@pytest.mark.parametrize("latitude", [0, 91.0, float("inf"), "north", None])
def test_a_place_without_coordinates_is_a_place(tmp_path: Path, latitude: Any) -> None:
    media = {"latitude": latitude, "longitude": 0, "title": "Alexanderplatz"}
    message = said(tmp_path, kind=5, media=media)
    assert (message.kind, message.details) == (MessageKind.LOCATION, {})


def test_a_contact_has_name_numbers_and_card(tmp_path: Path) -> None:
    card = "BEGIN:VCARD\nFN:Ben\nitem1.TEL;waid=15550000002:+1 555 000 0002\nEND:VCARD"
    message = said(tmp_path, kind=4, media={"vcardname": "Ben", "vcardstring": card})
    assert (message.kind, message.text) == (MessageKind.CONTACT, "Ben +1 555 000 0002")
    assert message.details == {"contacts": [{"name": "Ben", "numbers": ["+1 555 000 0002"], "vcard": card}]}


@for_each(
    ("event", "text", "says", "mentions"),
    [
        (1, "Book club", "changed the group's name to Book club", None),
        (51, '{"author": null, "subject": "Book club"}', "changed the group's name to Book club", None),
        (2, BEN, "joined: @15550000002", [BEN]),
        (2, f"{ANA}, {BEN_LID}", "joined: @15550000001, @100000000000002", [ANA, BEN_LID]),
        (2, ANA_LID, "joined", None),
        (3, None, "left", None),
        (4, None, "changed the group's picture", None),
    ],
)
def test_events_of_a_group_are_sentences(
    tmp_path: Path, event: int, text: str | None, says: str, mentions: list[str] | None
) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        group = storage.chat(GROUP, "Reading circle")
        member = storage.member(group, ANA_LID)
        storage.message(group, "3A01", AT, kind=6, groupeventtype=event, text=text, groupmember=member)
    (message,) = (read(storage.path)).messages
    assert (message.kind, message.text, message.sender) == (MessageKind.SYSTEM, says, ANA_LID)
    assert message.details == ({"mentions": mentions} if mentions else {})


@pytest.mark.parametrize(
    ("kind", "event", "text", "named"),
    [
        (6, 12, None, "iPhone 6/12"),
        (6, 51, '{"subject": null}', "iPhone 6/51"),
        (6, 51, "{" * 50_000, "iPhone 6/51"),
        (6, 2, "nobody", "iPhone 6/2"),
        (10, 38, None, "iPhone 10"),
        (75, 2, "some words", "iPhone 75"),
    ],
)
def test_what_is_of_an_unknown_kind_keeps_its_place_and_is_counted(
    tmp_path: Path, kind: int, event: int, text: str | None, named: str
) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        storage.message(
            storage.chat(GROUP), "3A01", AT, kind=kind, groupeventtype=event, text=text, fromjid=ANA
        )
    page = read(storage.path)
    (message,) = page.messages
    assert (message.kind, message.details) == (MessageKind.UNKNOWN, {"type": named})
    assert page.unreadable == {Unreadable.UNKNOWN_KIND: 1}


def test_an_event_of_which_nobody_is_named_is_from_the_group(tmp_path: Path) -> None:
    message = said(tmp_path, chat=GROUP, kind=6, groupeventtype=4, fromjid=GROUP)
    assert message.sender == GROUP


def test_a_deleted_message_is_told_as_deleted(tmp_path: Path) -> None:
    message = said(tmp_path, kind=14, media={"vcardstring": ANA})
    assert (message.kind, message.text, message.revoked_at) == (MessageKind.TEXT, "", AT)


def test_a_call_is_one_even_without_the_history_of_calls(tmp_path: Path) -> None:
    message = said(tmp_path, kind=59, groupeventtype=5)
    assert (message.kind, message.details) == (MessageKind.CALL, {"call": {}})


def test_a_star_and_a_forwarding_are_taken_along(tmp_path: Path) -> None:
    message = said(tmp_path, text="hello", starred=1, flags=1 << 24 | 1 << 7)
    assert (message.starred, message.forwarded) == (True, True)


def test_a_message_is_neither_starred_nor_forwarded_by_itself(tmp_path: Path) -> None:
    message = said(tmp_path, text="hello", starred=0, flags=1 << 24 | 1 << 6 | 1 << 8)
    assert (message.starred, message.forwarded) == (False, False)


def test_a_version_without_stars_has_none(tmp_path: Path) -> None:
    assert not (said(tmp_path, V2016, text="hello", starred=1)).starred


def test_an_answer_names_what_it_answers_and_keeps_its_words(tmp_path: Path) -> None:
    message = said(tmp_path, text="yes", media={"metadata": quote("3EB0C0FFEE", BEN_LID, "Coming?")})
    assert message.reply_to == "3EB0C0FFEE"
    assert message.details == {"quote": {"sender": BEN_LID, "text": "Coming?"}}
    assert message.file is None


def test_an_answer_of_an_old_version_points_at_its_row(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite", V2020) as storage:
        chat = storage.chat(ANA)
        parent = storage.message(chat, "3EB0C0FFEE", AT, text="Coming?")
        storage.message(chat, "3A01", AT, text="yes", parentmessage=parent)
    (_, message) = (read(storage.path)).messages
    assert message.reply_to == "3EB0C0FFEE"


def test_reactions_of_others_and_of_the_owner_are_read(tmp_path: Path) -> None:
    receipts = Receipts(
        reactions=[("R1", BEN_LID, "👍", AT_MS + 5), ("R2", None, "❤️", AT_MS + 6), ("R3", ANA, "", 7)]
    )
    message = said(tmp_path, text="hello", receipts=receipts.blob())
    assert message.reactions == (
        ForeignReaction(BEN_LID, "👍", AT_MS + 5),
        ForeignReaction(None, "❤️", AT_MS + 6),
    )


def test_a_poll_has_its_options_and_the_votes_of_all(tmp_path: Path) -> None:
    receipts = Receipts(
        poll=("Where?", ["Lake", "Hill", "Wood"]),
        votes=[(BEN_LID, [1], AT_MS + 5), (None, [2, 0], AT_MS + 6), (ANA, [], AT_MS + 7)],
    )
    message = said(tmp_path, chat=GROUP, kind=46, isfromme=1, receipts=receipts.blob())
    assert (message.kind, message.text) == (MessageKind.POLL, "Where?")
    assert message.details == {"options": ["Lake", "Hill", "Wood"], "choose": 0}
    assert message.votes == (
        ForeignVote(BEN_LID, (1,), AT_MS + 5),
        ForeignVote(None, (0, 2), AT_MS + 6),
        ForeignVote(ANA, (), AT_MS + 7),
    )


@for_each(
    ("values", "why"),
    [
        ({"wa_id": None}, Unreadable.NO_ID),
        ({"wa_id": ""}, Unreadable.NO_ID),
        ({"wa_id": b"3A01"}, Unreadable.DAMAGED),
        ({"chat": None}, Unreadable.NO_CHAT),
        ({"chat": 99}, Unreadable.NO_CHAT),
        ({"chat": "x"}, Unreadable.NO_CHAT),
        ({"at": 978_307_200}, Unreadable.NO_TIME),
        ({"at": None}, Unreadable.NO_TIME),
        ({"at": "yesterday"}, Unreadable.NO_TIME),
        ({"at": float("inf")}, Unreadable.NO_TIME),
        ({"at": 1e300}, Unreadable.NO_TIME),
        ({"isfromme": 2}, Unreadable.DAMAGED),
        ({"kind": "text"}, Unreadable.DAMAGED),
        ({"receipts": b"\x3a\xff\xff\xff\xff\x7f"}, Unreadable.DAMAGED),
        ({"receipts": b"\x3a" + b"\xff" * 20}, Unreadable.DAMAGED),
        ({"receipts": b"\x3a\x02\x0a\x7f"}, Unreadable.DAMAGED),
        ({"media": {"metadata": b"\x2a\x7f"}}, Unreadable.DAMAGED),
        ({"kind": 1, "media": {"mediakey": b"\x0a\x20short"}}, Unreadable.DAMAGED),
    ],
)
def test_a_damaged_row_costs_that_row_alone(tmp_path: Path, values: dict[str, Any], why: Unreadable) -> None:
    assert refused(tmp_path, **values) == {why: 1}


@pytest.mark.parametrize(
    "values",
    [
        {
            "text": b"bytes",
            "starred": "x",
            "flags": "x",
            "fromjid": 7,
            "groupmember": "x",
            "groupeventtype": "x",
        },
        {"receipts": "text", "media": {"metadata": "text", "filesize": "big", "movieduration": b"x"}},
        {"text": 7, "media": {"title": 7, "vcardstring": 7, "latitude": "x", "mediaurl": 7, "metadata": 7}},
        {"kind": 1, "media": {"filesize": -1, "movieduration": 1e300, "latitude": 1e9, "mediakey": "x"}},
        {"kind": 46, "receipts": b""},
    ],
)
def test_what_may_be_missing_is_left_out_where_it_is_of_another_type(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    message = said(tmp_path, **values)
    assert message.id == "3A0000000001"
    assert message.reactions == message.votes == ()


def test_groups_have_their_names_and_those_who_are_in_them(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        group = storage.chat(GROUP, "\u200eReading circle")
        storage.member(group, ANA, admin=1)
        storage.member(group, BEN_LID)
        storage.member(group, "15550000003@s.whatsapp.net", active=0)
        storage.chat("120363000000000009@newsletter", "News")
        storage.chat(ANA, "Ana")
        storage.chat("15550000001@status")
    assert (read(storage.path)).chats == (
        ForeignChat(GROUP, "Reading circle", ((ANA, 1), (BEN_LID, 0))),
        ForeignChat("120363000000000009@newsletter", "News"),
    )


def test_people_have_the_names_that_the_phone_knows(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        storage.chat(ANA_LID, "Ana Example", contactidentifier=ANA)
        storage.chat(BEN, "+1 (555) 000-0002")
        storage.member(storage.chat(GROUP), BEN, name="Ben")
        storage.row("ZWAPROFILEPUSHNAME", jid=BEN, pushname="benny")
    people = {person.jid: person for person in (read(storage.path)).people}
    assert people == {
        ANA_LID: ForeignPerson(ANA_LID, other=ANA, saved_name="Ana Example"),
        BEN: ForeignPerson(BEN, saved_name="Ben", push_name="benny"),
    }


def test_the_databases_beside_it_tell_more_of_people(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        group = storage.chat(GROUP)
        storage.member(group, BEN_LID, admin=1)
        storage.member(group, BEN)
    rows = [
        {"whatsappid": "15550000001", "lid": ANA_LID, "fullname": "Ana Example", "businessname": "Ana & Co."}
    ]
    beside = (
        contacts(tmp_path / "ContactsV2.sqlite", rows),
        lids(tmp_path / "LID.sqlite", {BEN_LID: "15550000002", "x": "y"}),
    )
    page = read(storage.path, *beside)
    assert set(page.people) == {
        ForeignPerson(ANA_LID, other=ANA, saved_name="Ana Example", business_name="Ana & Co."),
        ForeignPerson(ANA, saved_name="Ana Example", business_name="Ana & Co."),
        ForeignPerson(BEN_LID, other=BEN),
    }
    assert page.chats == (ForeignChat(GROUP, members=((BEN, 1),)),)


def test_a_call_has_its_length_and_its_end_from_the_history_of_calls(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        storage.message(storage.chat(ANA_LID), "CALL1", AT, kind=59)
    calls = [
        CallEntry("CALL1", AT, [ANA], duration=61.7, video=True),
        CallEntry("CALL2", AT + 1, [BEN], outcome=1, duration=20.0),
        CallEntry("CALL3", AT + 2, [BEN, ANA], incoming=False, outcome=4, group=GROUP),
        CallEntry("CALL4", AT + 3, [], outcome=1),
    ]
    history = call_history(tmp_path / "CallHistory.sqlite", calls)
    first = read(storage.path, history)
    assert [message.details for message in first.messages] == [
        {"call": {"video": True, "outcome": "connected", "duration": 61}}
    ]
    assert first.following is not None
    second = read(storage.path, history, after=first.following)
    assert second.messages == (
        ForeignMessage(
            "CALL2",
            BEN,
            BEN,
            AT + 1,
            MessageKind.CALL,
            details={"call": {"video": False, "outcome": "missed"}},
        ),
        ForeignMessage(
            "CALL3",
            GROUP,
            None,
            AT + 2,
            MessageKind.CALL,
            details={"call": {"video": False, "outcome": "rejected"}},
        ),
    )
    assert (second.unreadable, second.following, second.read) == ({Unreadable.NO_CHAT: 1}, None, 0)


def test_calls_come_page_by_page(tmp_path: Path) -> None:
    with ChatStorage(tmp_path / "ChatStorage.sqlite") as storage:
        storage.chat(ANA)
    calls = [CallEntry(f"CALL{number}", AT + number, [ANA]) for number in range(5)]
    history = call_history(tmp_path / "CallHistory.sqlite", calls)
    page, ids = read(storage.path, history, rows=2), list[str]()
    while page.following is not None:
        page = read(storage.path, history, after=page.following, rows=2)
        ids += [message.id for message in page.messages]
    assert ids == [call.id for call in calls]
