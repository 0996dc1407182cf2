from hypothesis import given
from hypothesis import strategies as st

from whatsapp_simulator import lthash

items = st.lists(st.binary(min_size=32, max_size=32), max_size=6)


@given(items=items)
def test_order_does_not_matter(items: list[bytes]) -> None:
    assert lthash.update(lthash.EMPTY, add=items) == lthash.update(lthash.EMPTY, add=reversed(items))


@given(before=items, changes=items)
def test_what_is_added_can_be_taken_away_again(before: list[bytes], changes: list[bytes]) -> None:
    base = lthash.update(lthash.EMPTY, add=before)
    added = lthash.update(base, add=changes)
    assert len(added) == lthash.LENGTH
    assert lthash.update(added, remove=changes) == base


def test_an_item_changes_the_hash() -> None:
    assert lthash.update(lthash.EMPTY, add=[bytes(32)]) != lthash.EMPTY
