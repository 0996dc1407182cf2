"""No text, however long and whoever chose it, takes triage much longer than a plain one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.triage import LONGEST, Speech, fold, named_days, read, vocabulary

_DAY: Final = date(2026, 11, 26)
_PLAIN: Final = ("we met the others there and it was a fine evening for all of us " * 10)[:LONGEST]
_RATIO: Final = 40
"""Times as long as a plain text of the greatest length that is read; measured: 10 at most."""
_VOCABULARY: Final = sorted(
    {
        word
        for name in vars(vocabulary)
        if isinstance(text := getattr(vocabulary, name), str)
        for word in re.findall(r"[a-z]{2,}", text)
    }
)
_DAYS: Final = ["friday", "hj", "tomorrow at 7", "24.12.", "1.", "1/1", "the 1st", "um halb 8", "12:30 pm"]
_BETWEEN: Final = ["", " ", ",", "?", "!", "\n", "…", ":", "st ", "https:", "@", "\ufdfa", "\u0301"]
_PART: Final = st.sampled_from([*_VOCABULARY, *_DAYS, *_BETWEEN])
_HOSTILE: Final = st.lists(_PART, min_size=1, max_size=6).map("".join).filter(bool)


def _look(text: str) -> None:
    read.__wrapped__(text)
    named_days(text, _DAY)


def _took(look: Callable[[str], None], text: str) -> float:
    """Seconds of the processor, the least of three: others run beside."""

    def once() -> float:
        begin = time.process_time()
        look(text)
        return time.process_time() - begin

    return min(once() for _ in range(3))


@given(part=_HOSTILE, length=st.sampled_from([LONGEST, 60_000]))
def test_any_text_takes_as_long_as_a_plain_one_of_the_greatest_length_that_is_read(
    part: str, length: int
) -> None:
    text = (part * length)[:length]
    assert _took(_look, text) < _RATIO * _took(_look, _PLAIN)


@pytest.mark.parametrize("part", ["hj ", "friday at 7 ", "1. ", "\ufdfa", "need ", "e, ", "sag "])
def test_a_text_of_60000_characters_takes_no_longer_than_its_ends(part: str) -> None:
    long = (part * 60_000)[:60_000]
    ends = long[: LONGEST // 2] + long[-LONGEST // 2 :]
    assert _took(_look, long) < 5 * _took(_look, ends) + 0.001


def test_what_folds_to_more_characters_is_cut_once_more() -> None:
    text = "\ufdfa" * LONGEST
    assert len(fold(text)) > 10 * LONGEST
    assert _took(_look, text) < 10 * _took(_look, "x " * (LONGEST // 2))


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    between = "and so on " * 6_000
    assert [one.day for one in named_days(f"see you tomorrow {between}or on saturday", _DAY)] == [
        date(2026, 11, 27),
        date(2026, 11, 28),
    ]
    assert named_days(f"{between}tomorrow{between}", _DAY) == ()
    assert Speech.ASKS in read(f"{between}. Can you come?")
