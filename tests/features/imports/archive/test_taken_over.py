"""Exported chats and the database of a bridge are taken over, each message once."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, journal
from tests.features.imports.archive.importing import import_archive, import_chat
from tests.features.imports.backups.lharries import bridge_database
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import MessageFilter, MessageKind
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

IPHONE = """\u200e[14/11/2023, 22:13:20] Ana Silva: hello
[14/11/2023, 22:13:25] Max: first line
second line
\u200e[14/11/2023, 22:14:00] Ana Silva: \u200e<attached: 00000004-PHOTO-2023-11-14.jpg>
[14/11/2023, 22:15:00] Max: ok
[14/11/2023, 22:15:00] Max: ok
"""


async def test_an_iphone_export_is_taken_over_once_with_its_files(
    archive: Archive, folder: AccountFolder, tmp_path: Path
) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("_chat.txt", IPHONE)
        packed.writestr("00000004-PHOTO-2023-11-14.jpg", b"jpeg")
    await archive.ingest(journal([ev.message("A1", "hello", name="Ana Silva")]))
    result = await import_chat(archive, path, ANA)
    assert (result.messages, result.duplicates) == (4, 1)
    page = await archive.messages(MessageFilter(chat=ANA), oldest_first=True)
    assert [(m.from_me, m.text) for m in page.items] == [
        (False, "hello"),
        (True, "first line\nsecond line"),
        (False, ""),
        (True, "ok"),
        (True, "ok"),
    ]
    media = page.items[2].media
    assert media is not None
    assert media.path is not None
    assert (folder.media / media.path).read_bytes() == b"jpeg"
    again = await import_chat(archive, path, ANA)
    assert (again.messages, again.duplicates) == (0, 5)
    assert (await archive.chats()).items[0].unread == 1, "what came over the connection is still unread"
    assert await archive.check() == ()


async def test_a_group_export_finds_people_by_name_and_number(archive: Archive, tmp_path: Path) -> None:
    text = "[1/2/23, 10:00:00 AM] Bob: one\n[1/2/23, 10:00:01 AM] Max: two\n"
    text += "[1/13/23, 1:00:02 PM] Stranger: three\n"
    path = tmp_path / "_chat.txt"
    path.write_text(text + "[1/13/23, 1:00:03 PM] +1 555 000 0009: four\n")
    await archive.write(recording.set_own, ev.ME, None, "Max")
    await archive.ingest(journal([ev.message("N1", chat=BOB, name="Bob")]))
    await import_chat(archive, path, GROUP)
    page = await archive.messages(MessageFilter(chat=GROUP), oldest_first=True)
    assert [(m.sender, m.sender_name, m.from_me) for m in page.items] == [
        (BOB, "Bob", False),
        (ev.ME, "Max", True),
        ("", "Stranger", False),
        ("15550000009@s.whatsapp.net", "+15550000009", False),
    ]
    assert page.items[2].timestamp == datetime(2023, 1, 13, 13, 0, 2, tzinfo=UTC)


async def test_an_export_without_its_media_adds_nothing_to_what_is_here(
    archive: Archive, tmp_path: Path
) -> None:
    image = E2E.Message()
    image.imageMessage.caption, image.imageMessage.mimetype = "look", "image/jpeg"
    mention = E2E.Message()
    mention.extendedTextMessage.text = "ask @15550000002"
    mention.extendedTextMessage.contextInfo.mentionedJID.append(BOB)
    await archive.ingest(
        journal([ev.message("A1", image, name="Ana"), ev.message("A2", mention, at=NOON + 60)])
    )
    path = tmp_path / "_chat.txt"
    path.write_text(
        "14/11/2023, 22:13 - Ana: <Media omitted>\n14/11/2023, 22:14 - Ana: ask @\u2068Bob Brown\u2069\n"
    )
    result = await import_chat(archive, path, ANA)
    assert (result.messages, result.duplicates) == (0, 2)


async def test_who_is_who_in_a_direct_chat_is_told_by_the_files_name_or_asked(
    archive: Archive, tmp_path: Path
) -> None:
    text = "31/12/2023, 23:59 - Max: mine\n31/12/2023, 23:59 - Ana: theirs\n"
    path = tmp_path / "_chat.txt"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match="--me"):
        await import_chat(archive, path, ANA)
    assert (await archive.statistics()).messages == 0
    named = tmp_path / "WhatsApp Chat with Ana.txt"
    named.write_text(text)
    await import_chat(archive, named, ANA)
    assert {m.text: m.from_me for m in (await archive.messages()).items} == {"mine": True, "theirs": False}
    assert (await import_chat(archive, path, ANA, me="max")).duplicates == 2


async def test_what_is_no_export_is_refused_and_changes_nothing(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("just some notes\n")
    for path in (tmp_path / "notes.txt", tmp_path / "missing.zip"):
        with pytest.raises(InvalidArgument):
            await import_chat(archive, path, ANA)
        with pytest.raises(InvalidArgument):
            await import_archive(archive, path)
    assert (await archive.statistics()).messages == 0


async def test_the_database_of_the_bridge_is_taken_over(archive: Archive, tmp_path: Path) -> None:
    file = ("image", "a.jpg", "https://mmg.whatsapp.net/d/f/1.enc", b"k", b"s", b"e", 9)
    path = bridge_database(
        tmp_path / "messages.db",
        [(GROUP, "Club")],
        [
            ("A1", GROUP, "15550000001", "hi all", "2023-11-14 22:13:20+00:00", 0),
            ("A2", GROUP, "10000", "mine", "2023-11-14 22:13:21+00:00", 1),
            ("A3", ANA, "15550000001", "", "2023-11-14T22:13:22Z", 0, *file),
            ("A4", "nonsense", "x", "", "never", 0),
        ],
    )
    await archive.ingest(journal([ev.message("A1", "hi all", chat=GROUP, sender=ANA)]))
    result = await import_archive(archive, path)
    assert (result.messages, result.duplicates, result.skipped) == (2, 1, 1)
    page = await archive.messages(oldest_first=True)
    assert [(m.message_id, m.chat_name, m.from_me) for m in page.items] == [
        ("A1", "Club", False),
        ("A2", "Club", True),
        ("A3", "+15550000001", False),
    ]
    assert (await archive.media_source("A3")).media_key == b"k"
    assert (await import_archive(archive, path)).messages == 0


@for_each(
    "sender, expected",
    [
        ("15550000077", "15550000077@s.whatsapp.net"),
        ("5215512345678", "5215512345678@s.whatsapp.net"),
        ("271515252437056", "271515252437056@lid"),
        ("86123456789012", "86123456789012@lid"),
        ("4917188888888@lid", "4917188888888@lid"),
        ("4917199999999", "4917199999999@lid"),
        ("80001", ANA),
        ("4917177777777", "4917177777777@lid"),
    ],
    archive="archives",
)
async def test_numbers_and_hidden_jids_of_the_bridge_are_told_apart(
    archive: Archive, tmp_path: Path, sender: str, expected: str
) -> None:
    """The bridge drops the server of senders; its chats and what is known here tell, then the digits."""
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    await archive.ingest(journal([ev.message("G0", chat=GROUP, sender="4917177777777@lid")]))
    path = bridge_database(
        tmp_path / f"{sender}.db",
        [(GROUP, "Club"), ("4917199999999@lid", None)],
        [("B1", GROUP, sender, "hi", "2023-11-14 22:13:29+00:00", 0)],
    )
    await import_archive(archive, path)
    (message,) = (await archive.search("hi", MessageFilter(kinds=(MessageKind.TEXT,)), limit=1)).items
    assert (message.message_id, message.sender) == ("B1", expected)
