"""App state ("syncd"): encrypted key-value collections that the phone and its companions share.

Patches change a collection. Each patch is a list of mutations encrypted with one shared key, with two MACs:
one over the resulting state (by LTHash), one over the patch itself. The server sees neither index nor value.
Anybody with the key can create and verify patches.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from google.protobuf.message import DecodeError

from whatsapp_mcp.protobufs import ServerSync, SyncAction
from whatsapp_simulator.signal.primitives import (
    decrypt_cbc,
    encrypt_cbc,
    equal,
    hkdf,
    hmac_sha256,
)
from whatsapp_simulator.signal.xeddsa import Random

CollectionName = Literal["critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low"]

_MAC_LENGTH = 32
_IV_LENGTH = 16
_SET = ServerSync.SyncdMutation.SET
_REMOVE = ServerSync.SyncdMutation.REMOVE
LTHASH_LENGTH = 128
EMPTY_LTHASH = bytes(LTHASH_LENGTH)
"""The hash of the empty set."""
_NUMBERS = struct.Struct("<64H")


class AppStateError(Exception):
    """A patch is malformed, encrypted with an unknown key, or has a wrong MAC."""


class AppStateConflict(AppStateError):
    """A patch is based on another version than the current one."""


@dataclass(frozen=True)
class SyncKey:
    """A key that the phone shares with its companions.

    Attributes:
        id: Six bytes: two identify the device that created it, four are a counter.
        data: 32 bytes.
        made_at: Milliseconds since 1970; companions use the latest key.
    """

    id: bytes
    data: bytes
    made_at: int = 0

    @cached_property
    def _derived(self) -> bytes:
        return hkdf(self.data, b"WhatsApp Mutation Keys", 160)

    @property
    def index_key(self) -> bytes:
        """The key of index MACs."""
        return self._derived[:32]

    @property
    def value_key(self) -> bytes:
        """The key that encrypts values."""
        return self._derived[32:64]

    @property
    def value_mac_key(self) -> bytes:
        """The key of value MACs."""
        return self._derived[64:96]

    @property
    def snapshot_mac_key(self) -> bytes:
        """The key of a state's MAC."""
        return self._derived[96:128]

    @property
    def patch_mac_key(self) -> bytes:
        """The key of a patch's MAC."""
        return self._derived[128:]


class Keyring:
    """The keys of one account, oldest first; the newest one encrypts."""

    def __init__(self, first: SyncKey) -> None:
        self._keys = {first.id: first}

    @property
    def newest(self) -> SyncKey:
        """The key in use."""
        return next(reversed(self._keys.values()))

    def add(self, key: SyncKey) -> None:
        """Start using another key; earlier keys still decrypt."""
        self._keys[key.id] = key

    def find(self, key_id: bytes) -> SyncKey:
        """The key with that id.

        Raises:
            AppStateError: There is no such key.
        """
        if key_id not in self._keys:
            raise AppStateError(f"unknown key {key_id.hex()}")
        return self._keys[key_id]

    def __iter__(self) -> Iterator[SyncKey]:
        return iter(self._keys.values())


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: sets `index` (such as `("mute", jid)`) to `value`, or removes it.

    `version` is the format version of that kind of action, not the version of the collection.
    """

    index: tuple[str, ...]
    value: SyncAction.SyncActionValue
    version: int
    remove: bool = False


def encode_mutation(
    key: SyncKey, mutation: Mutation, random: Random = os.urandom
) -> ServerSync.SyncdMutation:
    """Encrypt one mutation."""
    index = json.dumps(mutation.index, separators=(",", ":"), ensure_ascii=False).encode()
    data = SyncAction.SyncActionData(
        index=index, value=mutation.value, padding=b"", version=mutation.version
    ).SerializeToString()
    iv = random(_IV_LENGTH)
    content = iv + encrypt_cbc(key.value_key, iv, data)
    operation = _REMOVE if mutation.remove else _SET
    return ServerSync.SyncdMutation(
        operation=operation,
        record=ServerSync.SyncdRecord(
            index=ServerSync.SyncdIndex(blob=hmac_sha256(key.index_key, index)),
            value=ServerSync.SyncdValue(blob=content + _content_mac(key, operation, content)),
            keyID=ServerSync.KeyId(ID=key.id),
        ),
    )


def decode_mutation(key: SyncKey, encrypted: ServerSync.SyncdMutation) -> Mutation:
    """Decrypt one mutation and verify its two MACs.

    Raises:
        AppStateError: Malformed, encrypted with another key, or a MAC is wrong.
    """
    record = encrypted.record
    if key.id != record.keyID.ID:
        raise AppStateError(f"unknown key {record.keyID.ID.hex()}")
    content, mac = record.value.blob[:-_MAC_LENGTH], record.value.blob[-_MAC_LENGTH:]
    if not equal(mac, _content_mac(key, encrypted.operation, content)):
        raise AppStateError("wrong value MAC")
    try:
        plaintext = decrypt_cbc(key.value_key, content[:_IV_LENGTH], content[_IV_LENGTH:])
        data = SyncAction.SyncActionData.FromString(plaintext)
        index: tuple[str, ...] = tuple(json.loads(data.index))
    except (ValueError, DecodeError) as error:
        raise AppStateError("malformed mutation") from error
    if not equal(record.index.blob, hmac_sha256(key.index_key, data.index)):
        raise AppStateError("wrong index MAC")
    return Mutation(index, data.value, data.version, remove=encrypted.operation == _REMOVE)


@dataclass(frozen=True, slots=True)
class _Entry:
    record: ServerSync.SyncdRecord
    mutation: Mutation

    @property
    def value_mac(self) -> bytes:
        return self.record.value.blob[-_MAC_LENGTH:]


class AppStateCollection:
    """One collection as the phone and the server store it: current entries, and all patches so far."""

    def __init__(self, name: CollectionName, keys: Keyring, random: Random = os.urandom) -> None:
        self.name: CollectionName = name
        self.version = 0
        self.patches: list[ServerSync.SyncdPatch] = []
        """Patch `n - 1` leads to version `n`."""
        self._keys = keys
        self._random = random
        self._hash = EMPTY_LTHASH
        self._entries: dict[bytes, _Entry] = {}

    def get(self, *index: str) -> SyncAction.SyncActionValue | None:
        """The current value of an index such as `"mute", jid`."""
        for entry in reversed(self._entries.values()):
            if entry.mutation.index == index:
                return entry.mutation.value
        return None

    def values(self) -> dict[tuple[str, ...], SyncAction.SyncActionValue]:
        """All current values by index."""
        return {entry.mutation.index: entry.mutation.value for entry in self._entries.values()}

    def change(self, mutations: Sequence[Mutation]) -> ServerSync.SyncdPatch:
        """Make a change on the phone; return the patch for the companions.

        The MAC that identifies an entry depends on the key, so an entry under an earlier key is removed.
        """
        key = self._keys.newest
        superseded = self._under_older_keys({mutation.index for mutation in mutations})
        encrypted = [
            *(encode_mutation(old, mutation, self._random) for old, mutation in superseded),
            *(encode_mutation(key, mutation, self._random) for mutation in mutations),
        ]
        state, _ = self._after(encrypted)
        patch = ServerSync.SyncdPatch(
            mutations=encrypted,
            snapshotMAC=self._snapshot_mac(key, state, self.version + 1),
            keyID=ServerSync.KeyId(ID=key.id),
        )
        patch.patchMAC = self._patch_mac(key, patch, self.version + 1)
        self._apply(patch)
        return patch

    def apply(self, patch: bytes, base_version: int) -> list[Mutation]:
        """Verify and apply a companion's patch.

        Args:
            patch: A SyncdPatch.
            base_version: The version on which the patch is based.

        Returns:
            The mutations of the patch.

        Raises:
            AppStateConflict: `base_version` is not the current version.
            AppStateError: Malformed, encrypted with an unknown key, or a MAC is wrong; nothing changes.
        """
        if base_version != self.version:
            raise AppStateConflict(f"{self.name} is at version {self.version}, not {base_version}")
        try:
            parsed = ServerSync.SyncdPatch.FromString(patch)
        except DecodeError as error:
            raise AppStateError("malformed patch") from error
        return self._apply(parsed)

    def snapshot(self) -> ServerSync.SyncdSnapshot:
        """The whole current state, for a companion that has none."""
        return ServerSync.SyncdSnapshot(
            version=ServerSync.SyncdVersion(version=self.version),
            records=[entry.record for entry in self._entries.values()],
            mac=self._snapshot_mac(self._keys.newest, self._hash, self.version),
            keyID=ServerSync.KeyId(ID=self._keys.newest.id),
        )

    def _under_older_keys(self, indexes: set[tuple[str, ...]]) -> list[tuple[SyncKey, Mutation]]:
        """Mutations that remove the entries of `indexes` stored under an earlier key."""
        entries = [entry for entry in self._entries.values() if entry.mutation.index in indexes]
        keys = [self._keys.find(entry.record.keyID.ID) for entry in entries]
        return [
            (key, replace(entry.mutation, remove=True))
            for key, entry in zip(keys, entries, strict=True)
            if key is not self._keys.newest
        ]

    def _apply(self, patch: ServerSync.SyncdPatch) -> list[Mutation]:
        version = self.version + 1
        key = self._keys.find(patch.keyID.ID)
        mutations = [self._decode(mutation) for mutation in patch.mutations]
        state, entries = self._after(patch.mutations)
        if not equal(patch.snapshotMAC, self._snapshot_mac(key, state, version)):
            raise AppStateError("wrong snapshot MAC")
        if not equal(patch.patchMAC, self._patch_mac(key, patch, version)):
            raise AppStateError("wrong patch MAC")
        patch.version.version = version
        self.version, self._hash, self._entries = version, state, entries
        self.patches.append(patch)
        return mutations

    def _after(self, mutations: Sequence[ServerSync.SyncdMutation]) -> tuple[bytes, dict[bytes, _Entry]]:
        """Hash and entries after `mutations` are applied."""
        entries = dict(self._entries)
        removed: list[bytes] = []
        added: list[bytes] = []
        for mutation in mutations:
            before = entries.pop(mutation.record.index.blob, None)
            if before is not None:
                removed.append(before.value_mac)
            if mutation.operation == _SET:
                entry = _Entry(mutation.record, self._decode(mutation))
                entries[mutation.record.index.blob] = entry
                added.append(entry.value_mac)
        return lthash(self._hash, remove=removed, add=added), entries

    def _decode(self, mutation: ServerSync.SyncdMutation) -> Mutation:
        return decode_mutation(self._keys.find(mutation.record.keyID.ID), mutation)

    def _snapshot_mac(self, key: SyncKey, state: bytes, version: int) -> bytes:
        return hmac_sha256(key.snapshot_mac_key, state + version.to_bytes(8) + self.name.encode())

    def _patch_mac(self, key: SyncKey, patch: ServerSync.SyncdPatch, version: int) -> bytes:
        values = b"".join(mutation.record.value.blob[-_MAC_LENGTH:] for mutation in patch.mutations)
        data = patch.snapshotMAC + values + version.to_bytes(8) + self.name.encode()
        return hmac_sha256(key.patch_mac_key, data)


def _content_mac(key: SyncKey, operation: int, content: bytes) -> bytes:
    data = bytes([operation + 1]) + key.id + content + (len(key.id) + 1).to_bytes(8)
    return hmac.digest(key.value_mac_key, data, "sha512")[:_MAC_LENGTH]


def lthash(base: bytes, *, remove: Iterable[bytes] = (), add: Iterable[bytes] = ()) -> bytes:
    """The hash (128 bytes) of a set after items were removed and added; their order does not matter.

    WhatsApp keeps one over the value MACs of each app state collection, so that the phone and its companions
    can check that they hold the same state without comparing it. An item is expanded to 64 little-endian
    16-bit numbers, which are added to (or subtracted from) those of the hash, each modulo 2**16.
    """
    numbers = list(_NUMBERS.unpack(base))
    for items, sign in ((remove, -1), (add, 1)):
        for item in items:
            stretched = _NUMBERS.unpack(hkdf(item, b"WhatsApp Patch Integrity", LTHASH_LENGTH))
            numbers = [number + sign * part for number, part in zip(numbers, stretched, strict=True)]
    return _NUMBERS.pack(*(number & 0xFFFF for number in numbers))
