"""A table of a test names the rows that fail."""

from __future__ import annotations

import pytest

from tests.tables import for_each


def test_each_row_is_tried_and_those_that_fail_are_named() -> None:
    tried: list[tuple[int, int]] = []

    @for_each("one, other", [(1, 1), (2, 3), pytest.param(4, 5), (6, 6)], made="maker")
    def table(one: int, other: int, made: int) -> None:
        tried.append((one, made))
        assert one == other

    numbers = iter(range(9))

    def maker() -> int:
        return next(numbers)

    with pytest.raises(AssertionError, match=r"(?s)2 of 4 rows fail\none=2, other=3: .*\none=4, other=5: "):
        table(maker=maker)
    assert tried == [(1, 0), (2, 1), (4, 2), (6, 3)]
