"""The words in a picture, by RapidOCR (extra `ocr`), whose models come inside its package.

They read Latin letters, with the marks of European languages, Chinese and Japanese. Other letters they leave
out without a word, and are sure of what is left: `Залог составляет 1200 евро` is read as `1200`. So a line
counts as read only if it holds about as many characters as have room in it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.readers.passages import collected
from whatsapp_mcp.features.reading.readers.reading_kinds import WRITING, reads_words
from whatsapp_mcp.media.job import Outcome
from whatsapp_mcp.media.pictures import fitted, look_at_picture, on_white
from whatsapp_mcp.models import Passage

ENGINE: Final = "rapidocr"
MAX_PIXELS: Final = 4_000_000
"""Most pixels of a picture; a larger one is scaled down first. Two screens of a phone, or a page at 180 dots
an inch."""
MODELS: Final = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}
"""Models that detect lines and recognise their text. The model that detects upside-down text is left out: it
misjudges long lines."""
_SURE: Final = 0.75
"""Least confidence in a line, 0 to 1. In scripts that the model does not know, its confidence reaches
0.72."""
_DENSITY: Final = 0.7
"""Characters that a line holds at least for each of its heights. Latin text has 2 to 3, Chinese 1.4, a
Russian line of which only the digits are read 0.3."""
_WIDEST: Final = 80
"""Heights; a line of a page has up to 50, and each takes memory."""
_FEW: Final = 4.0
"""Heights of unread lines that may as well be a pattern."""
_LEAST: Final = 32
"""Pixels a side that a picture has at least when it is looked at, with the white beside it."""
_SLIMMEST: Final = 8
"""Largest ratio of the picture's long side to its short side."""
_COLUMN: Final = "  "


class Line(NamedTuple):
    """A line as it was found in a picture, or a part of one beside others.

    Attributes:
        left: Pixels from the left edge to its beginning.
        middle: Pixels from the upper edge to its middle.
        width: Pixels.
        height: Pixels.
        text: What was read in it.
        sure: How sure the model is, 0 to 1.
    """

    left: float
    middle: float
    width: float
    height: float
    text: str
    sure: float

    @property
    def heights(self) -> float:
        """Width of the line as a multiple of its height."""
        return self.width / max(self.height, 1.0)

    @property
    def is_read(self) -> bool:
        """True if the recognised text is reliable."""
        count = sum(not character.isspace() for character in self.text)
        return self.sure >= _SURE and count > 0 and count >= _DENSITY * self.heights


def read_picture_words(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Job: the words in the (first) picture as one passage; no passage where there are no words.

    Raises:
        Unsupported: It is no picture, or holds writing that cannot be read.
        TooLong: It is too large.
    """
    looks, _ = look_at_picture(file, {})
    width, height = looks["width"], looks["height"]
    scale = min(1.0, math.sqrt(MAX_PIXELS / (width * height)))
    lines = words_of_image(on_white(fitted(file, math.ceil(scale * max(width, height)))))
    return collected([Passage("\n".join(lines))] if lines else [], ENGINE)


def rehearse() -> None:
    """Load library and models, and read a word: nothing can be opened once the process is confined.

    Where they are missing, each picture is refused with that.
    """
    image = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(image).text((20, 20), "Hello", "black", ImageFont.load_default(40))
    with suppress(Unsupported):
        words_of_image(image)


def words_of_image(image: Image.Image) -> list[str]:
    """The lines of text in an RGB picture, from top to bottom; empty where there is no text.

    Raises:
        Unsupported: The extra or its models are not there, or most of the text is in writing that they do
            not read.
    """
    lines = _lines(engine(), image)
    read = [line for line in lines if line.is_read]
    unread = sum(line.heights for line in lines if not line.is_read)
    if unread > max(_FEW, sum(line.heights for line in read)):
        raise Unsupported(
            f"The writing in the picture cannot be read: {WRITING} are read here.",
            "Look at the picture with download_media.",
        )
    return in_reading_order(read)


def in_reading_order(lines: Iterable[Line]) -> list[str]:
    """The texts from top to bottom; what stands on one line, as a price beside its item, in one text."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.middle):
        above = rows[-1][-1] if rows else None
        if above is not None and line.middle - above.middle < min(line.height, above.height) / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [_COLUMN.join(part.text.strip() for part in sorted(row)) for row in rows]


@cache
def engine() -> Any:
    """RapidOCR with its models, loaded once.

    Raises:
        Unsupported: They are not there.
    """
    if not reads_words():
        raise Unsupported("Reading words in pictures needs RapidOCR.", "Install the extra `ocr`.")
    logging.getLogger("RapidOCR").disabled = True
    import onnxruntime
    import rapidocr

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)  # nothing but what ends the process

    folder = Path(rapidocr.__file__).parent / "models"
    paths = {part: folder / name for part, name in MODELS.items()}
    # Without a path RapidOCR would download the model that it misses.
    if not all(path.is_file() for path in paths.values()):
        raise Unsupported("The models of RapidOCR are missing.", "Install the extra `ocr` again.")
    return rapidocr.RapidOCR(
        params={f"{part}.model_path": str(path) for part, path in paths.items()}
        # One thread leaves the other cores to receiving; one line at a time takes the least memory.
        | {"EngineConfig.onnxruntime.intra_op_num_threads": 1, "Rec.rec_batch_num": 1}
        | {"EngineConfig.onnxruntime.inter_op_num_threads": 1, "Global.log_level": "critical"}
        | {"Global.use_vertical_padding": False}
    )


def _lines(engine: Any, image: Image.Image) -> list[Line]:
    """Every line that is found, whether it can be read or not."""
    from rapidocr.main import RapidOCRError

    try:
        crops, detection = engine.detect_and_crop(engine.load_img(_padded(image)), {})
    except RapidOCRError:  # so it says that there is none
        return []
    parts = [
        (crop, box) for crop, box in zip(crops, detection.boxes, strict=True) if _is_line(*crop.shape[:2])
    ]
    if not parts:
        return []
    read = engine.recognize_txt([crop for crop, _ in parts])
    return [
        Line(
            left=float(box[:, 0].min()),
            middle=float(box[:, 1].mean()),
            width=crop.shape[1],
            height=crop.shape[0],
            text=text,
            sure=float(sure),
        )
        for (crop, box), text, sure in zip(parts, read.txts, read.scores, strict=True)
    ]


def _is_line(height: int, width: int) -> bool:
    return height > 0 and 0 < width <= _WIDEST * height


def _padded(image: Image.Image) -> Image.Image:
    """With white beside a strip: RapidOCR would scale it up until its short side has 736 pixels."""
    least = max(_LEAST, math.ceil(max(image.size) / _SLIMMEST))
    if min(image.size) >= least:
        return image
    sides = (max(image.width, least), max(image.height, least))
    return ImageOps.pad(image, sides, color="white")
