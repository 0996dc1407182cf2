"""Who waits for whom, on ends of conversations that a person has labelled."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage.labelled import LANGUAGES, end, ends, figures
from whatsapp_mcp.triage import Content, Speech, Turn, read, waiting

LEAST = 0.8


@pytest.mark.parametrize("side", ["me", "them"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_who_waits_is_told_right_in_four_of_five_chats_at_least(
    language: str, side: Literal["me", "them"]
) -> None:
    told, wrong = figures(ends(language, "known"), side)
    assert min(told.precision, told.recall) >= LEAST, wrong


@pytest.mark.parametrize(
    "line",
    [
        "- | T: thanks a lot!",
        "- | M: are you in? / T: yes",
        "them | M: are you in? / T: not yet",
        "me | T: are you in? / M: let me check",
        "- | M: I'll send it tomorrow / M: here it is",
        "them | T: i'll send you the pictures / M: great",
        "- | T: i'll send you the pictures / M: great / T: [image]",
        "- | T: can you call me? / T: never mind, solved it",
        "g - | Ana: Bea can you call me?",
        "g me | Ana: @me can you call me?",
        "- | T: 1234 is your code. Do not reply to this message. Questions?",
    ],
)
def test_what_is_asked_stays_open_until_it_is_answered_or_taken_back(line: str) -> None:
    asked = end(line)
    found = waiting(asked.turns, group=asked.group)
    assert (found.for_me is not None, found.for_them is not None) == (asked.me, asked.them)


def test_a_promise_stays_open_until_its_side_delivers() -> None:
    turns = [Turn("i'll send you the list", sender="ana"), Turn("great", from_me=True)]
    assert waiting(turns).promises == (0,)
    assert waiting([*turns, Turn("", from_me=True, content=Content.FILE)]).promises == (0,)
    assert waiting([*turns, Turn("here you go", sender="ana")]).promises == ()


def test_a_reaction_answers_a_question() -> None:
    assert waiting([Turn("can you bring the charger?", reacted=True)]).for_me is None


def test_a_sentence_for_effect_asks_nothing() -> None:
    for text in ("how cute is this?? 😍", "why is he like that lol", "what a day", "qué bonito", "wie geil"):
        assert Speech.ASKS not in read(text)


@given(
    st.lists(
        st.builds(Turn, st.text(max_size=900), st.booleans(), content=st.sampled_from(Content)), max_size=9
    ),
    st.booleans(),
)
def test_whatever_was_said_the_answer_names_messages_of_the_right_side(
    turns: list[Turn], group: bool
) -> None:
    found = waiting(turns, group=group)
    if found.for_them is not None and found.for_them not in found.promises:
        assert turns[found.for_them].from_me
    if found.for_me is not None and found.for_me not in found.promises:
        assert not turns[found.for_me].from_me
    assert all(0 <= place < len(turns) for place in found.promises)
