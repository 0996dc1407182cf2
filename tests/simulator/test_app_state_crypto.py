import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.protobufs import ServerSync, SyncAction
from whatsapp_simulator.app_state_crypto import (
    EMPTY_LTHASH,
    LTHASH_LENGTH,
    AppStateCollection,
    AppStateConflict,
    AppStateError,
    Keyring,
    Mutation,
    SyncKey,
    decode_mutation,
    encode_mutation,
    lthash,
)

KEY = SyncKey(b"\0\0\0\0\0\x01", bytes(range(32)))
ANN = "100@lid"
ITEMS = st.lists(st.binary(min_size=32, max_size=32), max_size=6)
"""Items of a set whose LTHash is computed."""


def pin(jid: str = ANN, pinned: bool = True) -> Mutation:
    value = SyncAction.SyncActionValue(timestamp=1, pinAction=SyncAction.PinAction(pinned=pinned))
    return Mutation(("pin_v1", jid), value, 5)


def unset(mutation: Mutation) -> Mutation:
    return Mutation(mutation.index, mutation.value, mutation.version, remove=True)


@pytest.fixture
def phone() -> AppStateCollection:
    return AppStateCollection("regular_low", Keyring(KEY))


def companions_patch(phone: AppStateCollection, *mutations: Mutation) -> bytes:
    """The patch that a companion at the phone's version uploads."""
    companion = AppStateCollection(phone.name, Keyring(KEY))
    for patch in phone.patches:
        companion.apply(patch.SerializeToString(), companion.version)
    patch = companion.change(mutations)
    patch.ClearField("version")
    return patch.SerializeToString()


@pytest.mark.parametrize("mutation", [pin(), unset(pin()), pin("grüße@lid")])
def test_a_mutation_decodes_to_what_was_encoded(mutation: Mutation) -> None:
    assert decode_mutation(KEY, encode_mutation(KEY, mutation)) == mutation


@pytest.mark.parametrize("part", ["index", "value"])
def test_a_forged_mutation_is_refused(part: str) -> None:
    encrypted = encode_mutation(KEY, pin())
    field: ServerSync.SyncdIndex | ServerSync.SyncdValue = getattr(encrypted.record, part)
    field.blob = bytes([field.blob[0] ^ 1]) + field.blob[1:]
    with pytest.raises(AppStateError, match=f"wrong {part} MAC"):
        decode_mutation(KEY, encrypted)


def test_a_set_cannot_be_turned_into_a_removal() -> None:
    encrypted = encode_mutation(KEY, pin())
    encrypted.operation = ServerSync.SyncdMutation.REMOVE
    with pytest.raises(AppStateError, match="value MAC"):
        decode_mutation(KEY, encrypted)


def test_a_change_on_the_phone_counts_the_version_and_sets_the_value(phone: AppStateCollection) -> None:
    patch = phone.change([pin()])
    assert (phone.version, patch.version.version) == (1, 1)
    value = phone.get("pin_v1", ANN)
    assert value is not None
    assert value.pinAction.pinned
    phone.change([pin(pinned=False)])
    value = phone.get("pin_v1", ANN)
    assert value is not None
    assert not value.pinAction.pinned
    assert phone.version == 2


def test_a_removed_index_has_no_value(phone: AppStateCollection) -> None:
    phone.change([pin()])
    phone.change([unset(pin())])
    assert phone.values() == {}


def test_a_companions_patch_is_verified_and_taken_over(phone: AppStateCollection) -> None:
    phone.change([pin()])
    patch = companions_patch(phone, pin(pinned=False), pin("200@lid"))
    assert phone.apply(patch, 1) == [pin(pinned=False), pin("200@lid")]
    assert phone.version == 2
    assert set(phone.values()) == {("pin_v1", ANN), ("pin_v1", "200@lid")}
    assert [stored.version.version for stored in phone.patches] == [1, 2]


def test_a_patch_on_an_old_version_is_a_conflict(phone: AppStateCollection) -> None:
    patch = companions_patch(phone, pin())
    phone.change([pin("200@lid")])
    with pytest.raises(AppStateConflict):
        phone.apply(patch, 0)


@pytest.mark.parametrize("field", ["snapshotMAC", "patchMAC"])
def test_a_patch_with_a_wrong_mac_changes_nothing(phone: AppStateCollection, field: str) -> None:
    patch = ServerSync.SyncdPatch.FromString(companions_patch(phone, pin()))
    setattr(patch, field, bytes(32))
    with pytest.raises(AppStateError, match="MAC"):
        phone.apply(patch.SerializeToString(), 0)
    assert (phone.version, phone.values(), phone.patches) == (0, {}, [])


def test_a_patch_of_another_collection_or_key_is_refused(phone: AppStateCollection) -> None:
    other = AppStateCollection("regular", Keyring(KEY)).change([pin()])
    with pytest.raises(AppStateError, match="snapshot MAC"):
        phone.apply(other.SerializeToString(), 0)
    foreign = AppStateCollection("regular_low", Keyring(SyncKey(b"foreign", bytes(32)))).change([pin()])
    with pytest.raises(AppStateError, match="unknown key"):
        phone.apply(foreign.SerializeToString(), 0)


@pytest.mark.parametrize("patch", [b"", b"\xff\xff", b"\x22\x02"])
def test_a_malformed_patch_is_refused(phone: AppStateCollection, patch: bytes) -> None:
    with pytest.raises(AppStateError):
        phone.apply(patch, 0)


@given(
    changes=st.lists(
        st.tuples(st.sampled_from(["1@lid", "2@lid", "3@lid"]), st.sampled_from(["pin", "unpin", "remove"])),
        max_size=12,
    ),
    cut=st.integers(1, 4),
)
def test_a_snapshot_leads_to_the_same_state_as_all_patches(changes: list[tuple[str, str]], cut: int) -> None:
    phone = AppStateCollection("regular_low", Keyring(KEY))
    mutations = [
        unset(pin(jid)) if what == "remove" else pin(jid, pinned=what == "pin") for jid, what in changes
    ]
    for start in range(0, len(mutations), cut):
        phone.change(mutations[start : start + cut])
    snapshot = phone.snapshot()
    assert snapshot.version.version == phone.version == len(phone.patches)
    records = [
        decode_mutation(KEY, ServerSync.SyncdMutation(operation=ServerSync.SyncdMutation.SET, record=record))
        for record in snapshot.records
    ]
    assert {record.index: record.value for record in records} == phone.values()
    if phone.patches:
        assert snapshot.mac == phone.patches[-1].snapshotMAC
    companion = AppStateCollection("regular_low", Keyring(KEY))
    for patch in phone.patches:
        companion.apply(patch.SerializeToString(), companion.version)
    assert companion.values() == phone.values()


def test_after_a_rotation_a_change_is_under_the_new_key_and_takes_the_former_entry_away() -> None:
    keys = Keyring(KEY)
    phone = AppStateCollection("regular_low", keys)
    phone.change([pin(), pin("200@lid")])
    newer = SyncKey(b"\0\0\0\0\0\x02", bytes(32))
    keys.add(newer)
    patch = phone.change([pin(pinned=False)])
    assert newer.id == patch.keyID.ID
    assert [(each.operation, each.record.keyID.ID) for each in patch.mutations] == [
        (ServerSync.SyncdMutation.REMOVE, KEY.id),
        (ServerSync.SyncdMutation.SET, newer.id),
    ]
    assert {index: value.pinAction.pinned for index, value in phone.values().items()} == {
        ("pin_v1", ANN): False,
        ("pin_v1", "200@lid"): True,
    }
    assert {record.keyID.ID for record in phone.snapshot().records} == {KEY.id, newer.id}


@given(items=ITEMS)
def test_the_order_in_which_items_are_hashed_does_not_matter(items: list[bytes]) -> None:
    assert lthash(EMPTY_LTHASH, add=items) == lthash(EMPTY_LTHASH, add=reversed(items))


@given(before=ITEMS, changes=ITEMS)
def test_an_item_that_was_hashed_can_be_taken_away_again(before: list[bytes], changes: list[bytes]) -> None:
    base = lthash(EMPTY_LTHASH, add=before)
    added = lthash(base, add=changes)
    assert len(added) == LTHASH_LENGTH
    assert lthash(added, remove=changes) == base


def test_an_item_changes_the_hash() -> None:
    assert lthash(EMPTY_LTHASH, add=[bytes(32)]) != EMPTY_LTHASH
