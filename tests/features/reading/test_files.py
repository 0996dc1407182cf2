"""From a person who sends a file to its words in the search, with the real client and the reading process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.device.conftest import Lead, Leader
from tests.device.letters import LETTER, arrived, known, letter, met
from tests.devices import direct
from tests.media.document_files import pdf
from tests.media.footage import written
from tests.media.speech_samples import VOICE_NOTE, WORDS
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.operations import control, files
from whatsapp_mcp.errors import MediaUnavailable, Unsupported
from whatsapp_mcp.models import ConnectionState, FileStep, Message, ReadingKind
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.media import Kind
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ann(wa: WhatsApp, linked: Leader) -> Person:
    """Somebody in the address book."""
    return await known(wa, linked.archive, "Ann")


async def found(archive: Archive, words: str) -> list[int]:
    return [message.ref for message in (await archive.search(words)).items]


def config(folder: AccountFolder, text: str) -> None:
    (folder.path.parent.parent / "config.toml").write_text(text, encoding="utf-8")


async def test_what_a_contact_sends_is_found_by_its_words_and_nobody_is_told(
    wa: WhatsApp, linked: Leader, ann: Person
) -> None:
    sent = await ann.says(letter(wa))
    message = (await met(linked.archive, lambda all_: any(one.reading for one in all_)))[0]
    assert message.reading is not None
    assert message.reading.kind is ReadingKind.DOCUMENT
    assert await found(linked.archive, "deposit weeks") == [message.ref]
    assert [one.kind for one in ann.receipts if one.id == sent and one.kind in {"read", "played"}] == []
    status = (await direct(linked.device).do(control.status)).files
    assert status is not None
    assert (status.to_fetch, status.to_read, status.failed) == (0, 0, 0)
    assert status.kept_bytes == len(LETTER)


@pytest.mark.parametrize(
    ("kind", "content", "fields", "words", "read_as"),
    [
        ("document", pdf(["The deposit is 900 euros."]), {"fileName": "a.pdf"}, "deposit euros", "document"),
        ("image", written("Your train leaves at 14:05"), {}, "train leaves", "picture"),
        ("voice", VOICE_NOTE, {"seconds": 3}, WORDS, "transcript"),
    ],
)
async def test_a_letter_a_screenshot_and_a_voice_note_are_found_by_their_words(
    wa: WhatsApp,
    folder: AccountFolder,
    linked: Leader,
    ann: Person,
    kind: Kind,
    content: bytes,
    fields: dict[str, Any],
    words: str,
    read_as: str,
) -> None:
    config(folder, '[voice]\nengine = "pocketsphinx"\n')
    await direct(linked.device).do(
        files.read_file, (await sent(wa, linked, ann, wa.media.attach(kind, content, **fields))).ref
    )
    message = (await linked.archive.search(words)).items[0]
    assert message.reading is not None
    assert message.reading.kind == read_as


async def sent(wa: WhatsApp, linked: Leader, person: Person, message: E2E.Message) -> Message:
    """The message of a person, once it is archived."""
    await person.says(message)
    return (await arrived(linked.archive))[0]


async def test_a_strangers_file_is_fetched_and_read_only_when_somebody_asks(
    wa: WhatsApp, linked: Leader, ann: Person
) -> None:
    await wa.person("Eve").says(letter(wa, b"Send 500 euros to this account.\n"))
    await ann.says(letter(wa))
    messages = await met(linked.archive, lambda all_: len(all_) == 2 and all_[0].reading is not None)
    of_eve = messages[1]
    assert of_eve.reading is None
    assert len(wa.media.requests) == 1
    await direct(linked.device).do(files.read_file, of_eve.ref)
    assert (await linked.archive.message(of_eve.ref)).reading is not None
    assert len(wa.media.requests) == 2


async def test_what_was_asked_for_is_not_counted_as_kept(wa: WhatsApp, linked: Leader, ann: Person) -> None:
    await ann.says(letter(wa))
    message = (await met(linked.archive, lambda all_: any(one.reading for one in all_)))[0]
    assert await linked.archive.kept_bytes() == len(LETTER)
    await direct(linked.device).do(files.download, message.ref)
    assert await linked.archive.kept_bytes() == 0


async def test_several_who_ask_for_a_file_get_it_from_one_fetch(wa: WhatsApp, linked: Leader) -> None:
    await wa.person("Eve").says(letter(wa))
    ref = (await arrived(linked.archive))[0].ref
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(linked.device.files.read_file, ref)
            tasks.start_soon(linked.device.files.download, ref)
    assert len(wa.media.requests) == 1


async def test_what_whatsapp_no_longer_has_is_said_for_good(
    wa: WhatsApp, linked: Leader, ann: Person
) -> None:
    message = letter(wa)
    wa.media.expire(message)
    await ann.says(message)
    await ann.says(letter(wa))
    gone = (await met(linked.archive, lambda all_: len(all_) == 2 and all_[0].reading is not None))[1]
    assert gone.problem is not None
    assert (gone.problem.step, gone.problem.code, gone.problem.final) == (
        FileStep.FETCH,
        "MEDIA_UNAVAILABLE",
        True,
    )
    assert gone.problem.sentence == "WhatsApp no longer has this file."
    with pytest.raises(MediaUnavailable, match="no longer"):
        await direct(linked.device).do(files.read_file, gone.ref)
    status = (await direct(linked.device).do(control.status)).files
    assert status is not None
    assert status.progress == "1 failed"


async def test_what_has_no_words_says_so(wa: WhatsApp, linked: Leader) -> None:
    ann = wa.person("Eve")
    await ann.says(wa.media.attach("document", b"PK", fileName="game.exe", mimetype="application/x-exe"))
    await ann.says("hello")
    text, file = await arrived(linked.archive, 2)
    with pytest.raises(Unsupported, match="not read"):
        await direct(linked.device).do(files.read_file, file.ref)
    with pytest.raises(MediaUnavailable, match="no file"):
        await direct(linked.device).do(files.read_file, text.ref)


async def test_nothing_is_fetched_when_keeping_is_off(
    wa: WhatsApp, folder: AccountFolder, linked: Leader, ann: Person
) -> None:
    config(folder, '[media]\nkeep = "off"\n')
    await ann.says(letter(wa))
    ref = (await arrived(linked.archive))[0].ref
    await anyio.sleep(2.5)  # two looks of the keeper
    assert wa.media.requests == []
    await direct(linked.device).do(files.read_file, ref)
    assert await found(linked.archive, "deposit") == [ref]


async def test_only_the_chats_that_are_named_are_kept(
    wa: WhatsApp, folder: AccountFolder, linked: Leader, ann: Person
) -> None:
    config(folder, '[media.keep]\nchats = ["Bob"]\n')
    bob = await known(wa, linked.archive, "Bob")
    await ann.says(letter(wa))
    await bob.says(letter(wa))
    messages = await met(linked.archive, lambda all_: len(all_) == 2 and all_[0].reading is not None)
    assert messages[1].reading is None
    assert len(wa.media.requests) == 1


async def test_what_waits_when_a_leader_ends_is_done_by_the_next(wa: WhatsApp, lead: Lead) -> None:
    async with lead() as first:
        shown = await direct(first.device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await first.until(ConnectionState.ONLINE)
        await wa.me.online()
        ann = await known(wa, first.archive, "Ann")
        for number in range(6):
            await ann.says(letter(wa, f"page {number} of the contract\n".encode(), f"{number}.txt"))
        await met(first.archive, lambda all_: any(one.reading for one in all_))
    async with lead() as second:
        await second.until(ConnectionState.ONLINE)
        messages = await met(
            second.archive, lambda all_: sum(one.reading is not None for one in all_) == 6, within=60
        )
    assert len(wa.media.requests) == len(messages) == 6
    assert {one.problem for one in messages} == {None}


@pytest.fixture(autouse=True)
async def _no_anomaly(wa: WhatsApp) -> AsyncIterator[None]:
    yield
    assert [one for one in wa.log if one.kind == "media"] == []
