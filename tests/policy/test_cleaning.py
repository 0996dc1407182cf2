"""A person who decides about a text sees all that it holds."""

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.policy import visible


@for_each(
    ("text", "shown"),
    [
        ("See you at 8", "See you at 8"),
        ("Grüße 👩‍👩‍👧 ❤️", "Grüße 👩‍👩‍👧 ❤️"),
        ("one\ntwo\r\nthree", "one ⏎ two ⏎ three"),
        ("pay\u200bload", "pay‹U+200B›load"),
        ("\u202eevil", "‹U+202E›evil"),
        ("a\U000e0041b", "a‹U+E0041›b"),
        ("\x1b[2Kgone", "‹U+001B›[2Kgone"),
        ("a\tb", "a‹U+0009›b"),
        ("a\u3164b", "a‹U+3164›b"),
    ],
)
def test_what_is_hidden_in_a_text_is_named(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_no_text_stays_on_more_than_one_line_or_steers_a_terminal(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(char < " " or char == "\x7f" for char in shown)


@given(st.text(), st.text())
def test_two_texts_without_line_breaks_are_shown_alike_only_if_they_are_alike(one: str, other: str) -> None:
    plain = [text.replace("‹", "").replace("⏎", "") for text in (one, other)]
    if all(
        len(text.splitlines()) <= 1 and text == text.strip("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        for text in plain
    ):
        assert (visible(plain[0]) == visible(plain[1])) == (plain[0] == plain[1])
