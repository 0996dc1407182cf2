"""Cursors: short, and refused when they are not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.archive.read import cursors
from whatsapp_mcp.errors import InvalidArgument

MARK = cursors.fingerprint("messages", "chat")
keys = st.lists(st.integers(-(2**63), 2**63 - 1) | st.text(max_size=40), min_size=1, max_size=3)


@given(keys)
def test_the_keys_of_a_cursor_come_back_as_they_were(given_keys: list[int | str]) -> None:
    cursor, kinds = cursors.encode(MARK, *given_keys), [type(key) for key in given_keys]
    assert cursors.decode(cursor, MARK, *kinds) == given_keys


def test_a_cursor_after_a_message_costs_few_tokens() -> None:
    assert len(cursors.encode(MARK, 1_795_000_000 << 20)) <= 16
    assert len(cursors.encode(MARK, 1_795_000_000 << 20, 40_000)) <= 20


@given(st.text(max_size=40))
def test_what_is_no_cursor_is_refused_whatever_it_is(text: str) -> None:
    with pytest.raises(InvalidArgument):
        cursors.decode(text, MARK, int)


def test_a_cursor_of_another_list_or_one_with_a_slip_is_refused() -> None:
    ours = cursors.encode(MARK, 1_795_000_000 << 20)
    other = cursors.encode(cursors.fingerprint("messages", "other chat"), 1_795_000_000 << 20)
    for wrong in (other, ours[1:], ours[:-1], ours.replace(".", "0."), ours.replace(".", ".0.")):
        with pytest.raises(InvalidArgument, match="not one of this list"):
            cursors.decode(wrong, MARK, int)


def test_a_cursor_whose_keys_are_of_another_kind_is_refused() -> None:
    for wrong in (cursors.encode(MARK, "a"), cursors.encode(MARK, 1, 2)):
        with pytest.raises(InvalidArgument, match="not one of this list"):
            cursors.decode(wrong, MARK, int)
