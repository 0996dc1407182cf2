"""Screens of terminals as pictures: Chromium draws them, Pillow makes them small and joins them."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from PIL import Image

from pictures.terminal import Terminal

SCALE: Final = 1.5
"""Pixels of a picture for one of a page: sharp on most screens, and not too large."""
COLOURS: Final = 96
"""A terminal has few; the rest is the smoothing of letters."""
_BACKGROUND: Final = "#11151c"
_NAMED: Final = {
    "default": "#d5dae3",
    "black": "#11151c",
    "red": "#f07178",
    "green": "#a5d46a",
    "brown": "#f2c063",
    "blue": "#6fb0ff",
    "magenta": "#d79bff",
    "cyan": "#5fd7e0",
    "white": "#d5dae3",
    "brightblack": "#7c8696",
    "brightred": "#ff8b92",
    "brightgreen": "#c3f07f",
    "brightbrown": "#ffd98a",
    "brightblue": "#92c5ff",
    "brightmagenta": "#e4b8ff",
    "bfightmagenta": "#e4b8ff",  # as pyte spells it
    "brightcyan": "#86edf4",
    "brightwhite": "#ffffff",
}
_COLUMN: Final = 8
"""Pixels of a character, at the size of the letters below."""
_PAGE: Final = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: {background}; }}
#screen {{ display: inline-block; padding: 14px 16px; color: {colour}; background: {background};
  font: 13.288px/16px "DejaVu Sans Mono", "Noto Color Emoji", monospace;
  white-space: pre; font-variant-ligatures: none; }}
#screen div {{ height: 16px; overflow: hidden; }}
span, i {{ display: inline-block; height: 16px; vertical-align: top; }}
i {{ font-style: normal; text-align: center; }}
</style><div id="screen">{lines}</div>"""
_SECOND_HALF: Final = "\uffff"
"""Stands for the second column of a wide character."""
_JOINED: Final = "\u0590-\u109f"
"""Scripts whose letters are joined or run from right to left."""
_PARTS: Final = re.compile(rf"[ -~]+|[{_JOINED}]+(?: +[{_JOINED}]+)*|.{_SECOND_HALF}*", re.DOTALL)
_BLOCKS: Final = {"▀": "0 0/100% 50%", "▄": "0 100%/100% 50%", "█": "0 0/100% 100%"}
"""Characters that are drawn as surfaces, so that no seam runs through a QR code."""


@dataclass(frozen=True)
class Frame:
    """One picture of a moving one, and for how many seconds it is seen."""

    png: bytes
    seconds: float


def page_of(terminal: Terminal) -> str:
    """The screen of a terminal as an HTML page."""
    lines = "".join(f"<div>{''.join(_line(terminal, y))}</div>" for y in range(_used(terminal)))
    return _PAGE.format(background=_BACKGROUND, colour=_NAMED["default"], lines=lines)


def _used(terminal: Terminal) -> int:
    """The lines up to the last one with anything on it."""
    shown = [number for number, line in enumerate(terminal.screen.display, 1) if line.strip()]
    return max(shown, default=1)


def _line(terminal: Terminal, y: int) -> Iterator[str]:
    row = terminal.screen.buffer[y]
    cells = [row[x] for x in range(terminal.screen.columns)]
    for style, group in groupby(cells, key=_style):
        yield f'<span style="{style}">'
        text = "".join(cell.data or _SECOND_HALF for cell in group)
        for part in _PARTS.findall(text):
            yield _part(part)
        yield "</span>"


def _part(text: str) -> str:
    """Characters that are drawn together, in as many columns as they take in a terminal."""
    data = text.replace(_SECOND_HALF, "")
    if data in _BLOCKS:
        place = f"linear-gradient(currentcolor,currentcolor) {_BLOCKS[data]} no-repeat"
        return f'<i style="width:{_COLUMN}px;background:{place}"></i>'
    if data.isascii():
        return html.escape(data)
    # What takes one column is drawn as a letter, even if there is a coloured picture of it.
    letter = data + "\ufe0e" if len(text) == 1 else data
    return f'<i style="width:{_COLUMN * len(text)}px">{html.escape(letter)}</i>'


def _style(cell: Any) -> str:
    front, back = _colour(cell.fg), _BACKGROUND if cell.bg == "default" else _colour(cell.bg)
    if cell.reverse:
        front, back = back, front
    if cell.blink:  # faint
        front = f"color-mix(in srgb, {front} 62%, {back})"
    parts = [f"color:{front}", f"background:{back}"]
    parts += ["font-weight:bold"] if cell.bold else []
    parts += ["font-style:italic"] if cell.italics else []
    parts += ["text-decoration:underline"] if cell.underscore else []
    return ";".join(parts)


def _colour(name: str) -> str:
    return _NAMED.get(name) or f"#{name}"


async def draw(browser: Any, terminal: Terminal, scale: float = SCALE) -> bytes:
    """The screen of a terminal as PNG."""
    page = await browser.new_page(device_scale_factor=scale)
    try:
        await page.set_content(page_of(terminal))
        return await page.locator("#screen").screenshot()
    finally:
        await page.close()


def write_still(path: Path, png: bytes, colours: int = 256) -> None:
    """Write a small PNG."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        small.save(path, optimize=True)


def write_moving(path: Path, frames: Sequence[Frame], colours: int = COLOURS) -> None:
    """Write a GIF that begins again after its last frame. All frames get the size of the largest."""
    images = [Image.open(io.BytesIO(frame.png)).convert("RGB") for frame in frames]
    size = max(image.width for image in images), max(image.height for image in images)
    padded = [Image.new("RGB", size, _BACKGROUND) for _ in images]
    for canvas, image in zip(padded, images, strict=True):
        canvas.paste(image)
    # One palette for all: what stays the same from frame to frame is then not stored again.
    sheet = Image.new("RGB", (size[0], size[1] * len(padded)))
    for number, canvas in enumerate(padded):
        sheet.paste(canvas, (0, number * size[1]))
    # Rare colours, such as those of emoji, get their place.
    method = Image.Quantize.MAXCOVERAGE
    palette = sheet.quantize(colours, method, dither=Image.Dither.NONE)
    first, *others = [canvas.quantize(palette=palette, dither=Image.Dither.NONE) for canvas in padded]
    milliseconds = [round(frame.seconds * 1000) for frame in frames]
    first.save(
        path, save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False, disposal=1
    )
