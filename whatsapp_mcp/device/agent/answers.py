"""An agent's answer as messages: cleaned, bounded, split where a reader would."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NamedTuple, cast

PART: Final = 3_500
"""Characters of one message."""
_NOT_SHOWN: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours of a terminal, and control characters but for tabs and line breaks."""
_CUT: Final = "…"
_TEXTS: Final = ("result", "text")
_COSTS: Final = ("total_cost_usd", "cost")


class Answer(NamedTuple):
    """What a command has said.

    Attributes:
        text: To the chat; empty for nothing.
        cost: What it reported.
    """

    text: str
    cost: float = 0.0


def answer_in(output: str, form: str) -> Answer:
    """What a command printed.

    Args:
        output: Its standard output.
        form: `text`, or `json` for an object with `result` or `text`, and `total_cost_usd` or `cost`.

    Raises:
        ValueError: It is not of this form.
    """
    if form == "text":
        return Answer(output)
    try:
        value = json.loads(output)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    found = cast("dict[str, Any]", value)
    text = next((found[name] for name in _TEXTS if isinstance(found.get(name), str)), None)
    if text is None:
        raise ValueError(f"no {' or '.join(_TEXTS)} in it")
    # JSON can name half a character, which nothing can write.
    return Answer(text.encode("utf-8", "replace").decode(), _cost_in(found))


def _cost_in(found: dict[str, Any]) -> float:
    cost = next((found[name] for name in _COSTS if isinstance(found.get(name), int | float)), 0)
    try:
        value = float(cost)
    except OverflowError as error:
        raise ValueError("its cost is no such number") from error
    if not math.isfinite(value):
        raise ValueError("its cost is no such number")
    return max(0.0, value)


def parts_of(text: str, most: int) -> tuple[str, ...]:
    """A text as messages: at paragraphs, else at lines, sentences, words; none longer than `PART`.

    Args:
        text: As the agent wrote it.
        most: Characters of the whole; the rest is cut off, which shows.
    """
    left = _NOT_SHOWN.sub("", text.replace("\r\n", "\n")).strip()
    if len(left) > most:
        left = left[: most - 1].rstrip() + _CUT
    parts: list[str] = []
    while left:
        end = _end(left)
        parts.append(left[:end].rstrip())
        left = left[end:].lstrip()
    return tuple(part for part in parts if part)


def _end(text: str) -> int:
    """Where the first part of a text ends."""
    if len(text) <= PART:
        return len(text)
    for mark in ("\n\n", "\n", ". ", " "):
        found = text.rfind(mark, PART // 2, PART)
        if found > 0:
            return found + len(mark.rstrip(" "))
    return PART
