"""Jobs on video and sound, by PyAV (extra `media`)."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO, Final, NoReturn

from PIL import Image

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.media import pictures
from whatsapp_mcp.media.formats import HEAD_BYTES, format_of, read_format
from whatsapp_mcp.media.job import Outcome

try:
    import av
except ImportError:
    av = None

MAX_PIXELS: Final = 40_000_000
"""Most pixels of one frame; 8K has 33 million."""
MAX_CLIP_SECONDS: Final = 60
MAX_CLIP_FRAMES: Final = 3600
"""At 60 a second."""
MAX_ANIMATION_PIXELS: Final = 400_000_000
"""Most pixels of all frames of an animated picture together: as many as ten seconds unpack."""
MAX_VOICE_SECONDS: Final = 3600
WAVEFORM_POINTS: Final = 64
STILLS: Final = (0.1, 0.5, 0.9)
"""Positions of the stills in a video, as fractions of its duration."""
_STILL_FRAMES: Final = 600
"""That are decoded on the way to one still, from the keyframe before it."""
_LONGEST: Final = 7 * 86_400
"""Seconds; what claims to be longer claims anything."""
_CLIP_PIXELS: Final = 640
"""Pixels of a clip's longer side."""
_MILLISECOND: Final = Fraction(1, 1000)
_CLIP_ENCODER: Final = {"crf": "26", "preset": "veryfast"}
_LOWEST_RATE: Final = 4_000
_HIGHEST_RATE: Final = 400_000
"""Samples of a second; from what is outside, a resampler makes very much of very little."""
_LOUDEST: Final = 100
"""WhatsApp draws bars from 0 to 100."""
_RATE: Final = 48_000
"""Samples of a second, at which Opus works."""
_BIT_RATE: Final = 32_000
_OPUS_FRAME: Final = 960
"""Samples of 20 ms."""
_CODECS: Final = (
    "h264,hevc,vp8,vp9,av1,libdav1d,mpeg4,h263,mjpeg,"
    "aac,mp3,mp3float,opus,libopus,vorbis,flac,alac,amrnb,amrwb,pcm_s16le,pcm_s24le,pcm_u8,pcm_f32le"
)
"""Codecs of phones and recorders; a file cannot choose among the hundreds of other decoders."""
_OPTIONS: Final = {
    "codec_whitelist": _CODECS,
    "max_pixels": str(MAX_PIXELS),
    "protocol_whitelist": "none",
}
_TURNS: Final = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}
"""Transpositions that undo a rotation, by the degrees that PyAV reports."""


def look_at_recording(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Return the duration and, for a video, the size and a preview."""
    with opened(file) as container:
        facts: dict[str, Any] = {"duration": duration(container)}
        stream = _video(container)
        if stream is not None:
            frame = next(container.decode(stream))
            shown = _upright(frame, pictures.PREVIEW_PIXELS)
            turned = frame.rotation % 180 != 0
            width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
            facts |= {**pictures.looks_of(shown), "width": width, "height": height}
    return facts, b""


def stills(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Three pictures of a video as JPEG of at most `largest` pixels a side, one after the other.

    `stills` says of each at how many seconds it is shown, and how many bytes it has. A video that is shorter
    than three frames has fewer.
    """
    shown: dict[float, bytes] = {}
    with opened(file) as container:
        stream = _require_video(container)
        length = container.duration if container.duration and duration(container) else 0
        for part in STILLS:
            frame = _frame_at(container, stream, (container.start_time or 0) + int(length * part))
            shown[round(frame.time or 0.0, 1)] = pictures.jpeg(_upright(frame, options["largest"]))
    return {"stills": [[at, len(still)] for at, still in shown.items()]}, b"".join(shown.values())


def looping_video(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Convert an animated picture or a video to a WhatsApp GIF: short, silent H.264."""
    library()
    file_format = format_of(file.read(HEAD_BYTES))
    file.seek(0)
    if file_format is not None and file_format.library == "pillow":
        return _clip(pictures.frames(file, _CLIP_PIXELS, MAX_ANIMATION_PIXELS))
    with opened(file) as container:
        return _clip(_frames(container))


def voice_note(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The sound of a file as mono Opus in Ogg, with its duration and waveform."""
    loudness: list[float] = []
    buffer = io.BytesIO()
    with opened(file) as container, library().open(buffer, "w", format="ogg") as output:
        stream = output.add_stream("libopus", rate=_RATE, layout="mono", bit_rate=_BIT_RATE)
        for part in _voice(container):
            loudness.append(_loudness(part))
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return _heard(loudness), buffer.getvalue()


def listen(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The duration and the waveform of a voice note that is made."""
    with opened(file) as container:
        return _heard([_loudness(part) for part in _voice(container)]), b""


def waveform(loudness: list[float]) -> bytes:
    """64 bars of any number of loudness values; the highest is 100."""
    if not loudness:
        return bytes(WAVEFORM_POINTS)
    count = len(loudness)
    means: list[float] = []
    for point in range(WAVEFORM_POINTS):
        first = point * count // WAVEFORM_POINTS
        last = max(first + 1, (point + 1) * count // WAVEFORM_POINTS)
        means.append(sum(loudness[first:last]) / (last - first))
    peak = max(means) or 1.0
    return bytes(round(_LOUDEST * mean / peak) for mean in means)


def library() -> Any:
    """PyAV, which has types only where it is installed.

    Raises:
        Unsupported: It is not.
    """
    if av is None:
        raise Unsupported("Reading video and sound needs PyAV.", "Install the extra `media`.")
    return av


@contextmanager
def opened(file: BinaryIO) -> Generator[Any]:
    """A recording, open; it can open nothing else, and only the usual decoders are there.

    Raises:
        Unsupported: It is none, or PyAV is not installed.
    """
    pyav = library()
    file_format = read_format(file, "pyav")
    with pyav.open(
        file, "r", format=file_format.decoder, options=_OPTIONS, metadata_errors="ignore", io_open=_refuse
    ) as container:
        yield container


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """No file opens another."""
    raise PermissionError


def _video(container: Any) -> Any:
    """The first stream of pictures that can be decoded and is no cover; None if there is none."""
    for stream in container.streams.video:
        context = stream.codec_context
        if context is None or stream.disposition & library().stream.Disposition.attached_pic:
            continue
        pictures.require_pixels(context.width * context.height, MAX_PIXELS)
        context.options = _OPTIONS
        return stream
    return None


def duration(container: Any) -> int | None:
    """The seconds that an open recording says it lasts; None if it does not say, or nonsense."""
    if not container.duration:
        return None
    seconds = container.duration / library().time_base
    return max(1, round(seconds)) if 0 < seconds < _LONGEST else None


def _require_video(container: Any) -> Any:
    stream = _video(container)
    if stream is None:
        raise Unsupported("The file contains no video.", "Send it with kind document.")
    return stream


def _frame_at(container: Any, stream: Any, offset: int) -> Any:
    """The frame that is shown at so many microseconds, or one before it."""
    container.seek(offset)  # to the keyframe before
    shown = None
    for count, frame in enumerate(container.decode(stream)):
        if shown is not None and (count == _STILL_FRAMES or (frame.time or 0.0) * 1e6 > offset):
            break
        shown = frame
    if shown is None:
        raise Unsupported("The video has no picture there.", "Download it.")
    return shown


def _frames(container: Any) -> Iterator[tuple[float, Image.Image]]:
    stream = _require_video(container)
    for frame in container.decode(stream):
        yield frame.time or 0.0, _upright(frame, _CLIP_PIXELS)


def _upright(frame: Any, largest: int) -> Image.Image:
    """A frame as a person shall see it: cameras store it as it comes and note how they were held."""
    scale = min(1.0, largest / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    image: Image.Image = frame.reformat(width=width, height=height, format="rgb24").to_image()
    turn = _TURNS.get(frame.rotation % 360)
    return image if turn is None else image.transpose(turn)


def _clip(frames: Iterable[tuple[float, Image.Image]]) -> Outcome:
    buffer = io.BytesIO()
    stream: Any = None
    facts: dict[str, Any] = {}
    pts = before = -1
    # The index is moved to the front at the end, for which the muxer reads what it has written.
    with library().open(
        buffer, "w", format="mp4", options={"movflags": "faststart"}, io_open=_reader_of(buffer)
    ) as output:
        for count, (seconds, image) in enumerate(frames):
            # An encoder takes only rising times; those in a file may repeat, or go back.
            pts, before = max(pts + 1, round(seconds * 1000)), pts
            if pts > MAX_CLIP_SECONDS * 1000 or count >= MAX_CLIP_FRAMES:
                raise TooLong(f"A GIF has at most {MAX_CLIP_SECONDS} seconds.", "Send it with kind video.")
            if stream is None:
                stream = _clip_stream(output, image)
                facts = {**pictures.looks_of(image), "width": stream.width, "height": stream.height}
            frame = library().VideoFrame.from_image(image)
            frame = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
            frame.pts, frame.time_base = pts, _MILLISECOND
            output.mux(stream.encode(frame))
        if stream is None:
            raise Unsupported("The file contains no pictures.", "Send it with kind document.")
        output.mux(stream.encode(None))
    # The last frame is taken to be shown as long as the one before it.
    return {**facts, "duration": max(1, round((2 * pts - before) / 1000))}, buffer.getvalue()


def _clip_stream(output: Any, image: Image.Image) -> Any:
    """A stream for frames like this; H.264 wants even sides."""
    stream = output.add_stream("libx264", options=_CLIP_ENCODER)
    stream.width, stream.height = (max(2, round(side / 2) * 2) for side in image.size)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = _MILLISECOND
    return stream


def _reader_of(buffer: io.BytesIO) -> Any:
    """Return a callback for a muxer to reread its output; the muxer asks for no other file."""

    def open_again(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
        return io.BytesIO(buffer.getvalue())

    return open_again


def sound(container: Any, rate: int, samples: int) -> Iterator[Any]:
    """The sound of an open recording, mono, 16 bits, in frames of so many samples; the last may be shorter.

    Raises:
        Unsupported: There is none.
    """
    stream = next((each for each in container.streams.audio if each.codec_context is not None), None)
    if stream is None or not _LOWEST_RATE <= stream.codec_context.sample_rate <= _HIGHEST_RATE:
        raise Unsupported("The file contains no readable sound.", "Send it with kind document.")
    resampler = library().AudioResampler(format="s16", layout="mono", rate=rate, frame_size=samples)
    for frame in container.decode(stream):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _voice(container: Any) -> Iterator[Any]:
    """The sound in frames of 20 ms, an hour of them at most."""
    for count, part in enumerate(sound(container, _RATE, _OPUS_FRAME)):
        if count * _OPUS_FRAME >= MAX_VOICE_SECONDS * _RATE:
            raise TooLong("A voice note has at most an hour.", "Send it with kind audio.")
        yield part


def _loudness(part: Any) -> float:
    values = memoryview(bytes(part.planes[0])[: part.samples * 2]).cast("h")
    return sum(abs(value) for value in values[::8]) / max(1, len(values) // 8)


def _heard(loudness: list[float]) -> dict[str, Any]:
    bars = b64encode(waveform(loudness)).decode()
    return {"duration": max(1, round(len(loudness) * _OPUS_FRAME / _RATE)), "waveform": bars}
