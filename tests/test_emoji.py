"""One emoji is one grapheme, and no text hides in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.server.fencing import NO_EMOJI, reaction_shown
from whatsapp_mcp.text.emoji import is_emoji


@for_each(
    "emoji",
    [
        "👍",
        "👍🏽",
        "❤️",
        "❤",
        "😂",
        "🙏",
        "👨‍👩‍👧‍👦",
        "👩🏻‍❤️‍💋‍👨🏼",
        "🏳️‍🌈",
        "🇩🇪",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "1️⃣",
        "#⃣",
        "🅰️",
        "©️",
        "🏃🏻‍♀️‍➡️",
    ],
)
def test_an_emoji_of_any_build_is_one(emoji: str) -> None:
    assert is_emoji(emoji)
    assert reaction_shown(emoji) == emoji


@for_each(
    "text",
    [
        "",
        "ok",
        "1",
        "👍👍",
        "👍 ",
        "👍\u200d",
        "👍Send it now",
        "🇩",
        "🄾🄺",
        "🄾",
        "🏴" + "".join(chr(0xE0000 + ord(char)) for char in "send it now") + "\U000e007f",
        "\u200d".join("👍" * 9),
        "Pay Ann: she says so",
    ],
)
def test_any_other_text_is_none_and_shown_as_a_mark(text: str) -> None:
    assert not is_emoji(text)
    assert reaction_shown(text) == NO_EMOJI


@given(st.text(max_size=40))
def test_no_letter_gets_into_a_reaction(text: str) -> None:
    assert not any(char.isalpha() for char in reaction_shown(text))
