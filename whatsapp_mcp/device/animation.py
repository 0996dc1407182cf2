"""What WhatsApp calls a GIF: a short, silent H.264 video that its apps play in a loop."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.device.decoding import UNREADABLE, pyav, reader, upright
from whatsapp_mcp.errors import TooLong, Unsupported

MAX_SECONDS: Final = 60
_MAX_FRAMES: Final = 3600
_LARGEST: Final = 640
"""Pixels of a side; such clips are looked at in passing."""
_MILLISECOND: Final = Fraction(1, 1000)
_ENCODER: Final = {"crf": "26", "preset": "veryfast"}


def looping_video(source: Path, target: Path) -> None:
    """Write an animated image or a video as a looping clip; its sound is left out.

    Raises:
        Unsupported: PyAV is missing, or the file holds no pictures that it can read.
        TooLong: It is longer than a minute.
    """
    av = pyav()
    if av is None:
        raise Unsupported(
            "Making a GIF for WhatsApp needs PyAV.",
            "Install whatsapp-mcp[media], or send it with kind document.",
        )
    try:
        with reader(av, source) as container, _mp4(av, target) as output:
            _encode(av, container, output)
    except UNREADABLE as error:
        raise Unsupported("The file holds no pictures that can be read.", "Send it as document.") from error


def _encode(av: Any, container: Any, output: Any) -> None:
    stream: Any = None
    last = -1
    for count, decoded in enumerate(container.decode(video=0)):
        frame = upright(av, decoded)
        at = max(last + 1, round((frame.time or 0.0) * 1000))
        if at > MAX_SECONDS * 1000 or count >= _MAX_FRAMES:
            raise TooLong(f"A GIF has at most {MAX_SECONDS} seconds.", "Send it with kind video.")
        if stream is None:
            stream = _stream(output, frame)
        small = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
        small.pts, small.time_base, last = at, _MILLISECOND, at
        output.mux(stream.encode(small))
    if stream is None:
        raise EOFError("no frame")
    output.mux(stream.encode(None))


def _mp4(av: Any, target: Path) -> Any:
    return av.open(str(target), "w", format="mp4", options={"movflags": "faststart"})


def _stream(output: Any, frame: Any) -> Any:
    """A stream for frames like this; H.264 wants even sides."""
    scale = min(1.0, _LARGEST / max(frame.width, frame.height))
    stream = output.add_stream("libx264", options=_ENCODER)
    stream.width, stream.height = (
        max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height)
    )
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = _MILLISECOND
    return stream
