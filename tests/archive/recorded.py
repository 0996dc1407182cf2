"""A run that makes every operation there is: what came, what was sent, imported, looked up and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.archive import events as ev
from tests.archive import shared_number, world
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, ME, MY_LID, NOON, journal
from whatsapp_mcp.archive import Archive, exchange, open_archive, outbox, recording
from whatsapp_mcp.decoding import content
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.models import (
    PERSON,
    Authorship,
    ContactUpdate,
    ExportedMessage,
    FileReading,
    FileStep,
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    GroupUpdate,
    ImportSource,
    ImportState,
    MessageKind,
    Passage,
    ReadingKind,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

CHANNEL = "120363000000000009@newsletter"
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


class Recording:
    """Operations as JSON, in order."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.lines: list[bytes] = []

    def __call__(self, number: int, operation: bytes) -> None:
        self.numbers.append(number)
        self.lines.append(operation)


@asynccontextmanager
async def recorded_archive(folder: AccountFolder, recorder: Recording) -> AsyncIterator[Archive]:
    """An archive whose operations are recorded, with a clock that goes on a second each time it is asked."""
    seconds = iter(range(NOON + 50_000, NOON + 1_000_000))
    async with open_archive(
        folder, write=True, now=lambda: datetime.fromtimestamp(next(seconds), UTC), recorder=recorder
    ) as archive:
        yield archive


async def run(archive: Archive, folder: AccountFolder) -> None:
    """Make every operation."""
    await _events(archive, _world())
    await _looked_up(archive)
    await _events(archive, shared_number.everything())
    await _sends(archive)
    await _imports(archive)
    await _decoded_again(archive)
    await _deleted(archive, folder)


def _world() -> list[ev.Raw]:
    return [
        *world.direct(ANA, ANA_LID, "A"),
        *world.group(),
        *world.moved(),
        *world.mappings(),
        *world.other_things(),
        *world.ourselves(),
    ]


async def _events(archive: Archive, events: Iterable[ev.Raw]) -> None:
    """All of them in small batches, and some of them again."""
    every = [*events]
    broken = ev.Raw(ev.EventCode.MESSAGE, b"\xff\xff")
    for start in range(0, len(every), 7):
        batch = [*every[start : start + 7], broken, *every[start // 2 : start // 2 + 2]]
        await archive.ingest(journal(batch, after=await archive.position()))


async def _looked_up(archive: Archive) -> None:
    await archive.write(recording.set_own, ME, MY_LID, "Me")
    await archive.write(
        recording.record_contacts,
        [ContactUpdate(ANA, saved_name="Ana Silva"), ContactUpdate(BOB, push_name="B")],
    )
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    await archive.write(recording.confirm_person, BOB, True)
    members = ((ANA_LID, ANA, True, False), (BOB, None, False, True), (ME, None, False, False))
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Club", members, 86_400)])
    await archive.write(recording.record_departure, GROUP)
    await archive.write(recording.record_channels, {CHANNEL: "News"})
    muted = datetime(2027, 1, 1, tzinfo=UTC)
    await archive.write(recording.record_chat_settings, ANA, archived=True, pinned=False, muted_until=muted)
    await archive.write(recording.record_timer, BOB, 3_600)
    await archive.write(recording.record_aside, BOB, None)
    await archive.write(recording.record_aside, BOB, muted)
    await archive.write(recording.record_aside, BOB, None, False)
    await archive.write(recording.record_aside, ANA, None)
    await archive.write(recording.record_gap, datetime.fromtimestamp(NOON, UTC), None, "The disk was full.")
    newest = (await archive.messages(limit=1)).items[0]
    await archive.write(recording.record_read, newest.chat, newest.ref)
    await archive.write(recording.meta_set, "kept", "this")
    await archive.write(recording.meta_set, "gone", "that")
    await archive.write(recording.meta_set, "gone", None)
    with suppress(WhatsAppError):
        await archive.write(recording.record_read, "15559999999@s.whatsapp.net", newest.ref)


async def _sends(archive: Archive) -> None:
    at = datetime.fromtimestamp(NOON + 70_000, UTC)

    def request(text: str, key: str | None = None) -> SendRequest:
        return SendRequest(ANA, TextContent(text), idempotency_key=key)

    for number, text in enumerate(("one", "two", "three", "four", "five")):
        entry, _ = await archive.write(
            outbox.add, request(text, f"key {number}"), expires_at=at + timedelta(hours=1)
        )
        with suppress(WhatsAppError):
            await archive.write(outbox.add, request("another text", f"key {number}"))
        with suppress(WhatsAppError):
            await archive.write(
                outbox.add, request(f"not now {number}"), obstacle=Busy("Not now.", retry_after=1.0)
            )
        if number == 0:
            await archive.write(outbox.withdrawn, entry.send_id, "Given up.")
            await archive.write(outbox.add, request(text, f"key {number}"))
            continue
        await archive.write(outbox.sending, entry.send_id, handed_to="1", secret=bytes(range(32)))
        if number == 1:
            message: Any = E2E.Message(conversation=text)
            await archive.outbox_sent(entry.send_id, "3EB0S1", at, message=message.SerializeToString())
        elif number == 2:
            await archive.write(outbox.unknown, entry.send_id, "No answer.", message_id="3EB0S2")
            settling = ev.receipt("3EB0S2", kind="DELIVERED", at=NOON + 70_001)
            await archive.ingest(journal([settling], after=await archive.position()))
        elif number == 3:
            await archive.write(outbox.queued, entry.send_id, "It may have gone out.")
            await archive.write(outbox.failed, entry.send_id, "Refused.")
        else:
            await archive.outbox_sent(entry.send_id, "3EB0S4", at)
            with suppress(WhatsAppError):
                await archive.write(outbox.withdrawn, entry.send_id, "Too late.")
    held, _ = await archive.write(outbox.add, request("if I may", "key held"), held=True)
    await archive.write(outbox.released, held.send_id, at + timedelta(hours=1))
    await _scheduled_sends(archive, at)
    await archive.outbox_quarantine()


async def _scheduled_sends(archive: Archive, at: datetime) -> None:
    known, later = Authorship(PERSON, ("stranger",), "digest"), at + timedelta(days=400)

    def request(text: str, *, replaces: int | None = None) -> SendRequest:
        return SendRequest(ANA, TextContent(text), at=later, unless_reply=True, replaces=replaces)

    first, _ = await archive.write(outbox.add, request("later"), scheduling=known)
    second, _ = await archive.write(outbox.add, request("or later", replaces=first.send_id), scheduling=known)
    await archive.write(outbox.asked, second.send_id, later)
    await archive.write(outbox.postponed, second.send_id)
    await archive.write(outbox.due, second.send_id, later)
    with suppress(WhatsAppError):
        await archive.write(outbox.due, second.send_id, later)


async def _imports_by_number(archive: Archive) -> None:
    begun = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"fingerprint")
    message = ForeignMessage("F1", ANA, None, NOON - 86_400, text="long ago")
    page = ForeignPage((message,), chats=(ForeignChat(GROUP, "Older club"),), following=7, read=1)
    await archive.import_page(begun.number, page)
    await archive.write(exchange.import_files, begun.number, 1, 2)
    await archive.write(exchange.import_ended, begun.number, ImportState.DONE)
    while await archive.write(exchange.import_undone, begun.number):
        pass


async def _imports(archive: Archive) -> None:
    await _imports_by_number(archive)
    exported = [
        ExportedMessage(datetime(2020, 1, 1, 12, minute), name, f"said {minute}", file, file is not None)
        for minute, (name, file) in enumerate(
            [
                ("Ana Silva", None),
                ("Me", None),
                ("Ana Silva", "photo.jpg"),
                ("Me", "notes.docx"),
                (None, None),
            ]
        )
    ]
    begun = await archive.write(exchange.import_begun, ImportSource.CHAT_EXPORT, "Ana.zip", b"another", ANA)
    number = begun.number
    done = await archive.import_chat_export(number, exported, ANA, title="Ana", me="Me", zone=SAO_PAULO)
    for message_id, name in done.files.items():
        await archive.store_imported_file(number, message_id, name, b"content")
    file = ForeignFile("image", name="x.jpg")
    messages = (
        ForeignMessage("B1", ANA, None, NOON - 80_000_000, text="from a bridge"),
        ForeignMessage("B2", GROUP, "15550000007", NOON - 80_000_000, MessageKind.IMAGE, "hello", file=file),
        ForeignMessage("B3", BOB, "nobody at all", NOON - 80_000_000, text="never"),
    )
    begun = await archive.write(exchange.import_begun, ImportSource.LHARRIES, "messages.db", b"a third")
    await archive.import_page(
        begun.number, ForeignPage(messages, chats=(ForeignChat(GROUP, "Old club"),), read=3)
    )


async def _decoded_again(archive: Archive) -> None:
    """Something of which a later version knows what it is."""
    card = E2E.Message.FromString(b"\xc2\x3e\x02hi")
    await archive.ingest(journal([ev.message("PAY", card, chat=BOB)], after=await archive.position()))

    def invite(_: object) -> content.Content:
        return content.Content(MessageKind.TEXT, "an invitation")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(content.HANDLERS, "field 1000", invite)
        assert await archive.redecode() > 0


async def _deleted(archive: Archive, folder: AccountFolder) -> None:
    picture = next(m for m in (await archive.messages(limit=500)).items if m.media is not None)
    (folder.media / "picture.jpg").write_bytes(b"jpg")
    await archive.write(recording.record_file_problem, picture.ref, FileStep.FETCH, "BUSY", "Not now.", False)
    await archive.write(recording.record_media_path, picture.ref, "picture.jpg", 3)
    await archive.write(
        recording.record_file_problem, picture.ref, FileStep.READ, "TOO_LONG", "It is too long.", True
    )
    passages = (Passage("two\fwords", "Sheet 1"), Passage("more", start=1.5))
    await archive.write(
        recording.record_reading, picture.ref, FileReading(ReadingKind.PICTURE, passages, "rapidocr", "en", 3)
    )
    await archive.write(recording.record_media_path, picture.ref, None)
    assert (await archive.purge(before=datetime(2020, 1, 1, 15, 2, tzinfo=UTC))).messages > 0
    assert (await archive.purge(chat=BOB)).messages > 0
    await archive.optimize()
    await archive.ingest(journal([ev.message("LAST", "after all")], after=await archive.position()))


def path_of(tmp_path: Path, name: str) -> AccountFolder:
    """The files of an account of a test."""
    return AccountFolder("default", tmp_path / name / "accounts" / "default")
