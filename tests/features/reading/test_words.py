"""The words in pictures: which writing is read, in which order, and what becomes of the rest."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, NoReturn

import onnxruntime
import pytest
import rapidocr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.media.footage import BLUE, RED, png, webp, with_orientation, written
from tests.tables import for_each
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.readers import Reader, ReaderOptions, open_reader, words
from whatsapp_mcp.features.reading.readers.words import Line, in_reading_order
from whatsapp_mcp.models import Passage, ReadingKind

pytestmark = pytest.mark.anyio
WRITING: Final = Path(__file__).parent / "writing"
MODELS: Final = Path(rapidocr.__file__).parent / "models"


@pytest.fixture(scope="module")
async def reader() -> AsyncIterator[Reader]:
    """A reader of pictures, in its confined process."""
    async with open_reader(ReaderOptions(words=True)) as opened:
        yield opened


async def lines_of(reader: Reader, picture: bytes) -> list[str]:
    """What is read in a picture."""
    read = await reader.picture(picture)
    assert (read.kind, read.engine, read.cut) == (ReadingKind.PICTURE, "rapidocr", False)
    return [line for passage in read.passages for line in passage.text.splitlines()]


async def test_a_screenshot_is_read_line_by_line(reader: Reader) -> None:
    picture = written("Your train leaves at 14:05", "Platform 7, coach 21")
    assert await lines_of(reader, picture) == ["Your train leaves at 14:05", "Platform 7, coach 21"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("german", ["Die Kaution beträgt 1.200 €", "Grüße aus Köln, Straße 5"]),
        ("polish", ["Zażółć gęślą jaźń", "Kaucja wynosi 1200 zł"]),
        ("japanese", ["こんにちは世界", "東京駅で会いましょう"]),
        ("chinese", ["押金为一千二百欧元", "五月一日退还"]),
    ],
)
async def test_latin_letters_chinese_and_japanese_are_read(
    reader: Reader, name: str, lines: list[str]
) -> None:
    assert await lines_of(reader, (WRITING / f"{name}.png").read_bytes()) == lines


@pytest.mark.parametrize("name", ["russian", "hebrew", "arabic", "korean", "hindi"])
async def test_other_writing_is_refused_and_not_read_in_part(reader: Reader, name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        await reader.picture((WRITING / f"{name}.png").read_bytes())
    assert caught.value.message == (
        "The writing in the picture cannot be read: Latin letters, Chinese and Japanese are read here."
    )


async def test_a_picture_without_words_has_none(reader: Reader) -> None:
    assert (await reader.picture(png(600, 400, RED, BLUE))).passages == ()


async def test_a_photo_is_read_as_it_was_held(reader: Reader) -> None:
    with Image.open(io.BytesIO(written("Held sideways", "since it was a phone"))) as upright:
        stored = upright.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG")
    read = await lines_of(reader, with_orientation(buffer.getvalue(), 6))
    assert read == ["Held sideways", "since it was a phone"]


async def test_a_screenshot_of_several_screens_is_read_to_its_end(reader: Reader) -> None:
    lines = [f"Message number {number}" for number in range(40)]
    with Image.open(io.BytesIO(written(*lines, pixels=40))) as screen:
        long = Image.new("L", (1080, screen.height), 255)
        long.paste(screen)
    assert long.height > 3 * long.width
    buffer = io.BytesIO()
    long.save(buffer, "PNG")
    assert await lines_of(reader, buffer.getvalue()) == lines


async def test_an_animated_sticker_is_read_as_its_first_frame(reader: Reader) -> None:
    assert (await reader.picture(webp(3, RED, BLUE))).passages == ()


@pytest.mark.parametrize("sides", [(1, 1), (2000, 1), (1, 2000), (2000, 17), (40, 1900)])
async def test_strips_of_any_shape_cost_little(reader: Reader, sides: tuple[int, int]) -> None:
    assert (await reader.picture(png(*sides, RED))).passages == ()


@pytest.mark.parametrize("content", [b"", b"words", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
async def test_what_is_no_picture_is_refused(reader: Reader, content: bytes) -> None:
    with pytest.raises(Unsupported):
        await reader.picture(content)


def line(left: float, middle: float, text: str, height: float = 20, sure: float = 1.0) -> Line:
    """A line of a page, ten pixels for each character."""
    return Line(left, middle, 10.0 * len(text), height, text, sure)


def test_what_stands_beside_each_other_is_one_line() -> None:
    found = [line(700, 52, "1.20"), line(20, 150, "Total"), line(20, 48, "Milk"), line(690, 149, "4.60")]
    assert in_reading_order(found) == ["Milk  1.20", "Total  4.60"]


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900), st.sampled_from("abc")), max_size=20))
def test_every_text_is_in_the_reading_order_once(found: list[tuple[int, int, str]]) -> None:
    read = in_reading_order([line(left, middle, text) for left, middle, text in found])
    assert sorted("".join(read).replace(" ", "")) == sorted(text for _, _, text in found)


@for_each(
    ("text", "sure", "width", "is_read"),
    [
        ("Deposit", 0.99, 90, True),
        ("Deposit", 0.6, 90, False),
        ("  1200 ", 0.94, 240, False),
        ("   ", 0.99, 20, False),
        ("", 0.0, 40, False),
        ("5", 0.95, 20, True),
    ],
)
def test_a_line_is_read_if_it_holds_what_has_room_in_it(
    text: str, sure: float, width: float, is_read: bool
) -> None:
    assert Line(0, 0, width, 20, text, sure).is_read is is_read


def test_the_letters_that_are_read_are_in_the_dictionary_of_the_model() -> None:
    session = onnxruntime.InferenceSession(MODELS / words.MODELS["Rec"], providers=["CPUExecutionProvider"])
    known = set(session.get_modelmeta().custom_metadata_map["character"].splitlines())
    european = "ÄÖÜäöüßéèêëàâçîïôûùÿæœåøñ¿íóúáãõąćęłńóśźżčďěňřšťůžőűăâîșțğışİđħþðģķļņūēīā"
    assert set(european) <= known
    assert not known & set("жяЖЯשלםبتثनमสว한글")


def run_child(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **more},
    )


def test_reading_prints_nothing() -> None:
    done = run_child("from whatsapp_mcp.features.reading.readers import words; words.rehearse()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("part", ["Det", "Rec"])
def test_a_missing_model_is_named_and_never_fetched(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def refuse(*arguments: Any, **more: Any) -> NoReturn:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setitem(words.MODELS, part, "missing.onnx")
    words.engine.cache_clear()
    try:
        with pytest.raises(Unsupported) as caught:
            words.read_picture_words(io.BytesIO(written("Hello")), {})
    finally:
        words.engine.cache_clear()
    assert caught.value.message == "The models of RapidOCR are missing."


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "reads_words", lambda: False)
    words.engine.cache_clear()
    with pytest.raises(Unsupported, match="needs RapidOCR") as caught:
        words.read_picture_words(io.BytesIO(written("Hello")), {})
    assert caught.value.action == "Install the extra `ocr`."


async def test_the_passage_is_the_whole_picture(reader: Reader) -> None:
    read = await reader.picture(written("One", "Two"))
    assert read.passages == (Passage("One\nTwo"),)
