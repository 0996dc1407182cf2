"""A job of the decoding process: what it takes, what it answers, and what becomes of its errors.

An error crosses to the server as a code and two sentences, and these reach the model as ours. A file may have
taken over the process, so the server believes only sentences that it knows (`error_of`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple

from whatsapp_mcp.errors import (
    Busy,
    InvalidArgument,
    MediaUnavailable,
    TooLong,
    Unsupported,
    WhatsAppError,
)

Outcome = tuple[dict[str, Any], bytes]
"""JSON-able facts, and bytes."""
Job = Callable[[BinaryIO, dict[str, Any]], Outcome]
"""Takes the file, open for reading and seekable, and options. Raises `WhatsAppError`, or anything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the cost of one job.

    Attributes:
        seconds: Of the clock.
        cpu_seconds: Of the processor; holds even when the server is gone.
        output_bytes: Of the answer.
    """

    seconds: float = 30.0
    cpu_seconds: int = 20
    output_bytes: int = 16_000_000


DEFAULT_LIMITS: Final = Limits()


_KINDS: Final = {kind.code: kind for kind in (Busy, InvalidArgument, MediaUnavailable, TooLong, Unsupported)}
_LABELS: Final = """
a DASH manifest|a FLAC|a GIF|a HEIC picture|a JPEG|a PDF|a PLS playlist|a PNG|a QuickTime link
a QuickTime video|a SMIL presentation|a Smooth Streaming manifest|a WAV|a WebM or Matroska video|a WebP
a ZIP|an AAC file|an AMR recording|an ASX playlist|an AVI video|an AVIF picture|an M3U playlist|an M4A
an MP3|an MP4|an Ogg file|an SDP description|an SVG drawing|an XSPF playlist|an ffconcat list
"""
"""The labels of `formats` that an error may name."""
_SLOTS: Final = {
    "#": r"\d{1,3}(?:,\d{3}){0,3}|\d{1,6}",
    "<label>": "|".join(map(re.escape, re.split(r"[|\n]", _LABELS.strip()))),
}
SENTENCES: Final = """
A GIF has at most # seconds.
A picture of more than # MB is not read.
A voice note has at most an hour.
It has more than # million pixels.
Reading HEIC pictures needs pillow-heif.
Reading the file takes more memory than is allowed.
Reading video and sound needs PyAV.
The file cannot be read.
The file contains no pictures.
The file contains no readable sound.
The file contains no video.
The file has an unknown format.
The file is <label>, not a picture that can be read here.
The file is <label>, not a video or sound that can be read here.
The file is <label>, which can refer to other files; it is not opened.
The video has no picture there.
"""
"""Messages that the error of a job may have. `#` is a number; slots in angle brackets are in `_SLOTS`."""
ACTIONS: Final = """
Do it on the phone instead.
Download it.
Install the extra `media`.
Send it with kind audio.
Send it with kind document.
Send it with kind video.
Use a smaller file.
Use a smaller one.
"""
"""Actions that the error of a job may suggest."""
_PLACE: Final = re.compile(r"\w{1,60}(?: at [\w.-]{1,60}:\d{1,6})?")
"""A class and a line of code; no words of a file have this form."""


class Said(NamedTuple):
    """Patterns of the messages and actions of job errors, with the slots of `SENTENCES`."""

    sentences: re.Pattern[str]
    actions: re.Pattern[str]


def said(sentences: str, actions: str, slots: Mapping[str, str] | None = None) -> Said:
    """Compile the messages and actions of a program's errors, one a line, with slots of its own."""
    return Said(_known(sentences, slots), _known(actions, slots))


def _known(sentences: str, slots: Mapping[str, str] | None = None) -> re.Pattern[str]:
    """A pattern that these sentences match as a whole."""
    pattern = "|".join(map(re.escape, sentences.strip().splitlines()))
    for slot, found in {**_SLOTS, **(slots or {})}.items():
        pattern = pattern.replace(re.escape(slot), f"(?:{found})")
    return re.compile(pattern)


SAID: Final = said(SENTENCES, ACTIONS)


def error_of(described: Mapping[str, Any], says: Said = SAID) -> WhatsAppError:
    """The error of a job as its process tells it; one that no job raises is `Unsupported`.

    Args:
        described: What the process tells.
        says: What its jobs may say.
    """
    match described:
        case {"code": str(code), "message": str(message), "action": str(action)} if code in _KINDS:
            if says.sentences.fullmatch(message) and says.actions.fullmatch(action):
                return _KINDS[code](message, action)
        case _:
            pass
    return invalid_answer()


def invalid_answer() -> Unsupported:
    """The error of a process that answers what no job answers."""
    return Unsupported("The decoding process answered with invalid data.", "Do not use this file.")


def place_in(cause: object) -> str | None:
    """Return the place of an unexpected error, for the log; None if the value is not a place."""
    return cause if isinstance(cause, str) and _PLACE.fullmatch(cause) else None


def done(job: Job, file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The header and the body of the reply to a job, whatever comes of it."""
    try:
        facts, content = job(file, options)
    except WhatsAppError as error:
        return {"error": error.to_payload()}, b""
    except MemoryError:
        error = TooLong("Reading the file takes more memory than is allowed.", "Use a smaller file.")
        # `spent` makes the server end this process: little memory is left for the next job.
        return {"error": error.to_payload(), "spent": True}, b""
    except Exception as error:  # noqa: BLE001
        # Its place, not its words: they may quote the file.
        return {"error": Unsupported("The file cannot be read.").to_payload(), "cause": _place(error)}, b""
    return {"answer": facts}, content


def _place(error: Exception) -> str:
    """The class of an error and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return (
        f"{type(error).__name__} at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    )
