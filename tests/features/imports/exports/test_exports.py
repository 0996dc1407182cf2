"""Exports that somebody made to do harm: each is refused by name, or what is odd in it left out."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, cast

import pytest

from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable, TooLong, Unsupported
from whatsapp_mcp.features.imports.exports import jobs, reader
from whatsapp_mcp.features.imports.exports.jobs import chat_authors, chat_export
from whatsapp_mcp.features.imports.exports.reader import (
    read_chat_authors,
    read_chat_export,
    read_exported_file,
)
from whatsapp_mcp.features.imports.sentences import SAID
from whatsapp_mcp.media import Worker, open_worker

pytestmark = pytest.mark.anyio

LINE = "[14/11/2023, 22:13:20] Ana: "


@pytest.fixture(scope="module")
async def worker() -> AsyncIterator[Worker]:
    async with open_worker(says=SAID) as opened:
        yield opened


def opened(content: bytes) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type]


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return made.getvalue()


async def test_a_text_that_expands_without_end_is_refused(worker: Worker) -> None:
    bomb = packed({"_chat.txt": b"a" * (jobs.TEXT_BYTES + 1)})
    with pytest.raises(TooLong, match="67 MB"):
        await read_chat_export(worker, opened(bomb))
    bomb = packed({"_chat.txt": b"a" * 10_000_000})
    with pytest.raises(TooLong, match="100-fold"):
        await read_chat_export(worker, opened(bomb))


async def test_a_text_whose_zip_lies_of_its_size_is_refused(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed({"_chat.txt": (LINE + "hi\n").encode() * 200_000})
    directory = content.rindex(b"PK\x01\x02")
    lie = content[: directory + 24] + struct.pack("<I", 999) + content[directory + 28 :]
    with pytest.raises(Unsupported):
        await read_chat_export(worker, opened(lie))
    monkeypatch.setattr(jobs, "TEXT_BYTES", 1_000)
    text = io.BytesIO((LINE + "hi\n").encode() * 200)
    with pytest.raises(TooLong):
        chat_export(cast(BinaryIO, text), {})


async def test_a_zip_of_too_many_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ENTRIES", 3)
    with pytest.raises(TooLong, match="3 entries"):
        chat_export(opened(packed({f"{n}.jpg": b"" for n in range(4)})), {})


@pytest.mark.parametrize(
    ("entries", "method"),
    [({"notes.md": b"x"}, zipfile.ZIP_STORED), ({"_chat.txt": LINE.encode()}, zipfile.ZIP_BZIP2)],
)
async def test_a_zip_that_whatsapp_did_not_make_is_refused(entries: dict[str, bytes], method: int) -> None:
    with pytest.raises(InvalidArgument):
        chat_export(opened(packed(entries, method)), {})


@pytest.mark.parametrize("damage", ["encrypted", "cut", "overlapping"])
async def test_a_broken_zip_has_a_named_error(worker: Worker, damage: str) -> None:
    content = bytearray(packed({"_chat.txt": (LINE + "hi\n").encode() * 50, "a.jpg": b"x" * 100}))
    directory = content.index(b"PK\x01\x02")
    if damage == "encrypted":
        content[directory + 8] |= 1
    elif damage == "cut":
        content[60:90] = b"\xff" * 30
    else:
        content[directory + 42] = 1
    with pytest.raises(Unsupported):
        await read_chat_export(worker, opened(bytes(content)))


async def test_lines_and_messages_are_cut(worker: Worker) -> None:
    line = (LINE + "x" * 5_000_000 + "\n" + LINE + "next\n").encode()
    first, second = await read_chat_export(worker, opened(packed({"_chat.txt": line}, zipfile.ZIP_STORED)))
    assert len(first.text) <= jobs.LINE
    assert second.text == "next"
    many = (LINE + "first\n" + "y" * 50 + "\n").encode() + b"y\n" * 500_000
    (whole,) = await read_chat_export(worker, opened(many))
    assert len(whole.text) <= jobs.LINE
    assert whole.text.startswith("first\nyyy")


async def test_an_export_of_too_many_messages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsapp_mcp.features.imports.exports.exported_text.MESSAGES", 3)
    with pytest.raises(TooLong, match="3 messages"):
        chat_export(opened((LINE + "hi\n").encode() * 4), {})


async def test_what_is_no_text_is_read_as_far_as_it_goes(worker: Worker) -> None:
    content = LINE.encode() + b"caf\xff\x00\n" + b"\xff\xfe" * 100
    (message,) = await read_chat_export(worker, opened(content))
    assert message.text.startswith("caf\ufffd\0\n")


async def test_who_wrote_in_an_export_is_counted(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        (LINE + "hi\n") * 2 + LINE.replace("Ana", "~ Max") + "x\n" + LINE.removesuffix("Ana: ") + "Ana left\n"
    )
    assert await read_chat_authors(worker, opened(packed({"_chat.txt": said.encode()}))) == {
        "Ana": 2,
        "Max": 1,
    }
    monkeypatch.setattr(jobs, "AUTHORS", 1)
    with pytest.raises(TooLong, match="1 people"):
        chat_authors(opened(said.encode()), {})


async def test_a_file_of_the_zip_has_a_bound(worker: Worker) -> None:
    photo = bytes(range(256)) * 400
    content = opened(packed({"_chat.txt": LINE.encode(), "a.jpg": photo, "b.jpg": b"\0" * 50_000_000}))
    assert await read_exported_file(worker, content, "a.jpg", 200_000) == photo
    for name, limit, error in (
        ("a.jpg", 1_000, TooLong),
        ("b.jpg", 100_000_000, TooLong),
        ("c.jpg", 1_000, MediaUnavailable),
        ("../../etc/passwd", 1_000, MediaUnavailable),
    ):
        with pytest.raises(error):
            await read_exported_file(worker, content, name, limit)


async def test_a_process_that_answers_nonsense_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        async def run(self, *_: Any, **__: Any) -> Any:
            return reader.JobResult({}, b'[{"at": "now", "name": {}}]')

    taken = cast(Worker, Taken())
    with pytest.raises(Unsupported, match="invalid data"):
        await read_chat_export(taken, opened(b""))
