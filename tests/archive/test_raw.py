"""What lies beside the tables stays and goes with its message: its raw form and its downloaded file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive import world
from tests.archive.events import ANA, ANA_LID, NOON, Raw, journal
from whatsapp_mcp.archive import Archive, outbox, recording
from whatsapp_mcp.models import MessageKind, SendRequest, TextContent
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


def unknown(wa_id: str, *, chat: str = ANA, at: int = NOON) -> Raw:
    body = E2E.Message.FromString(b"\xc2\x3e\x02hi")
    return ev.message(wa_id, body, chat=chat, at=at)


def raw_forms(folder: AccountFolder) -> list[bytes]:
    with closing(sqlite3.connect(folder.raw_db)) as db:
        return [row[0] for row in db.execute("SELECT payload FROM raw ORDER BY message_id")]


async def test_two_copies_of_other_times_that_become_one_keep_a_raw_form(
    archive: Archive, folder: AccountFolder
) -> None:
    events = [unknown("A1"), unknown("A1", chat=ANA_LID, at=NOON - 1)]
    await archive.ingest(journal(events))
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    (message,) = (await archive.messages()).items
    assert message.timestamp.timestamp() == NOON - 1
    (kept,) = raw_forms(folder)
    assert kept in {event.payload for event in events}


async def downloaded(archive: Archive, folder: AccountFolder) -> Path:
    """The file of the picture A1, which has been downloaded."""
    await archive.ingest(journal([ev.message("A1", world.image("sunset"))]))
    folder.media.mkdir(parents=True, exist_ok=True)
    file = folder.media / "pic.png"
    file.write_bytes(b"png")
    await archive.write(recording.record_media_path, "A1", file.name)
    assert file.exists()
    return file


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_comes_decrypted_but_is_not_understood_takes_the_place_that_was_kept(
    archive: Archive, folder: AccountFolder, at_once: bool
) -> None:
    events = [ev.undecryptable("A1"), unknown("A1"), ev.undecryptable("A1")]
    for batch in [events] if at_once else [events[:1], events[:2], events]:
        await archive.ingest(journal(batch))
    assert (await archive.message("A1")).kind is MessageKind.UNKNOWN
    assert raw_forms(folder) == [events[1].payload]


async def test_the_file_of_a_message_goes_also_when_it_is_told_twice_that_it_was_deleted(
    archive: Archive, folder: AccountFolder
) -> None:
    file = await downloaded(archive, folder)
    await archive.ingest(journal([ev.revoke("A1"), ev.revoke("A1")], after=1))
    assert not file.exists()
    assert raw_forms(folder) == []


async def test_of_a_deleted_message_nothing_stays_when_an_earlier_copy_comes_with_the_deletion(
    archive: Archive, folder: AccountFolder
) -> None:
    file = await downloaded(archive, folder)
    earlier = ev.message("A1", world.image("sunset"), at=NOON - 1)
    await archive.ingest(journal([ev.revoke("A1"), earlier], after=1))
    assert (await archive.message("A1")).timestamp.timestamp() == NOON - 1
    assert not file.exists()
    assert raw_forms(folder) == []


async def test_what_was_sent_from_here_keeps_its_raw_form_until_it_is_deleted(
    archive: Archive, folder: AccountFolder
) -> None:
    sent = world.image("sunset")
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("sunset")))
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "3EB001", ev.NOW, message=sent.SerializeToString())
    assert await archive.original("3EB001") == sent
    await archive.ingest(journal([ev.revoke("3EB001", sender=None)]))
    assert raw_forms(folder) == []
