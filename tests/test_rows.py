"""Tables of a test name the rows that fail."""

import pytest

from tests.rows import rows


def test_each_row_is_tried_and_those_that_fail_are_named() -> None:
    tried: list[int] = []

    @rows("one, other", [(1, 1), (2, 3), pytest.param(4, 5, id="four"), (6, 6)])
    def table(one: int, other: int) -> None:
        tried.append(one)
        assert one == other

    with pytest.raises(pytest.fail.Exception, match=r"(?s)row 1 \(2, 3\): AssertionError.*row 2 four: A"):
        table()
    assert tried == [1, 2, 4, 6]
