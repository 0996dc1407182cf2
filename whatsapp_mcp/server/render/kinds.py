"""What stands in brackets for what is no plain text: `[image 340 kB]`, `[event Thu 2026-12-03 19:00]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whatsapp_mcp.server.fencing import in_quotes
from whatsapp_mcp.server.render.times import DAY, day_of, time_of_day

FILE_NAME: Final = 60
"""Characters of a file's name in a line."""
WHOLE_FILE_NAME: Final = 300
"""As `FILE_NAME`, where nothing is cut: the archive keeps 255."""


def size_text(size: int) -> str:
    """`340 kB`, `1.2 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1e3))} kB"


def kind_text(
    kind: str,
    media: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    *,
    width: int = FILE_NAME,
) -> str:
    """`[voice 0:12]`, `[document “plan.pdf” 1.2 MB]`, `[location 52.51,13.4]`.

    Args:
        kind: A kind of message.
        media: `media` of its structured content.
        details: `details` of the same.
        width: Characters of a file's name.
    """
    words = [kind, *_of_media(media or {}, width)]
    if details:
        words += _of_event(details)
        if "latitude" in details:
            words.append(f"{_degrees(details['latitude'])},{_degrees(details['longitude'])}")
    return f"[{' '.join(words)}]"


def _of_media(media: Mapping[str, Any], width: int) -> list[str]:
    words: list[str] = []
    if "view_once" in media:
        words.append("view-once")
    if name := media.get("file_name"):
        words.append(in_quotes(name, width))
    if duration := media.get("duration"):
        words.append(f"{duration // 60}:{duration % 60:02}")
    elif size := media.get("size"):
        words.append(size_text(size))
    return words


def _of_event(details: Mapping[str, Any]) -> list[str]:
    """When it is; `19:00–21:00` where it ends on the same day."""
    words = ["cancelled"] if details.get("cancelled") else []
    start, end = details.get("starts_at"), details.get("ends_at")
    if start is None:
        return words
    words.append(f"{day_of(start)} {time_of_day(start)}")
    if end is not None:
        later = "" if end[DAY] == start[DAY] else f"{day_of(end)} "
        words[-1] += f"–{later}{time_of_day(end)}"
    return words


def _degrees(value: float) -> str:
    """To a metre."""
    return f"{value:.5f}".rstrip("0").rstrip(".")
