"""Functions that read files, one for each job, typed and with its limits."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from pydantic import Base64Bytes, Field, TypeAdapter, ValidationError

from whatsapp_mcp.media.job import invalid_answer
from whatsapp_mcp.media.worker import JobResult, Limits, Source, Worker

_CLIP_LIMITS: Final = Limits(seconds=120, cpu_seconds=100, output_bytes=64_000_000)
_STILL_LIMITS: Final = Limits(seconds=60, cpu_seconds=40)
_SOUND_LIMITS: Final = Limits(seconds=90, cpu_seconds=60, output_bytes=32_000_000)


@dataclass(frozen=True, slots=True)
class Looks:
    """Visible and audible properties of a file; None where one does not apply.

    Attributes:
        duration: Seconds.
        width: Pixels.
        height: Pixels.
        thumbnail: A JPEG of at most 96 pixels a side.
        waveform: 64 bytes of loudness from 0 to 100.
        moves: Whether a picture has more than one frame.
    """

    duration: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: Base64Bytes | None = None
    waveform: Base64Bytes | None = None
    moves: bool = False


_LOOKS: Final = TypeAdapter(Looks)


@dataclass(frozen=True, slots=True)
class DerivedFile:
    """A file that was made of another."""

    content: bytes
    looks: Looks


class Still(NamedTuple):
    """A picture of a video: at how many seconds it is shown, and a JPEG."""

    at: float
    content: bytes


_STILLS: Final = TypeAdapter(list[tuple[float, Annotated[int, Field(ge=0)]]])


def reads_recordings() -> bool:
    """Return whether video and sound can be read here: the extra `media` is installed."""
    return importlib.util.find_spec("av") is not None


async def picture(worker: Worker, source: Source, largest: int) -> DerivedFile:
    """The (first) picture as an upright JPEG of at most `largest` pixels a side, without what a camera notes.

    This and the others raise as `Worker.run`: `Unsupported` for what cannot be read, `TooLong` for what is
    over a limit, `Busy` where there is no process to read it.
    """
    return _made(await worker.run("picture", source, {"largest": largest}))


async def sticker(worker: Worker, source: Source) -> DerivedFile:
    """The picture as WhatsApp wants stickers: WebP of 512 pixels a side, what is around it transparent."""
    return _made(await worker.run("sticker", source))


async def looping_video(worker: Worker, source: Source) -> DerivedFile:
    """An animated picture or a video as a silent looping MP4; `TooLong` when it lasts over a minute."""
    return _made(await worker.run("looping_video", source, limits=_CLIP_LIMITS))


async def voice_note(worker: Worker, source: Source) -> DerivedFile:
    """The sound of a file as mono Opus in Ogg; `TooLong` when it lasts over an hour."""
    return _made(await worker.run("voice_note", source, limits=_SOUND_LIMITS))


async def listen(worker: Worker, source: Source) -> Looks:
    """Duration and waveform of a voice note."""
    return _looks((await worker.run("listen", source, limits=_SOUND_LIMITS)).facts)


async def stills(worker: Worker, source: Source, largest: int) -> tuple[Still, ...]:
    """Up to three pictures of a video, in their order, of at most `largest` pixels a side."""
    answer = await worker.run("stills", source, {"largest": largest}, _STILL_LIMITS)
    try:
        entries = _STILLS.validate_python(answer.facts.get("stills"))
    except ValidationError:
        raise invalid_answer() from None
    pictures: list[Still] = []
    start = 0
    for at, length in entries:
        pictures.append(Still(at, answer.content[start : start + length]))
        start += length
    return tuple(pictures)


async def look_at_picture(worker: Worker, source: Source) -> Looks:
    """The size of a picture as it is stored, and whether it moves."""
    return _looks((await worker.run("look_at_picture", source)).facts)


async def look_at_recording(worker: Worker, source: Source) -> Looks:
    """Duration, size and thumbnail of a video; the duration of sound."""
    return _looks((await worker.run("look_at_recording", source)).facts)


def _made(answer: JobResult) -> DerivedFile:
    return DerivedFile(answer.content, _looks(answer.facts))


def _looks(facts: dict[str, Any]) -> Looks:
    try:
        return _LOOKS.validate_python(facts)
    except ValidationError:
        raise invalid_answer() from None
