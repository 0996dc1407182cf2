"""The pictures of the documentation can be taken, and show what a terminal shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pictures.drawing import Frame, draw, page_of, write_moving
from pictures.terminal import Terminal
from pictures.terminals import linking

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


async def test_the_picture_of_linking_can_be_taken(browser: Any, tmp_path: Path) -> None:
    await linking(browser, tmp_path)
    with Image.open(tmp_path / "linking.png") as image:
        assert image.width == 1152
        assert image.height > 700


async def test_a_code_on_a_terminal_has_no_seams(browser: Any) -> None:
    terminal = Terminal(40, 4)
    terminal.feed(b"\x1b[30;107m" + "████████\r\n████████".encode() + b"\x1b[0m")
    with Image.open(io.BytesIO(await draw(browser, terminal, 1))) as image:
        # 14 and 16 pixels are the margin.
        colours = image.convert("RGB").crop((16, 14, 16 + 8 * 8, 14 + 2 * 16)).getcolors()
    assert colours is not None
    assert [colour for _, colour in colours] == [(0x11, 0x15, 0x1C)]


async def test_a_moving_picture_has_its_frames_and_their_times(browser: Any, tmp_path: Path) -> None:
    terminal, frames = Terminal(20, 3), list[Frame]()
    for word in ("one", "two"):
        terminal.feed(word.encode())
        frames.append(Frame(await draw(browser, terminal, 1), 0.5))
    write_moving(tmp_path / "moving.gif", frames)
    with Image.open(tmp_path / "moving.gif") as image:
        assert getattr(image, "n_frames", 1) == 2
        assert image.info["duration"] == 500


def test_what_programs_ask_a_terminal_is_not_drawn() -> None:
    terminal = Terminal(20, 2)
    terminal.feed(b"\x1b[>1u\x1b[?u\x1bP+q544e\x1b\\\x1b[>4;2mtext\x1b[")
    terminal.feed(b"31m!")
    assert terminal.text.split() == ["text!"]
    assert "#f07178" in page_of(terminal)


def test_faint_letters_are_faint_and_a_colour_of_numbers_is_no_style() -> None:
    terminal = Terminal(20, 2)
    terminal.feed(b"\x1b[2mfaint\x1b[22m\x1b[38;2;1;2;3mcoloured")
    faint, coloured = page_of(terminal).split("faint")[-2:]
    assert "color-mix" in faint.rpartition("<span")[2]
    assert "#010203" in coloured
    assert "color-mix" not in coloured
