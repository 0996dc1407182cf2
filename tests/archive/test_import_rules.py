"""What counts where a file and the connection, or two files, do not say the same; and what undoing leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, ME, NOON, journal
from tests.archive.replaying import contents
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, exchange, recording
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import (
    ContactUpdate,
    ExportedMessage,
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ForeignReceipt,
    ForeignVote,
    GroupUpdate,
    ImportSource,
    ImportState,
    Message,
    MessageFilter,
    MessageKind,
    Unreadable,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


def said(wa_id: str = "A1", text: str = "in the file", **more: Any) -> ForeignMessage:
    """A message of a backup, of Ana unless it says otherwise."""
    told: dict[str, Any] = {"id": wa_id, "chat": ANA, "sender": ANA, "at": NOON, "text": text, **more}
    return ForeignMessage(**told)


async def take(
    archive: Archive,
    *messages: ForeignMessage,
    name: str = "one",
    source: ImportSource = ImportSource.ANDROID,
    **more: Any,
) -> int:
    """Import a backup of one page; answers the import's number."""
    begun = await archive.write(exchange.import_begun, source, f"{name}.db", name.encode())
    await archive.import_page(begun.number, ForeignPage(messages, **more))
    await archive.write(exchange.import_ended, begun.number, ImportState.DONE)
    return begun.number


async def undo(archive: Archive, number: int) -> None:
    while await archive.write(exchange.import_undone, number):
        pass


async def come(archive: Archive, *events: ev.Raw) -> None:
    """Something comes over the connection."""
    await archive.ingest(journal(events, after=await archive.position()))


async def only(archive: Archive) -> Message:
    (message,) = (await archive.messages()).items
    return message


# What came over the connection, and a file.


@pytest.mark.parametrize("file_first", [True, False])
async def test_what_came_over_the_connection_wins_whichever_was_first(
    archive: Archive, file_first: bool
) -> None:
    forged = said(
        text="forged",
        at=NOON - 1_000_000,
        starred=True,
        reactions=(ForeignReaction(None, "👍", NOON * 1000),),
    )
    if file_first:
        number = await take(archive, forged)
        await come(archive, ev.message("A1", "as it is"))
    else:
        await come(archive, ev.message("A1", "as it is"))
        number = await take(archive, forged)
    for _ in range(2):
        message = await only(archive)
        told = (
            message.text,
            message.imported,
            message.starred,
            message.reactions,
            int(message.timestamp.timestamp()),
        )
        assert told == ("as it is", False, False, (), NOON)
        assert (await archive.search("forged")).items == ()
        await undo(archive, number)


@pytest.mark.parametrize("file_first", [True, False])
async def test_a_message_that_could_not_be_decrypted_is_filled_and_is_not_after_an_undo(
    archive: Archive, file_first: bool
) -> None:
    number = await take(archive, said()) if file_first else 0
    await come(archive, ev.undecryptable("A1"))
    number = number or await take(archive, said())
    filled = await only(archive)
    assert (filled.kind, filled.text, filled.imported) == (MessageKind.TEXT, "in the file", True)
    assert [hit.message_id for hit in (await archive.search("file")).items] == ["A1"]
    await undo(archive, number)
    again = await only(archive)
    assert (again.kind, again.text, again.imported) == (MessageKind.UNDECRYPTABLE, "", False)
    assert (await archive.search("file")).items == ()
    await come(archive, ev.message("A1", "at last"))
    assert (await only(archive)).text == "at last"


async def test_what_was_deleted_for_everyone_is_not_filled(archive: Archive) -> None:
    await come(archive, ev.undecryptable("A1"), ev.revoke("A1"))
    await take(archive, said())
    assert (await only(archive)).text == ""


async def test_what_is_deleted_over_the_connection_leaves_nothing_of_what_files_say(
    archive: Archive, folder: AccountFolder
) -> None:
    await take(archive, said(kind=MessageKind.UNKNOWN, text="a"), name="one")
    await take(archive, said(text="b"), name="two")
    await come(archive, ev.revoke("A1"))
    message = await only(archive)
    assert (message.text, message.revoked_at is not None) == ("", True)
    assert contents(folder)["imported_copies"] == []


async def test_reactions_of_a_file_and_of_the_connection_count_together_until_the_file_goes(
    archive: Archive,
) -> None:
    number = await take(archive, said(reactions=(ForeignReaction(None, "👍", (NOON + 1) * 1000),)))
    await come(archive, ev.reaction("A1", "❤️"))
    assert sorted(one.emoji for one in (await only(archive)).reactions) == ["❤️", "👍"]
    await undo(archive, number)
    assert (await archive.messages()).items == ()
    await come(archive, ev.message("A1"))
    assert [one.emoji for one in (await only(archive)).reactions] == ["❤️"]


async def test_receipts_of_a_file_count_for_what_it_brought_and_for_nothing_older(archive: Archive) -> None:
    await come(archive, ev.message("M1", "live", sender=None, at=NOON - 60))
    mine = said("M2", sender=None, receipts=(ForeignReceipt(ANA, NOON + 1, NOON + 2),))
    number = await take(archive, mine)
    assert [m.status for m in (await archive.messages()).items] == ["read", "sent"]
    await undo(archive, number)
    assert [m.status for m in (await archive.messages()).items] == ["sent"]


async def test_a_receipt_that_comes_for_what_a_file_brought_waits_for_the_message_itself(
    archive: Archive,
) -> None:
    number = await take(archive, said("M1", sender=None))
    await come(archive, ev.receipt("M1", kind="READ"))
    assert (await only(archive)).status == "read"
    await undo(archive, number)
    await come(archive, ev.message("M1", sender=None))
    assert (await only(archive)).status == "read"


async def test_a_later_text_counts_whether_a_file_has_it_or_the_connection(archive: Archive) -> None:
    edited = said(text="second", edited_at_ms=(NOON + 100) * 1000)
    await take(archive, edited)
    await come(archive, ev.edit("A1", "first", at=NOON + 50))
    assert (await only(archive)).text == "second"
    await come(archive, ev.edit("A1", "third", at=NOON + 150))
    assert (await only(archive)).text == "third"


async def test_an_own_message_that_a_file_brought_reads_the_chat_once_it_comes_over_the_connection(
    archive: Archive,
) -> None:
    await come(archive, ev.message("A0", "unread", at=NOON - 60))
    await take(archive, said(sender=None))
    assert (await archive.chats()).items[0].unread == 1

    await come(archive, ev.message("A1", "as it is", sender=None))

    assert (await archive.chats()).items[0].unread == 0


async def test_a_message_that_a_file_brought_and_that_comes_unreadable_is_unread(archive: Archive) -> None:
    await take(archive, said())

    await come(archive, ev.undecryptable("A1"))

    assert (await archive.chats()).items[0].unread == 1


async def test_a_file_marks_nothing_unread_and_nothing_read(archive: Archive) -> None:
    await come(archive, ev.message("A1", at=NOON))
    number = await take(archive, said("A2", at=NOON + 60))
    assert (await archive.chats()).items[0].unread == 1
    await undo(archive, number)
    assert (await archive.chats()).items[0].unread == 1


async def test_a_reply_keeps_what_it_quotes_when_only_a_file_has_that(archive: Archive) -> None:
    number = await take(archive, said())
    body: Any = ev.E2E.Message()
    body.extendedTextMessage.text = "yes"
    context = body.extendedTextMessage.contextInfo
    context.stanzaID, context.participant, context.quotedMessage.conversation = "A1", ANA, "as quoted"
    await come(archive, ev.message("A2", body, at=NOON + 5))
    await undo(archive, number)
    quote: Any = (await only(archive)).quote
    assert quote.text == "as quoted"


# Two files.


async def test_of_two_files_the_one_that_says_more_counts_and_the_other_when_it_goes(
    archive: Archive,
) -> None:
    fuller = [
        said(kind=MessageKind.UNKNOWN, text=""),
        said(),
        said(starred=True),
        said(text="later", edited_at_ms=(NOON + 9) * 1000),
        said(text="", revoked_at=NOON + 20),
    ]
    numbers = [await take(archive, one, name=str(place)) for place, one in enumerate(fuller)]
    shown = [("", False), ("in the file", False), ("in the file", True), ("later", False), ("", False)]
    while numbers:
        message = await only(archive)
        assert (message.text, message.starred) == shown[len(numbers) - 1]
        assert (message.revoked_at is not None) == (len(numbers) == 5)
        await undo(archive, numbers.pop())
    assert (await archive.messages()).items == ()


async def test_undoing_one_of_two_files_leaves_what_both_have(
    archive: Archive, folder: AccountFolder
) -> None:
    one = await take(archive, said("A1"), said("A2", at=NOON + 1), name="one")
    two = await take(archive, said("A2", at=NOON + 1), said("A3", at=NOON + 2), name="two")
    record = (await archive.imports())[0]
    assert (record.report.new, record.report.known) == (1, 1)
    await undo(archive, one)
    assert [m.message_id for m in (await archive.messages(oldest_first=True)).items] == ["A2", "A3"]
    await undo(archive, two)
    assert {
        table: rows for table, rows in contents(folder).items() if table.startswith("imported_") and rows
    } == {}


async def test_a_file_that_is_imported_again_brings_nothing(archive: Archive) -> None:
    await take(archive, said(), said("A2", sender=None))
    again = await take(archive, said(), said("A2", sender=None))
    report = next(one.report for one in await archive.imports() if one.number == again)
    assert (report.new, report.known) == (0, 2)


# Exported chats.


EXPORTED = ExportedMessage(
    datetime.fromtimestamp(NOON - NOON % 60, UTC).replace(tzinfo=None), "Ana", "meet @\u2068Bob\u2069 at noon"
)


async def export(archive: Archive) -> int:
    begun = await archive.write(exchange.import_begun, ImportSource.CHAT_EXPORT, "Ana.txt", b"export", ANA)
    await archive.import_chat_export(begun.number, [EXPORTED], ANA, title="Ana", me="Me")
    await archive.write(exchange.import_ended, begun.number, ImportState.DONE)
    return begun.number


async def test_a_message_with_an_id_takes_the_place_of_an_exported_one_which_is_back_after_an_undo(
    archive: Archive,
) -> None:
    await export(archive)
    before = await only(archive)
    number = await take(archive, said(text="meet @15550000002 at noon"))
    both = await only(archive)
    assert (both.message_id, both.ref, both.timestamp.timestamp()) == ("A1", before.ref, NOON)
    await undo(archive, number)
    assert await only(archive) == before


async def test_an_exported_message_that_a_backup_has_stays_when_the_backup_goes(archive: Archive) -> None:
    backup = await take(archive, said(text="meet @15550000002 at noon"))
    await export(archive)
    await undo(archive, backup)
    assert (await only(archive)).message_id == "A1"


# People and groups.


async def test_names_of_a_backup_count_where_nothing_else_tells_them_and_make_nobody_known(
    archive: Archive,
) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(BOB, push_name="Bob")])
    people = (ForeignPerson(ANA, saved_name="Mum"), ForeignPerson(BOB, push_name="another"))
    number = await take(archive, said(), people=people)
    ana, bob = await archive.contact(ANA), await archive.contact(BOB)
    assert ana is not None
    assert bob is not None
    assert (ana.name, ana.known, bob.name) == ("Mum", False, "Bob")
    await undo(archive, number)
    assert await archive.contact(ANA) is None
    bob = await archive.contact(BOB)
    assert bob is not None
    assert bob.name == "Bob"


async def test_an_address_book_makes_people_known_until_it_goes(archive: Archive) -> None:
    people = (ForeignPerson(ANA, saved_name="Mum"), ForeignPerson("x@evil.example", saved_name="x"))
    number = await take(archive, source=ImportSource.ADDRESS_BOOK, people=people)
    ana = await archive.contact(ANA)
    assert ana is not None
    assert (ana.name, ana.known) == ("Mum", True)
    report = (await archive.imports())[0].report
    assert (report.names, report.unreadable) == (1, {Unreadable.NO_NUMBER: 1})
    await undo(archive, number)
    assert await archive.contact(ANA) is None


async def test_a_name_of_a_file_that_reads_as_a_number_is_none(archive: Archive) -> None:
    await take(
        archive, source=ImportSource.ADDRESS_BOOK, people=(ForeignPerson(ANA, saved_name="+1 555 000 0002"),)
    )
    assert await archive.contact(ANA) is None


async def test_a_group_is_called_and_filled_as_a_file_says_where_nothing_else_tells(archive: Archive) -> None:
    group = ForeignChat(GROUP, "Old club", ((ANA, 1), (BOB, 0)))
    number = await take(archive, said(chat=GROUP), chats=(group,))
    assert ((await archive.chats()).items[0].name, len(await archive.members(GROUP))) == ("Old club", 2)
    await archive.write(
        recording.record_groups, [GroupUpdate(GROUP, "Club", ((ME, None, False, False),), None)]
    )
    assert ((await archive.chats()).items[0].name, len(await archive.members(GROUP))) == ("Club", 1)
    await undo(archive, number)
    assert (await archive.chats()).items[0].name == "Club"


async def test_a_file_proves_nothing_about_a_chat(archive: Archive) -> None:
    await archive.write(recording.confirm_person, ANA, True)
    await take(archive, said("M1", chat=GROUP, sender=None), chats=(ForeignChat(GROUP, "Club", ((ANA, 0),)),))
    facts = await archive.chat_facts(GROUP)
    assert (facts.owner_wrote, facts.has_strangers, facts.members) == (False, True, ())
    assert await archive.is_new_chat(GROUP)


async def test_of_the_two_addresses_of_a_person_the_one_that_is_known_is_used_else_the_number(
    archive: Archive, folder: AccountFolder
) -> None:
    await come(archive, ev.message("A0", chat=ANA_LID, at=NOON - 5))
    people = (ForeignPerson(ANA, ANA_LID), ForeignPerson("80002@lid", BOB))
    await take(archive, said(), said("B1", chat="80002@lid", sender="80002@lid"), people=people)
    assert {chat.jid for chat in (await archive.chats()).items} == {ANA_LID, BOB}
    assert contents(folder)["number_history"] == []
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    assert len((await archive.messages(MessageFilter(chat=ANA))).items) == 2


async def test_a_sender_without_a_server_is_who_is_known_here(archive: Archive) -> None:
    await come(archive, ev.message("A0", chat=ANA_LID, at=NOON - 5))
    await take(
        archive,
        said("G1", chat=GROUP, sender="80001"),
        said("G2", chat=GROUP, sender="15550000002"),
        said("G3", chat=GROUP, sender="x y"),
    )
    page = await archive.messages(MessageFilter(chat=GROUP), oldest_first=True)
    assert [m.sender for m in page.items] == [ANA_LID, BOB]


# What files say is bounded.


async def test_details_of_a_file_have_the_form_in_which_they_are_read(archive: Archive) -> None:
    odd: dict[str, Any] = {
        "options": "none", "mentions": [1, ANA], "quote": "x", "call": {"duration": "long", "video": 3},
        "secret": "00" * 32, "album": {"images": "many"}, "contacts": [{"name": 5, "numbers": "1"}, 7],
        "latitude": float("nan"), "what": ["a"], "title": "fine\0",
    }  # fmt: skip
    await take(
        archive, *(said(f"K{place}", kind=kind, details=odd) for place, kind in enumerate(MessageKind))
    )
    page = await archive.messages(limit=100)
    assert len(page.items) == len(MessageKind)
    assert {m.details["title"] for m in page.items if m.details} == {"fine\ufffd"}
    assert not [m for m in page.items if m.details and "secret" in m.details]


async def test_votes_of_a_file_are_counted(archive: Archive) -> None:
    poll = said("P1", "Lunch?", kind=MessageKind.POLL, details={"options": ["Pizza", "Sushi"], "choose": 1},
                votes=(ForeignVote(None, (1, 7, -1), NOON * 1000),))  # fmt: skip
    await take(archive, poll)
    options = (await only(archive)).poll
    assert options is not None
    assert [(one.name, len(one.voters)) for one in options] == [("Pizza", 0), ("Sushi", 1)]


@for_each(
    "message, why",
    [
        (said(""), Unreadable.NO_ID),
        (said("a b"), Unreadable.NO_ID),
        (said("A" * 200), Unreadable.NO_ID),
        (said(chat="nobody"), Unreadable.NO_CHAT),
        (said(chat="x@evil.example"), Unreadable.NO_CHAT),
        (said(chat=GROUP, sender="x y@lid"), Unreadable.NO_SENDER),
        (said(at=0), Unreadable.NO_TIME),
        (said(at=1 << 40), Unreadable.NO_TIME),
    ],
    archive="archives",
)
async def test_what_whatsapp_cannot_have_told_is_counted_by_its_reason(
    archive: Archive, message: ForeignMessage, why: Unreadable
) -> None:
    await take(archive, message, said("B1"))
    report = (await archive.imports())[0].report
    assert (report.new, report.unreadable) == (1, {why: 1})


# Records, files, purges.


async def test_an_import_that_was_not_done_goes_on_under_its_number(archive: Archive) -> None:
    begun = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"x")
    await archive.import_page(begun.number, ForeignPage((said(),), following=7))
    await archive.write(exchange.import_ended, begun.number, ImportState.CANCELLED)
    again = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"x")
    assert (again.number, again.position, again.report.new, again.state) == (1, 7, 1, ImportState.RUNNING)
    await archive.write(exchange.import_ended, begun.number, ImportState.DONE)
    assert (await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"x")).number == 2
    assert [one.state for one in await archive.imports()] == [ImportState.RUNNING, ImportState.DONE]


async def test_there_is_no_import_of_another_number(archive: Archive) -> None:
    with pytest.raises(InvalidArgument, match="no import 7"):
        await archive.write(exchange.import_undone, 7)


async def test_a_dry_run_tells_what_an_import_would_bring_and_writes_nothing(
    archive: Archive, folder: AccountFolder
) -> None:
    await come(archive, ev.message("A1"), ev.undecryptable("A2", at=NOON + 1))
    before = contents(folder)
    page = ForeignPage(
        (said(), said("A2", at=NOON + 1), said("A3", at=NOON + 2)), (ForeignPerson(BOB, push_name="B"),)
    )
    dry = await archive.import_page(0, page, dry=True)
    assert contents(folder) == before
    assert (dry.new, dry.known, dry.filled, dry.names) == (1, 1, 1, 1)
    begun = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"x")
    assert await archive.import_page(begun.number, page) == dry
    await come(archive, ev.message("B1", chat=BOB))
    assert await archive.check() == ()


async def test_a_dry_run_knows_the_two_addresses_of_a_person_on_every_page(archive: Archive) -> None:
    await come(archive, ev.message("A1", chat=ANA_LID))
    people = ForeignPage(people=(ForeignPerson(ANA, ANA_LID),), following=1)
    for page, known in ((people, 0), (ForeignPage((said(),)), 1)):
        dry = await archive.import_page(0, page, dry=True)
        assert (dry.new, dry.known) == (0, known)


async def test_a_file_that_an_import_stored_goes_with_it_and_stays_with_the_same_file_of_the_message(
    archive: Archive, folder: AccountFolder
) -> None:
    digest = b"d" * 32
    picture = ForeignFile("image", "image/jpeg", sha256=digest)
    number = await take(
        archive, said(kind=MessageKind.IMAGE, file=picture), said("A2", kind=MessageKind.IMAGE, file=picture)
    )
    for wa_id in ("A1", "A2"):
        (folder.media / f"{wa_id}.jpg").write_bytes(b"jpg")
        assert await archive.write(recording.record_imported_file, number, wa_id, f"{wa_id}.jpg", 3)
    body: Any = ev.E2E.Message()
    body.imageMessage.mimetype, body.imageMessage.fileSHA256 = "image/jpeg", digest
    await come(archive, ev.message("A1", body))
    live = await archive.message("A1")
    assert live.media is not None
    assert (live.imported, live.media.path) == (False, "A1.jpg")
    await undo(archive, number)
    live = await only(archive)
    assert live.media is not None
    assert live.media.path is None
    assert [*folder.media.iterdir()] == []


async def test_a_purge_leaves_nothing_of_what_files_said(archive: Archive, folder: AccountFolder) -> None:
    one = said(kind=MessageKind.UNKNOWN, text="", reactions=(ForeignReaction(None, "👍", NOON * 1000),))
    await take(archive, one, said("M1", sender=None, receipts=(ForeignReceipt(ANA, NOON, NOON),)), name="one")
    number = await take(archive, said(text="fuller"), name="two")
    await archive.purge(chat=ANA)
    rows = contents(folder)
    for table in ("imported_copies", "imported_addons", "imported_marks", "imported_chats", "messages"):
        assert rows[table] == []
    assert await archive.check() == ()
    await undo(archive, number)
