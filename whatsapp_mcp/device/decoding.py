"""Opening files with PyAV (extra `media`): with a limit on pixels, and the right way up.

Everything here and in the modules that use it (`media`, `pictures`, `voice`, `animation`) blocks and belongs
into a worker thread.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

Source = Path | BinaryIO
MAX_PIXELS: Final = 100_000_000
"""Of one picture: a few kilobytes can unpack to gigabytes."""
UNREADABLE: Final = (OSError, ValueError, IndexError, EOFError, RuntimeError, StopIteration)
"""What comes of a file that PyAV cannot read, or that holds no frame."""
_LIMITS: Final = {"max_pixels": str(MAX_PIXELS)}
_TURNS: Final = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}
"""Filters that undo a rotation, by the degrees that PyAV tells."""


def pyav() -> Any:
    """The module `av`; None where it is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


@contextmanager
def reader(av: Any, source: Source) -> Generator[Any]:
    """Open a file for decoding; a picture of too many pixels is unreadable."""
    file = str(source) if isinstance(source, Path) else source
    with av.open(file, options=_LIMITS) as container:
        for stream in container.streams.video:
            stream.codec_context.options = _LIMITS
        yield container


def upright(av: Any, frame: Any) -> Any:
    """The frame as a person shall see it: cameras store it as it comes and note how they were held."""
    turns = _TURNS.get(frame.rotation % 360)
    return frame if turns is None else filtered(av, frame, turns)


def filtered(av: Any, frame: Any, filters: tuple[tuple[str, str], ...]) -> Any:
    """One frame through a chain of (filter, arguments)."""
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1)
        ),
        *(graph.add(name, arguments) for name, arguments in filters),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    graph.push(frame)
    return graph.pull()
