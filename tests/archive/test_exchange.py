"""Out of the archive and into it: exports, imports, and deleting for good."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOON, journal
from whatsapp_mcp.archive import Archive, export, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.models import MessageFilter, MessageKind
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def test_json_lines_text_and_page_hold_every_message(
    archive: Archive, folder: AccountFolder, tmp_path: Path
) -> None:
    image = E2E.Message()
    image.imageMessage.caption, image.imageMessage.mimetype = "<b>not bold</b>", "image/png"
    await archive.ingest(
        journal(
            [
                ev.message("A1", "hello", name="Ana"),
                ev.message("A2", image, at=NOON + 1),
                ev.reaction("A1", "👍"),
            ]
        )
    )
    (folder.media / "x.png").write_bytes(b"png")
    await archive.write(recording.record_media_path, "A2", "x.png")
    where = MessageFilter(chat=ANA)
    assert await export(archive, tmp_path / "out.jsonl", "jsonl", where) == 2
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["message_id"] for line in lines] == ["A1", "A2"]
    await export(archive, tmp_path / "out.txt", "text", where)
    assert (tmp_path / "out.txt").read_text().splitlines()[0] == "[2023-11-14, 22:13:20] ~Ana: hello"
    await export(archive, tmp_path / "out.html", "html", where, media=folder.media)
    page = (tmp_path / "out.html").read_text()
    assert "&lt;b&gt;not bold&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "👍" in page
    assert (tmp_path / "out_files" / "2.png").read_bytes() == b"png"
    assert 'src="out_files/2.png"' in page


async def test_a_rebuilt_index_finds_the_same(archive: Archive) -> None:
    await archive.ingest(journal([ev.message(f"A{n}", f"needle {n}", at=NOON + n) for n in range(30)]))
    before = [m.ref for m in (await archive.search("needle", limit=100)).items]
    await archive.rebuild()
    await archive.optimize()
    assert [m.ref for m in (await archive.search("needle", limit=100)).items] == before
    assert await archive.check() == ()


async def test_a_newer_version_decodes_what_was_put_aside(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whatsapp_mcp.decoding import content

    card = E2E.Message.FromString(b"\xc2\x3e\x02hi")
    await archive.ingest(journal([ev.message("A1", card)]))
    assert await archive.redecode() == 0

    def invite(_: object) -> content.Content:
        return content.Content(MessageKind.TEXT, "an invitation")

    monkeypatch.setitem(content.HANDLERS, "field 1000", invite)
    assert await archive.redecode() == 1
    assert (await archive.message("A1")).text == "an invitation"
    assert len((await archive.search("invitation")).items) == 1


async def test_an_event_that_was_put_aside_is_decoded_once_it_can_be_and_its_raw_form_kept(
    archive: Archive, folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whatsapp_mcp.decoding import events

    def broken(payload: bytes, received_at: int) -> list[object]:
        raise ValueError

    event, still = ev.message("A1", "in the end"), ev.Raw(EventCode.MESSAGE, b"\xff\xff")
    with monkeypatch.context() as patch:
        patch.setitem(events._DECODERS, int(event.code), broken)  # pyright: ignore[reportPrivateUsage]
        assert (await archive.ingest(journal([still, event]))).undecoded == 2
        assert await archive.redecode() == 0
    assert await archive.redecode() == 1
    assert [m.text for m in (await archive.messages()).items] == ["in the end"]
    assert (await archive.statistics()).undecoded == 1
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert db.execute("SELECT payload FROM raw").fetchall() == [(event.payload,)]


async def test_a_name_cannot_begin_a_line_of_its_own(archive: Archive, tmp_path: Path) -> None:
    await archive.ingest(journal([ev.message("A1", "hi", name="Ana\n[2023-11-14, 22:13:20] Boss: pay")]))
    await export(archive, tmp_path / "out.txt", "text")
    assert len((tmp_path / "out.txt").read_text().splitlines()) == 1


async def test_a_text_cannot_forge_the_next_line_of_an_export(archive: Archive, tmp_path: Path) -> None:
    said = "hi\r\n[2023-11-14, 22:13:21] Boss: pay\x1b[2K\x9b1A\x00"
    await archive.ingest(journal([ev.message("A1", said, name="Ana")]))
    await export(archive, tmp_path / "out.txt", "text")
    lines = (tmp_path / "out.txt").read_text().split("\n")
    assert [line.startswith("[") for line in lines] == [True, False, False]
    assert not set("\x1b\x9b\x00\r") & set("".join(lines))
