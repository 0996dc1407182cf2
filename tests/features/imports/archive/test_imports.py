"""What an import says may be made up: it harms nothing that is here, and is told from what came."""

from __future__ import annotations

import os
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, journal
from tests.archive.test_hostile import everything_reads
from tests.features.imports.archive.importing import import_archive, import_chat
from tests.features.imports.backups.lharries import bridge_database
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

AT = "2023-11-14 22:13:20+00:00"
NEXT_WEEK = (ev.NOW + timedelta(days=7)).isoformat()


async def test_rows_that_whatsapp_cannot_have_told_are_skipped(archive: Archive, tmp_path: Path) -> None:
    odd: list[tuple[Any, ...]] = [
        ("", ANA, "x", "no id", AT, 0),
        ("A 1", ANA, "x", "an id with a space", AT, 0),
        ("A\n#1 22:13 Ana: pay", ANA, "x", "an id of two lines", AT, 0),
        ("A" * 10_000_000, ANA, "x", "a long id", AT, 0),
        ("A2", "nobody", "x", "no jid", AT, 0),
        ("A3", "x@evil.example", "x", "a jid of elsewhere", AT, 0),
        ("A4", f"{'1' * 500}@g.us", "x", "a long jid", AT, 0),
        ("A5", GROUP, "x y@lid", "a sender that is none", AT, 0),
        ("A6", ANA, "x", "before WhatsApp", "1969-07-20 20:17:40+00:00", 0),
        ("A7", ANA, "x", "the last second", "9999-12-31 23:59:59+00:00", 0),
        ("A8", ANA, "x", "the future", NEXT_WEEK, 0),
        ("A9", ANA, "x", "no time", "soon", 0),
    ]
    good = ("B1", ANA, "15550000001", "here\0 I am", AT, 0)
    path = bridge_database(tmp_path / "messages.db", [(GROUP, "n" * 5_000_000)], [*odd, good])
    result = await import_archive(archive, path)
    assert (result.messages, result.skipped) == (1, len(odd))
    (message,) = await everything_reads(archive)
    assert message.text == "here\ufffd I am"
    assert (await archive.chats()).items[0].jid == ANA
    assert await archive.check() == ()


async def test_a_forged_message_of_ones_own_is_told(archive: Archive, tmp_path: Path) -> None:
    await archive.ingest(
        journal([ev.message("A1", "hi", name="Ana"), ev.message("B1", chat=BOB, name="Ana")])
    )
    path = bridge_database(tmp_path / "messages.db", [], [("F1", ANA, "me", "yes, pay her", AT, 1)])
    await import_archive(archive, path)
    forged = await archive.message("F1")
    assert (forged.from_me, forged.imported) == (True, True)
    assert not (await archive.message("A1")).imported


async def test_an_import_changes_nothing_of_a_message_that_came_by_whatsapp(
    archive: Archive, tmp_path: Path
) -> None:
    await archive.ingest(journal([ev.message("A1", "as it was"), ev.message("A2", "unread", at=NOON + 60)]))
    rows = [("A1", ANA, "15550000001", "forged", "2020-01-01 00:00:00+00:00", 0)]
    path = bridge_database(tmp_path / "messages.db", [], [*rows, ("A0", ANA, "15550000001", "old", AT, 0)])
    result = await import_archive(archive, path)
    assert (result.messages, result.duplicates) == (1, 1)
    message = await archive.message("A1")
    assert (message.text, int(message.timestamp.timestamp()), message.imported) == ("as it was", NOON, False)
    unread = await archive.messages(MessageFilter(unread=True))
    assert [m.message_id for m in unread.items] == ["A2", "A1"]


async def test_a_message_that_comes_by_whatsapp_takes_the_place_of_an_imported_one(
    archive: Archive, tmp_path: Path
) -> None:
    path = bridge_database(tmp_path / "messages.db", [], [("A1", ANA, "15550000001", "forged", AT, 0)])
    await import_archive(archive, path)
    await archive.ingest(journal([ev.message("A1", "as it is")]))
    (message,) = (await archive.messages()).items
    assert (message.text, message.imported) == ("as it is", False)
    assert (await archive.search("forged")).items == ()


async def test_names_in_an_export_are_what_people_call_themselves(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "_chat.txt"
    path.write_text("[1/2/23, 10:00:00 AM] Mum: send money\n[1/13/23, 10:00:01 AM] You: ok\n")
    await import_chat(archive, path, GROUP)
    mum, _ = (await archive.messages(oldest_first=True)).items
    assert (mum.sender_name, mum.sender_stranger, mum.imported) == ("Mum", True, True)


async def test_times_that_no_message_has_are_skipped(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "_chat.txt"
    path.write_text(
        "[31/12/9999, 23:59:59] Ana: late\n[31/12/1999, 10:00:00] Ana: early\n[31/12/2023, 10:00:00] Ana: x\n"
    )
    result = await import_chat(archive, path, ANA)
    assert (result.messages, result.skipped) == (1, 2)
    await everything_reads(archive)


async def test_the_file_of_an_exported_message_has_a_harmless_name_and_a_bound(
    archive: Archive, folder: AccountFolder, tmp_path: Path
) -> None:
    said = "".join(
        f"\u200e[14/11/2023, 22:13:2{n}] Ana: \u200e<attached: {name}>\n"
        for n, name in enumerate(("1.jpg", "..;x.php", "big.bin", "gone.jpg"))
    )
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("_chat.txt", said)
        for name, content in (("1.jpg", b"jpeg"), ("..;x.php", b"php"), ("big.bin", b"x" * 1_000_001)):
            packed.writestr(name, content)
    result = await import_chat(archive, path, ANA)
    assert (result.messages, result.left_out) == (4, 1)
    names = sorted(one.name for one in folder.media.iterdir())
    assert [name.partition(".")[2] for name in names if name.startswith("IMP-")].count("jpg") == 1
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in folder.media.iterdir())
    kept = [m.media and m.media.path for m in (await archive.messages(oldest_first=True)).items]
    assert [path is not None for path in kept] == [True, True, False, False]


@pytest.mark.parametrize("name", ["messages.db?mode=rwc&vfs=x", "a%20b#c.db", "100%.db"])
async def test_the_name_of_a_database_says_nothing_but_where_it_is(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    path = bridge_database(tmp_path / name, [], [("A1", ANA, "15550000001", "hi", AT, 0)])
    assert (await import_archive(archive, path)).messages == 1
    assert set(os.listdir(tmp_path)) == {name, "accounts"}


async def test_a_database_in_use_and_what_is_no_file_are_refused(archive: Archive, tmp_path: Path) -> None:
    path = bridge_database(tmp_path / "messages.db", [], [])
    (tmp_path / "messages.db-wal").write_bytes(b"x")
    with pytest.raises(Busy, match="in use"):
        await import_archive(archive, path)
    with pytest.raises(InvalidArgument):
        await import_chat(archive, Path("/dev/zero"), ANA)
