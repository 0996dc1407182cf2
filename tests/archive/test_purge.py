"""What is deleted is gone: from every table, the index, the media folder and the free pages of the files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, journal
from whatsapp_mcp.archive import Archive, export, open_archive, outbox, recording
from whatsapp_mcp.archive.care import file_copies, purge
from whatsapp_mcp.archive.care.file_copies import export_path
from whatsapp_mcp.archive.care.purge import purge_messages, purge_rest
from whatsapp_mcp.archive.exporting import Format
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.retention import SENT_FILES_INTERVAL, clear_sent_files
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import Busy, KeyReused, MessageNotFound
from whatsapp_mcp.ledger import open_ledger
from whatsapp_mcp.models import (
    AlbumContent,
    FileContent,
    FileReading,
    FileStep,
    MessageFilter,
    OutboxEntry,
    Passage,
    ReadingKind,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

SECRET = b"purplemonkey"
FORMS: Final[dict[Format, str]] = {"text": "txt", "jsonl": "jsonl", "html": "html"}


def traces(folder: AccountFolder) -> list[str]:
    """The files of the account that still hold the secret word."""
    return [
        path.name
        for path in folder.path.rglob("*")
        if path.is_file() and SECRET in path.read_bytes().lower().replace(b"\0", b"")
    ]


async def fill(archive: Archive, folder: AccountFolder) -> None:
    image = E2E.Message()
    image.imageMessage.caption, image.imageMessage.mimetype = "purplemonkey in a picture", "image/png"
    await archive.ingest(
        journal(
            [
                ev.message("A1", "purplemonkey dishwasher"),
                ev.message("A2", image, at=NOON + 1),
                ev.message("A3", "purplemonkey, once", at=NOON + 2),
                ev.edit("A1", "purplemonkey again"),
                ev.edit("A3", "never mind"),
                ev.edit("NEVER", "purplemonkey of a message that never came"),
                ev.revoke("A4"),
                ev.message("A4", "purplemonkey for nobody", at=NOON + 3),
                ev.message("B1", "to keep", chat=BOB, at=NOON + 1000),
                ev.edit("B1", "still to keep", chat=BOB, at=NOON + 1001),
            ]
        )
    )
    broken = ev.Event(11, 17, b"\xff\xff purplemonkey 15550000001 ", received_at=NOON * 1000)
    assert (await archive.ingest([broken])).undecoded == 1
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("purplemonkey was refused")))
    await archive.write(outbox.failed, entry.send_id, "refused")
    (folder.media / "pic.png").write_bytes(b"purplemonkey")
    await archive.write(recording.record_media_path, "A2", "pic.png", 12)
    await archive.write(
        recording.record_reading,
        "A2",
        FileReading(ReadingKind.PICTURE, (Passage("a purplemonkey"),), "rapidocr"),
    )
    await archive.write(
        recording.record_file_problem, "A2", FileStep.READ, "TOO_LONG", "of the purplemonkey", True
    )
    await copies_of(archive, folder)


async def copies_of(archive: Archive, folder: AccountFolder) -> None:
    """What repeats the messages outside of the databases of the archive."""
    folder.exports.mkdir()
    for chat, name in ((ANA, "Ana"), (BOB, "Bob")):
        first = datetime.fromtimestamp(NOON, UTC)
        for form, suffix in FORMS.items():
            path = export_path(folder, chat, name, first, first, suffix)
            await export(archive, path, form, MessageFilter(chat=chat), media=folder.media)
    (folder.exports / "Ana-20231114-221320.txt").write_bytes(SECRET)
    folder.outgoing.mkdir()
    for name in ("5f1c.png", "5f1c.1600.jpg"):
        (folder.outgoing / name).write_bytes(SECRET)
    picture = FileContent("image", str(folder.outgoing / "5f1c.1600.jpg"), "image/jpeg")
    sent, _ = await archive.write(outbox.add, SendRequest(ANA, picture))
    await archive.write(outbox.failed, sent.send_id, "refused")
    with Journal(folder.inbox_db) as inbox:
        inbox.prune(inbox.append(1, 17, SECRET))
        assert inbox.append(1, 17, SECRET) <= await archive.position()  # archived, and not pruned yet
        inbox.continue_after(await archive.position())
        inbox.append(1, 17, b"waits")
    for name in ("archive.db.damaged", "raw.db.damaged-wal", "archive.db.version-7", "media/pic.png.sealed"):
        (folder.path / name).write_bytes(SECRET)
    for name in ("archive.db.ab3_d9xz.part", "media/1.png.ab3_d9xz.part", "exports/Ana.txt.ab3_d9xz.part"):
        (folder.path / name).write_bytes(SECRET)
        os.utime(folder.path / name, (0, 0))


@pytest.mark.parametrize("old_file", [False, True])
@pytest.mark.parametrize("what", ["chat", "before", "all"])
async def test_a_purge_leaves_nothing_behind(
    folder: AccountFolder, what: str, old_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "_MESSAGES", 2)
    if old_file:
        folder.create()
        for path in (folder.archive_db, folder.raw_db):
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA journal_mode = WAL")
    async with open_archive(folder, write=True, now=lambda: ev.NOW) as archive:
        await fill(archive, folder)
        assert traces(folder)
        later = datetime.fromtimestamp(NOON + 500, UTC)
        if what == "chat":
            assert (await archive.purge(chat=ANA)).messages == 4
        elif what == "before":
            # A send is as old as its acceptance, so the refused one is not.
            await archive.purge(chat=ANA, before=ev.NOW + timedelta(days=1))
            assert (await archive.purge(before=later)).messages == 0
        else:
            assert (await archive.purge()).messages == 5
        assert traces(folder) == []
        assert any(folder.exports.iterdir()) is (what == "chat")
        assert (await archive.search("purplemonkey")).items == ()
        assert len((await archive.search("keep")).items) == (0 if what == "all" else 1)
        assert (await archive.statistics()).undecoded == 0
        if what != "all":
            assert [text for _, text in await archive.edits("B1")] == ["to keep"]
        assert await archive.check() == ()
    assert traces(folder) == []


async def test_messages_come_in_while_a_large_purge_goes_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "_MESSAGES", 10)
    await archive.ingest(journal([ev.message(f"A{n}", f"word {n}", at=NOON + n) for n in range(300)]))
    purging = anyio.Event()
    left: list[int] = []

    async def purge_all() -> None:
        purging.set()
        assert (await archive.purge(chat=ANA)).messages == 300

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(purge_all)
        await purging.wait()
        await archive.ingest(journal([ev.message("B1", "meanwhile", chat=BOB)], after=300))
        left.append((await archive.statistics()).messages)
    assert left[0] > 1
    assert (await archive.statistics()).messages == 1


async def test_the_change_feed_says_what_was_purged_and_the_next_purge_leaves_that_there(
    archive: Archive,
) -> None:
    await archive.ingest(journal([ev.message("A1"), ev.message("B1", chat=BOB), ev.message("B2", chat=BOB)]))
    before = await archive.last_change()
    day = datetime.fromtimestamp(NOON + 86_400, UTC)
    await archive.purge(chat=BOB, before=day)
    await archive.purge(chat=BOB)  # nothing is left to tell of
    await archive.purge()
    told = [(one.kind, one.chat, one.detail) for one in await archive.changes(before)]
    assert told == [("purge", BOB, str(NOON + 86_400)), ("purge", None, None)]


async def test_what_is_older_than_a_day_goes_and_the_rest_stays(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "old"), ev.message("A2", "new", at=NOON + 100)]))
    assert (await archive.purge(before=datetime.fromtimestamp(NOON + 50, UTC))).messages == 1
    assert [m.text for m in (await archive.messages()).items] == ["new"]
    assert (await archive.purge(chat="15559999999@s.whatsapp.net")).messages == 0


async def test_the_file_of_a_message_deleted_for_everyone_goes_too(
    archive: Archive, folder: AccountFolder
) -> None:
    image = E2E.Message()
    image.imageMessage.mimetype = "image/png"
    await archive.ingest(journal([ev.message("A1", image)]))
    (folder.media / "pic.png").write_bytes(b"png")
    await archive.write(recording.record_media_path, "A1", "pic.png")
    await archive.ingest(journal([ev.revoke("A1")], after=1))
    assert list(folder.media.iterdir()) == []


async def test_a_file_goes_with_its_message_after_the_home_folder_was_moved(
    archive: Archive, folder: AccountFolder
) -> None:
    image = E2E.Message()
    image.imageMessage.mimetype = "image/png"
    await archive.ingest(journal([ev.message("A1", image)]))
    (folder.media / "1.png").write_bytes(b"png")
    await archive.write(recording.record_media_path, "A1", "/home/before/accounts/default/media/1.png")
    await archive.ingest(journal([ev.revoke("A1")], after=1))
    assert list(folder.media.iterdir()) == []


async def test_a_path_outside_the_media_folder_is_never_deleted(
    archive: Archive, folder: AccountFolder, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"png")
    image = E2E.Message()
    image.imageMessage.mimetype = "image/png"
    await archive.ingest(journal([ev.message("A1", image), ev.message("A2", image, at=NOON + 1)]))
    await archive.write(recording.record_media_path, "A1", str(mine))
    await archive.write(recording.record_media_path, "A2", "../../../mine.png")
    await archive.purge()
    assert mine.exists()


async def test_retention_purges_what_is_too_old_and_then_every_day(archive: Archive) -> None:
    from whatsapp_mcp.device.retention import PAUSE, keep_only

    await archive.ingest(journal([ev.message(f"A{day}", at=NOON + day * 86_400) for day in range(4)]))
    today = datetime.fromtimestamp(NOON + 2 * 86_400 + 10, UTC)
    left: list[int] = []

    class EndOfTestError(Exception):
        pass

    async def sleep(seconds: float) -> None:
        nonlocal today
        assert seconds == PAUSE
        left.append((await archive.statistics()).messages)
        today += timedelta(seconds=seconds)
        if len(left) == 3:
            raise EndOfTestError

    async with open_ledger(archive.folder) as ledger:
        with pytest.raises(EndOfTestError):
            await keep_only(archive, ledger, 1, now=lambda: today, sleep=sleep)
        assert left == [2, 1, 0]
        await keep_only(archive, ledger, 0, now=lambda: today, sleep=sleep)


async def test_a_purge_takes_the_raw_form_of_dropped_twins_with_it(
    archive: Archive, folder: AccountFolder
) -> None:
    twins = [ev.message("A1", "purplemonkey", chat=GROUP, sender=sender) for sender in (ANA, ev.ANA_LID)]
    await archive.ingest(journal(twins))
    await archive.write(recording.record_identities, [(ANA, ev.ANA_LID)])
    assert (await archive.purge(chat=GROUP)).messages == 1
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert db.execute("SELECT count(*) FROM raw").fetchone() == (0,)


async def test_a_purge_spares_exports_that_hold_nothing_of_it(
    archive: Archive, folder: AccountFolder
) -> None:
    await archive.ingest(
        journal([ev.message("A1", alt=ev.ANA_LID), ev.message("B1", chat=BOB, at=NOON + 90 * 86_400)])
    )
    day, later = datetime.fromtimestamp(NOON, UTC), datetime.fromtimestamp(NOON + 90 * 86_400, UTC)
    folder.exports.mkdir()
    hidden = export_path(folder, ev.ANA_LID, "Ana", day, later, "txt")
    mine = export_path(folder, BOB, "Bob", day, later, "html")
    young = export_path(folder, BOB, "Bob", later, later, "txt")
    for path in (hidden, mine, young):
        path.touch()
    folder_of_mine = mine.with_name(f"{mine.stem}_files")
    folder_of_mine.mkdir()
    (folder_of_mine / "1.png").touch()
    await archive.purge(chat=ANA)
    assert sorted(folder.exports.iterdir()) == sorted([mine, folder_of_mine, young])
    await archive.purge(before=later)
    assert list(folder.exports.iterdir()) == [young]


async def test_a_purge_spares_what_a_send_still_needs_and_what_is_being_made(
    archive: Archive, folder: AccountFolder
) -> None:
    await archive.ingest(journal([ev.message("A1")]))
    folder.outgoing.mkdir()
    waiting, fresh, old = (folder.outgoing / name for name in ("aa.png", "bb.png", "cc.png"))
    for path in (waiting, fresh, old):
        path.write_bytes(b"png")
    os.utime(old, (0, ev.NOW.timestamp() - file_copies.SENT_FILES_KEPT - 1))
    os.utime(waiting, (0, 0))
    picture = FileContent("image", str(folder.outgoing / "aa.1600.jpg"), "image/jpeg")
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, picture))
    await archive.write(outbox.sending, entry.send_id)
    await archive.purge(chat=ANA)
    assert sorted(folder.outgoing.iterdir()) == [waiting, fresh]
    await archive.purge()
    assert sorted(folder.outgoing.iterdir()) == [waiting]


async def test_the_copies_of_every_file_of_an_album_go_with_it(
    archive: Archive, folder: AccountFolder
) -> None:
    folder.outgoing.mkdir()
    copies = [folder.outgoing / f"{name}.jpg" for name in ("a", "b", "other")]
    for copy in copies:
        copy.write_bytes(SECRET)
    files = tuple(FileContent("image", str(copy), "image/jpeg") for copy in copies[:2])
    album, _ = await archive.write(outbox.add, SendRequest(ANA, AlbumContent(files)))
    await archive.outbox_sent(album.send_id, "WA", ev.NOW)
    for number, file in enumerate(await archive.outbox_album(album.send_id)):
        await archive.outbox_sent(file.send_id, f"WA{number}", ev.NOW)
    await archive.purge(chat=ANA)
    assert [*folder.outgoing.iterdir()] == copies[2:]


async def test_a_damaged_send_is_purged_like_others(archive: Archive, folder: AccountFolder) -> None:
    sent, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")))
    await archive.write(outbox.failed, sent.send_id, "refused")
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        db.execute("UPDATE outbox SET request = 'purplemonkey'")
    await archive.purge(chat=ANA)
    assert traces(folder) == []


async def test_a_purge_withdraws_what_waits_for_a_yes(archive: Archive, folder: AccountFolder) -> None:
    held, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("purplemonkey")), held=True)
    other, _ = await archive.write(outbox.add, SendRequest(BOB, TextContent("to keep")), held=True)
    await archive.purge(chat=ANA)
    with pytest.raises(MessageNotFound):
        await archive.outbox_get(held.send_id)
    assert [entry.send_id for entry in await archive.outbox_held()] == [other.send_id]
    assert traces(folder) == []


async def test_a_purge_of_a_chat_cancels_what_waits_for_the_connection_or_its_moment(
    archive: Archive, folder: AccountFolder
) -> None:
    later = ev.NOW + timedelta(days=1)
    queued, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("purplemonkey")))
    scheduled, _ = await archive.write(
        outbox.add, SendRequest(ANA, TextContent("purplemonkey later"), at=later)
    )
    other, _ = await archive.write(outbox.add, SendRequest(BOB, TextContent("to keep")))
    report = await archive.purge(chat=ANA)
    assert (report.messages, sorted(report.cancelled)) == (0, [queued.send_id, scheduled.send_id])
    assert [entry.send_id for entry in await archive.outbox_unsettled()] == [other.send_id]
    assert traces(folder) == []
    assert (await archive.purge()).cancelled == (other.send_id,)


async def test_nothing_waits_to_be_sent_any_more_when_the_first_message_is_deleted(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.ingest(journal([ev.message("A1")]))
    await archive.write(outbox.add, SendRequest(ANA, TextContent("queued")))
    await archive.write(outbox.add, SendRequest(ANA, TextContent("held")), held=True)
    await archive.write(outbox.add, SendRequest(ANA, TextContent("later"), at=ev.NOW + timedelta(days=1)))
    write = archive.write
    waiting: list[tuple[OutboxEntry, ...]] = []

    async def written(operation: Callable[..., Any], *values: Any) -> Any:
        if operation is purge_messages:
            waiting.append(await archive.outbox_unsettled())
            waiting.append(await archive.outbox_held())
            waiting.append(await archive.outbox_scheduled())
        return await write(operation, *values)

    monkeypatch.setattr(archive, "write", written)
    assert (await archive.purge(chat=ANA)).messages == 1
    assert set(waiting) == {()}


async def test_a_send_accepted_while_a_purge_goes_on_is_cancelled_too(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("before")))
    write = archive.write
    meanwhile: list[int] = []

    async def written(operation: Callable[..., Any], *values: Any) -> Any:
        if operation is purge_rest:
            entry, _ = await write(outbox.add, SendRequest(ANA, TextContent("meanwhile")))
            meanwhile.append(entry.send_id)
        return await write(operation, *values)

    monkeypatch.setattr(archive, "write", written)
    assert (await archive.purge(chat=ANA)).cancelled == (first.send_id, *meanwhile)


async def test_the_change_feed_tells_of_a_purge_that_deleted_sends_alone(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1")]))
    await archive.purge(chat=ANA)
    await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")))
    before = await archive.last_change()
    await archive.purge(chat=ANA)
    assert [(one.kind, one.chat) for one in await archive.changes(before)] == [("purge", ANA)]


async def test_a_purge_leaves_a_send_that_may_be_out_already(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")))
    await archive.write(outbox.sending, entry.send_id)
    await archive.write(outbox.queued, entry.send_id, "It may have gone out.")
    assert (await archive.purge(chat=ANA)).cancelled == ()
    assert [one.send_id for one in await archive.outbox_unsettled()] == [entry.send_id]


async def test_a_purge_by_date_leaves_what_waits_for_the_connection(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")))
    assert (await archive.purge(before=ev.NOW + timedelta(days=1))).cancelled == ()
    assert [one.send_id for one in await archive.outbox_unsettled()] == [entry.send_id]


async def test_the_number_of_a_purged_send_is_never_used_again(archive: Archive) -> None:
    first, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")), held=True)
    await archive.purge()
    second, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")), held=True)
    assert second.send_id > first.send_id


async def test_the_ref_of_a_purged_message_is_never_used_again(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1"), ev.message("A2", at=NOON + 1)]))
    purged = (await archive.message("A2")).ref
    await archive.purge(chat=ANA)
    await archive.ingest(journal([ev.message("B1", chat=BOB, at=NOON + 2)], after=2))
    assert (await archive.message("B1")).ref > purged


async def test_a_key_never_sends_twice_although_its_send_was_purged(
    archive: Archive, folder: AccountFolder
) -> None:
    request = SendRequest(ANA, TextContent("hi"), idempotency_key="purplemonkey")
    sent, _ = await archive.write(outbox.add, request)
    await archive.outbox_sent(sent.send_id, "WA", ev.NOW)
    await archive.purge()
    with pytest.raises(KeyReused, match="deleted"):
        await archive.write(outbox.add, request)
    assert await archive.outbox_unsettled() == ()
    assert traces(folder) == []


async def test_the_key_of_a_purged_send_stays_refused_to_its_principal_alone(archive: Archive) -> None:
    request = SendRequest(ANA, TextContent("hi"), idempotency_key="k")
    sent, _ = await archive.write(outbox.add, request, principal="stdio:one")
    await archive.outbox_sent(sent.send_id, "WA", ev.NOW)
    await archive.purge()
    with pytest.raises(KeyReused, match="deleted"):
        await archive.write(outbox.add, request, principal="stdio:one")
    assert (await archive.write(outbox.add, request, principal="token:two"))[1]


@pytest.mark.parametrize("held", [True, False])
async def test_the_key_of_what_never_went_out_is_free_after_a_purge(archive: Archive, held: bool) -> None:
    request = SendRequest(ANA, TextContent("hi"), idempotency_key="k")
    entry, _ = await archive.write(outbox.add, request, held=held)
    if not held:
        await archive.write(outbox.withdrawn, entry.send_id, "cancelled")
    await archive.purge()
    assert (await archive.write(outbox.add, request))[1]


async def test_copies_of_sent_files_are_cleared_by_time_alone(
    archive: Archive, folder: AccountFolder
) -> None:
    folder.outgoing.mkdir()
    copy = folder.outgoing / "aa.png"
    copy.write_bytes(b"png")
    made = copy.stat().st_mtime
    now = datetime.fromtimestamp(made, UTC)
    there: list[bool] = []

    class EndOfTestError(Exception):
        pass

    async def sleep(seconds: float) -> None:
        nonlocal now
        there.append(copy.exists())
        now += timedelta(seconds=seconds + 1)
        if len(there) == 2:
            raise EndOfTestError

    with pytest.raises(EndOfTestError):
        await clear_sent_files(archive, StoredFiles(archive.folder), now=lambda: now, sleep=sleep)
    assert there == [True, False]
    assert SENT_FILES_INTERVAL <= file_copies.SENT_FILES_KEPT


async def test_retention_spares_a_damaged_database_that_is_young(
    archive: Archive, folder: AccountFolder
) -> None:
    now = ev.NOW
    aside = folder.path / "archive.db.damaged"
    aside.write_bytes(b"")
    os.utime(aside, (0, now.timestamp()))
    await archive.purge(before=now - timedelta(days=1), keep_quarantined=True)
    assert aside.exists()
    await archive.purge(before=now + timedelta(days=1), keep_quarantined=True)
    assert not aside.exists()


async def test_a_download_that_was_not_recorded_goes_with_its_message(
    archive: Archive, folder: AccountFolder
) -> None:
    image = E2E.Message()
    image.imageMessage.mimetype = "image/png"
    await archive.ingest(journal([ev.message("A1", image), ev.message("B1", image, chat=BOB)]))
    for ref in (1, 2):
        (folder.media / f"{ref}.png").write_bytes(b"png")
    await archive.purge(chat=ANA)
    assert [path.name for path in folder.media.iterdir()] == ["2.png"]
    await archive.purge()
    assert list(folder.media.iterdir()) == []


async def test_a_purge_says_when_a_reader_that_stands_still_keeps_old_pages(
    archive: Archive, folder: AccountFolder
) -> None:
    await archive.ingest(journal([ev.message("A1", "purplemonkey")]))
    archive._committer.db.execute("PRAGMA busy_timeout = 10")  # pyright: ignore[reportPrivateUsage]
    with closing(sqlite3.connect(folder.archive_db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages").fetchall()
        with pytest.raises(Busy, match="old pages"):
            await archive.purge(chat=ANA)
    await archive.purge(chat=ANA)
    assert traces(folder) == []


async def test_of_a_message_that_stays_it_stays_known_that_it_was_sent_from_here(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("later")))
    sent_at = ev.NOW + timedelta(days=2)
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "WA", sent_at)
    await archive.purge(before=sent_at - timedelta(hours=1))
    assert (await archive.outbox_get(entry.send_id)).message_id == "WA"
