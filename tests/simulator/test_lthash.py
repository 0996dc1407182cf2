from hypothesis import given
from hypothesis import strategies as st

from whatsapp_simulator.app_state_crypto import EMPTY_LTHASH, LTHASH_LENGTH, lthash

items = st.lists(st.binary(min_size=32, max_size=32), max_size=6)


@given(items=items)
def test_order_does_not_matter(items: list[bytes]) -> None:
    assert lthash(EMPTY_LTHASH, add=items) == lthash(EMPTY_LTHASH, add=reversed(items))


@given(before=items, changes=items)
def test_what_is_added_can_be_taken_away_again(before: list[bytes], changes: list[bytes]) -> None:
    base = lthash(EMPTY_LTHASH, add=before)
    added = lthash(base, add=changes)
    assert len(added) == LTHASH_LENGTH
    assert lthash(added, remove=changes) == base


def test_an_item_changes_the_hash() -> None:
    assert lthash(EMPTY_LTHASH, add=[bytes(32)]) != EMPTY_LTHASH
