"""Pictures as WhatsApp wants them: upright, no larger than asked for, with nothing that the camera noted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from whatsapp_mcp.device.decoding import UNREADABLE, Source, filtered, pyav, reader, upright

_QUANTISER: Final = 4
"""Of MJPEG, 2 (best) to 31; 4 is about what others call quality 85."""
_PIXELS: Final = "yuvj420p"
_STICKER: Final = (
    ("scale", "512:512:force_original_aspect_ratio=decrease"),
    ("format", "rgba"),
    ("pad", "512:512:(ow-iw)/2:(oh-ih)/2:color=0x00000000"),
    ("format", "bgra"),
)


def picture(source: Source, largest: int) -> bytes | None:
    """An image, or a video's first frame, as JPEG of at most `largest` pixels a side; None if unreadable."""
    av = pyav()
    if av is None:
        return None
    try:
        with reader(av, source) as container:
            return jpeg(av, upright(av, next(container.decode(video=0))), largest)
    except UNREADABLE:
        return None


def jpeg(av: Any, frame: Any, largest: int) -> bytes:
    """A decoded frame as JPEG of at most `largest` pixels a side."""
    scale = min(1.0, largest / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    if any(component.is_alpha for component in frame.format.components):
        frame = _on_white(av, frame)
    small = frame.reformat(width=width, height=height, format=_PIXELS)
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, _PIXELS
    codec.time_base = Fraction(1, 1)
    codec.options = {"qmin": str(_QUANTISER), "qmax": str(_QUANTISER), "flags": "+bitexact"}
    small.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(small), *codec.encode(None)])


def sticker(source: Source) -> bytes | None:
    """An image as WhatsApp wants stickers: WebP of 512 pixels a side, what is around it transparent.

    None if it is unreadable.
    """
    av = pyav()
    if av is None:
        return None
    try:
        with reader(av, source) as container:
            frame = filtered(av, upright(av, next(container.decode(video=0))), _STICKER)
    except UNREADABLE:
        return None
    codec = av.CodecContext.create("libwebp", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, frame.format.name
    codec.time_base = Fraction(1, 1)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def _on_white(av: Any, frame: Any) -> Any:
    """What is transparent becomes white, as WhatsApp's own apps show it."""
    graph = av.filter.Graph()
    size = f"{frame.width}x{frame.height}"
    ground = graph.add("color", f"color=white:size={size}:duration=1:rate=1")
    given = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1)
    )
    laid, sink = graph.add("overlay", "format=auto"), graph.add("buffersink")
    ground.link_to(laid, 0, 0)
    given.link_to(laid, 0, 1)
    laid.link_to(sink)
    graph.configure()
    frame.pts = 0
    given.push(frame)
    given.push(None)
    return sink.pull()
