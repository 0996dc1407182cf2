"""Pictures that were sent as one are one album, whichever of them come, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, Raw, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.archive.exporting import said
from whatsapp_mcp.models import (
    Album,
    AlbumContent,
    AlbumFileContent,
    FileContent,
    SendRequest,
    SendStatus,
)
from whatsapp_mcp.protobufs import E2E, Common
from whatsapp_simulator import kinds

pytestmark = pytest.mark.anyio


def picture(album: str, caption: str = "") -> Any:
    """A picture in an album."""
    image = E2E.Message(imageMessage=E2E.ImageMessage(caption=caption, mimetype="image/jpeg"))
    return kinds.in_album(image, Common.MessageKey(ID=album))


def album_of_three() -> list[Raw]:
    """An album of three, two of which come."""
    return [
        ev.message("A0", kinds.album(2, 1), chat=GROUP, sender=ANA),
        ev.message("A1", picture("A0", "sunset"), chat=GROUP, sender=ANA, at=NOON + 1),
        ev.message("A2", picture("A0"), chat=GROUP, sender=ANA, at=NOON + 2),
    ]


@for_each("order", [*permutations(range(3))], archive="archives")
async def test_an_album_knows_its_files_in_whichever_order_they_come(
    archive: Archive, order: tuple[int, ...]
) -> None:
    events = album_of_three()
    await archive.ingest(journal([events[number] for number in order]))
    album, first, second = [await archive.message(one) for one in ("A0", "A1", "A2")]
    assert album.album == Album(3, (first.ref, second.ref))
    assert (first.album_of, second.album_of) == (album.ref, album.ref)
    assert (album.text, first.text) == ("", "sunset")


async def test_an_album_from_the_past_is_one_too(archive: Archive) -> None:
    bodies = {"A0": kinds.album(2), "A1": picture("A0"), "A2": picture("A0")}
    messages = [ev.web_message(name, body) for name, body in bodies.items()]
    await archive.ingest(journal([ev.history(ev.conversation(messages))]))
    album = (await archive.message("A0")).album
    assert album is not None
    assert len(album.files) == 2


async def test_an_album_whose_answer_was_lost_queues_its_files_once_a_receipt_names_it(
    archive: Archive,
) -> None:
    files = tuple(FileContent("image", f"/media/{name}.jpg", "image/jpeg") for name in "ab")
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, AlbumContent(files)))
    await archive.write(outbox.sending, entry.send_id)
    await archive.write(outbox.unknown, entry.send_id, "The client died.", message_id="3EB0AA")
    assert await archive.outbox_album(entry.send_id) == ()
    await archive.ingest(journal([ev.receipt("3EB0AA"), ev.receipt("3EB0AA", at=NOON + 9)]))
    queued = await archive.outbox_album(entry.send_id)
    assert [(one.status, one.request.content) for one in queued] == [
        (SendStatus.QUEUED, AlbumFileContent("3EB0AA", file)) for file in files
    ]
    assert (await archive.message("3EB0AA")).album == Album(2)
    assert (await archive.outbox_result(entry.send_id)).reason == "2 of 2 files are on their way."


async def test_the_files_of_an_album_for_later_have_a_day_from_its_moment(archive: Archive) -> None:
    files = tuple(FileContent("image", f"/media/{name}.jpg", "image/jpeg") for name in "ab")
    at = datetime.fromtimestamp(NOON, UTC)
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, AlbumContent(files), at=at))
    await archive.write(outbox.due, entry.send_id, at + timedelta(minutes=15))
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "3EB0AA", at)
    queued = await archive.outbox_album(entry.send_id)
    assert [one.expires_at for one in queued] == [at + timedelta(days=1)] * 2


async def test_an_export_says_that_a_message_is_an_album(archive: Archive) -> None:
    await archive.ingest(journal(album_of_three()))
    assert said(await archive.message("A0")) == "[album of 3 files]"


async def test_nobody_else_adds_a_file_to_an_album(archive: Archive) -> None:
    intruder = ev.message("B1", picture("A0"), chat=GROUP, sender=BOB, at=NOON + 1)
    await archive.ingest(journal([album_of_three()[0], intruder]))
    album, added = await archive.message("A0"), await archive.message("B1")
    assert album.album == Album(3)
    assert added.album_of is None


async def test_more_files_than_an_album_announces_are_left_to_themselves(archive: Archive) -> None:
    events = [ev.message("A0", kinds.album(1))]
    events += [ev.message(f"A{n}", picture("A0"), at=NOON + n) for n in (1, 2)]
    await archive.ingest(journal(events))
    album = (await archive.message("A0")).album
    assert album is not None
    assert album.files == ((await archive.message("A1")).ref,)


async def test_a_file_whose_album_never_came_is_a_message_like_others(archive: Archive) -> None:
    await archive.ingest(journal([album_of_three()[1]]))
    message = await archive.message("A1")
    assert (message.album_of, message.details) == (None, None)
