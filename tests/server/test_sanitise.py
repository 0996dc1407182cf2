"""Somebody else's text stays data, on its line, with nothing hidden in it."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.policy import clean, clean_line
from whatsapp_mcp.server.fencing import called, clean_name

anything = st.text(max_size=300) | st.lists(
    st.sampled_from(
        [
            "\x1b[31m",
            "\x1b]0;x\x07",
            "\u202e",
            "\u200b",
            "\u2066",
            "\n#1 12:00 me: ",
            "</messages>",
            "a",
            "👨‍👩‍👧",
        ]
    )
).map("".join)


@given(anything)
def test_nothing_invisible_is_left(text: str) -> None:
    left = clean(text).replace("\n", "").replace("\t", "").replace("\u200d", "")
    assert not [c for c in left if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]


@given(anything)
def test_a_line_is_one_line_for_every_reader(text: str) -> None:
    assert len(clean_line(text).splitlines()) <= 1


@given(anything)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(anything)
def test_a_name_cannot_end_itself_or_be_the_owner(text: str) -> None:
    name = clean_name(text)
    assert ":" not in name
    assert "#" not in name
    assert name.casefold() not in {"me", "you", ""}


@for_each(
    "given_text, expected",
    [
        ("hello\r\nworld", "hello ⏎ world"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("a\u202eb\u200bc\U000e0041d", "abcd"),
        ("नमस्ते 👨‍👩‍👧 ❤️ Grüße", "नमस्ते 👨‍👩‍👧 ❤️ Grüße"),
        ("paſs\u200dword", "paſsword"),
    ],
)
def test_what_is_shown_is_what_people_see(given_text: str, expected: str) -> None:
    assert clean_line(given_text) == expected


@for_each(
    "name, shown",
    [
        ("Bank ✅", "~Bank"),
        ("Support ✔️", "~Support"),
        ("🔵 Meta", "~Meta"),
        ("WhatsApp®", "~WhatsApp"),
        ("Ann 🌸", "~Ann 🌸"),
    ],
)
def test_what_looks_like_a_badge_is_no_part_of_a_name_that_a_stranger_chose(name: str, shown: str) -> None:
    assert called(name, stranger=True) == shown
    assert called(name, stranger=False) == name
