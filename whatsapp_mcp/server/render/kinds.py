"""Bracketed labels of messages other than plain text: `[image 340 kB]`, `[product “Boat” 12.00 EUR]`.

Polls, and posts of channels, are for programs alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from typing_extensions import TypedDict

from whatsapp_mcp.models import Actor, Message
from whatsapp_mcp.policy import clean, one_line
from whatsapp_mcp.server.fencing import full_name, in_quotes, spoken_of
from whatsapp_mcp.server.render.times import DAY, day_of, time_of_day

FILE_NAME: Final = 60
"""Characters of a file's name in a line."""
WHOLE_FILE_NAME: Final = 300
"""Most characters of a file's name where nothing is cut; the archive keeps 255."""
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,4})?")
"""A language, with a region or a script at most (BCP 47)."""
CHOICE: Final = 40
"""Characters of a button, or of a row of a list."""
CHOICES_SHOWN: Final = 12
"""Buttons, or rows of a list, in a line."""


def size_text(size: int) -> str:
    """`340 kB`, `1.2 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1e3))} kB"


def kind_text(
    kind: str,
    media: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    *,
    width: int = FILE_NAME,
    notes: Sequence[str] = (),
) -> str:
    """`[voice 0:12]`, `[document “plan.pdf” 1.2 MB, 3 pages read]`, `[buttons: Yes | No]`.

    Args:
        kind: A kind of message.
        media: `media` of its structured content.
        details: `details` of the same.
        width: Characters of a file's name, or of what else the message is called.
        notes: What else is to be said of the file.
    """
    words = _of_media(media or {}, width)
    if details:
        words += _of_event(details)
        if "latitude" in details:
            words.append(_place(details))
        if "album" in details:
            return f"[album of {sum(details['album'].values())}]"
    parts: list[str] = []
    what = what_of(details)
    if kind != "text" and (words or not what):
        parts.append(" ".join([kind.replace("_", " "), *words]))
    if what and details:
        parts.append(_of_what(what, details, width))
    parts += notes
    return f"[{', '.join(parts)}]"


def what_of(details: Mapping[str, Any] | None) -> str | None:
    """Return the subtype that a message's kind does not express, such as a product or a group invite."""
    fields = details or {}
    return fields.get("what") or ("choices" if fields.get("choices") else None)


def without_title(text: str, details: Mapping[str, Any] | None) -> str:
    """The text of a message without what its brackets say: its title, or that it is an album."""
    if details and "album" in details:
        return ""
    title = (details or {}).get("title")
    return text.removeprefix(title).lstrip() if title else text


def _of_what(what: str, details: Mapping[str, Any], width: int) -> str:
    """`product “Boat” 12.00 EUR`, `buttons: Yes | No`."""
    words = [what]
    if title := details.get("title"):
        words.append(in_quotes(title, width))
    if price := details.get("price"):
        words.append(price)
    if items := details.get("items"):
        words.append(f"{items} item{'' if items == 1 else 's'}")
    text = " ".join(words)
    if expires := details.get("expires_at"):
        text += f", expires {day_of(expires)} {time_of_day(expires)}"
    if choices := details.get("choices"):
        text += f": {' | '.join(one_line(choice, CHOICE) for choice in choices[:CHOICES_SHOWN])}"
        text += f" (+{len(choices) - CHOICES_SHOWN})" if len(choices) > CHOICES_SHOWN else ""
    return text


def language_shown(language: str | None) -> str | None:
    """`en`, `pt-BR`; None where it is no code of a language."""
    return language if language and _LANGUAGE.fullmatch(language) else None


def duration_text(seconds: int) -> str:
    """`0:42`, `75:00`."""
    return f"{seconds // 60}:{seconds % 60:02}"


def _of_media(media: Mapping[str, Any], width: int) -> list[str]:
    words: list[str] = []
    if "view_once" in media:
        words.append("view-once")
    if name := media.get("file_name"):
        words.append(in_quotes(name, width))
    if duration := media.get("duration"):
        words.append(duration_text(duration))
    elif size := media.get("size"):
        words.append(size_text(size))
    return words


def _of_event(details: Mapping[str, Any]) -> list[str]:
    """When it is; `19:00–21:00` where it ends on the same day."""
    words = ["cancelled"] if details.get("cancelled") else []
    start, end = details.get("starts_at"), details.get("ends_at")
    if start is None:
        return words if end is None else [*words, f"until {day_of(end)} {time_of_day(end)}"]
    words.append(f"{day_of(start)} {time_of_day(start)}")
    if end is not None:
        later = "" if end[DAY] == start[DAY] else f"{day_of(end)} "
        words[-1] += f"–{later}{time_of_day(end)}"
    return words


def _place(details: Mapping[str, Any]) -> str:
    """Return the coordinates, and their accuracy if it is known."""
    place = f"{_degrees(details['latitude'])},{_degrees(details['longitude'])}"
    return f"{place} ±{details['accuracy']} m" if "accuracy" in details else place


def _degrees(value: float) -> str:
    """Format degrees to a precision of about a metre."""
    return f"{value:.5f}".rstrip("0").rstrip(".")


class PollData(TypedDict):
    """Votes of a poll; of those in `missing` no vote has come."""

    ref: str
    question: str
    options: list[dict[str, Any]]
    missing: list[str]


class PostData(TypedDict):
    """A post of a channel, as WhatsApp has it now; `reactions` counts each emoji."""

    ref: str
    number: int
    text: str
    views: int
    reactions: dict[str, int]


def voters_data(voters: Sequence[Actor]) -> list[str]:
    """`me` and what others are called."""
    return [spoken_of(voter.name, voter.from_me, voter.stranger) for voter in voters]


def poll_data(message: Message, missing: Sequence[Actor]) -> PollData:
    """Votes of a poll, and who of its group has not voted."""
    options = [
        {
            "name": full_name(option.name),
            "votes": len(option.voters),
            "voters": voters_data(option.voters),
        }
        for option in message.poll
    ]
    return PollData(
        ref=f"#{message.ref}", question=clean(message.text), options=options, missing=voters_data(missing)
    )
