"""A Signal session between two devices: X3DH for its start, then the double ratchet.

It follows version 3 of libsignal (WhatsApp has no post-quantum part): the responder's signed prekey is its
first ratchet key; every message has 8 bytes of HMAC over both identities and itself; keys of overtaken
messages are kept for a while; sessions replaced by a newer one can still decrypt. Sources:
https://signal.org/docs/specifications/x3dh/ and /doubleratchet/.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from whatsapp_simulator.signal.chain import Chain, DuplicateMessage
from whatsapp_simulator.signal.primitives import (
    decrypt_cbc,
    encrypt_cbc,
    equal,
    hkdf,
    hmac_sha256,
)
from whatsapp_simulator.signal.wire import (
    KEY_TYPE,
    VERSION,
    PreKeyMessage,
    SignalError,
    encode_bytes,
    encode_number,
    parse_fields,
    take_bytes,
    take_key,
    take_number,
    versioned,
)
from whatsapp_simulator.signal.xeddsa import (
    Random,
    diffie_hellman,
    generate_private,
    public_key,
    verify,
)

__all__ = [
    "DuplicateMessage",
    "IdentityKeyPair",
    "Kind",
    "PreKeyBundle",
    "Session",
    "UnknownBaseKey",
    "pad",
    "unpad",
]

Kind = Literal["pkmsg", "msg"]

_MAC_LENGTH = 8
_MAX_RECEIVING_CHAINS = 5
_MAX_OLD_STATES = 40
_X3DH_PREFIX = b"\xff" * 32


class UnknownBaseKey(SignalError):
    """A `pkmsg` starts another session than this one; pass it to `Session.accept`."""


@dataclass(frozen=True, slots=True)
class IdentityKeyPair:
    """An X25519 key pair (32 bytes each): a device's identity, or any other key of it."""

    private: bytes
    public: bytes

    @classmethod
    def generate(cls, random: Random = os.urandom) -> IdentityKeyPair:
        """A new pair."""
        private = generate_private(random)
        return cls(private, public_key(private))


@dataclass(frozen=True, slots=True)
class PreKeyBundle:
    """The published keys with which others can start a session with a device. Keys are 32 bytes."""

    registration_id: int
    identity: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None


@dataclass(slots=True)
class _State:
    """One ratchet. `receiving` is keyed by the other side's ratchet keys, oldest first."""

    ours: IdentityKeyPair
    theirs: bytes
    base_key: bytes
    root: bytes
    ratchet: IdentityKeyPair
    sending: Chain
    receiving: dict[bytes, Chain]
    previous_counter: int = 0
    unacknowledged: PreKeyMessage | None = None

    def encrypt(self, plaintext: bytes) -> bytes:
        counter = self.sending.index
        cipher_key, mac_key, iv = _message_keys(self.sending.advance())
        message = (
            VERSION
            + encode_bytes(1, KEY_TYPE + self.ratchet.public)
            + encode_number(2, counter)
            + encode_number(3, self.previous_counter)
            + encode_bytes(4, encrypt_cbc(cipher_key, iv, plaintext))
        )
        return message + _mac(mac_key, self.ours.public, self.theirs, message)

    def decrypt(self, data: bytes, random: Random) -> bytes:
        body, mac = versioned(data, _MAC_LENGTH)
        fields = parse_fields(body)
        their_ratchet = take_key(fields, 1)
        chain, next_root = self.receiving.get(their_ratchet), b""
        if chain is None:
            next_root, chain_key = _ratchet(self.root, self.ratchet, their_ratchet)
            chain = Chain(chain_key)
        message_key, chain = chain.upto(take_number(fields, 2))
        cipher_key, mac_key, iv = _message_keys(message_key)
        if not equal(mac, _mac(mac_key, self.theirs, self.ours.public, VERSION + body)):
            raise SignalError("bad MAC")
        try:
            plaintext = decrypt_cbc(cipher_key, iv, take_bytes(fields, 4))
        except ValueError as error:
            raise SignalError("bad ciphertext") from error
        # Only an authenticated message advances the ratchet.
        self.receiving[their_ratchet] = chain
        if next_root:
            self._step(next_root, their_ratchet, random)
        self.unacknowledged = None
        return plaintext

    def _step(self, root: bytes, their_ratchet: bytes, random: Random) -> None:
        self.ratchet = IdentityKeyPair.generate(random)
        self.root, chain_key = _ratchet(root, self.ratchet, their_ratchet)
        self.previous_counter = max(self.sending.index - 1, 0)
        self.sending = Chain(chain_key)
        while len(self.receiving) > _MAX_RECEIVING_CHAINS:
            del self.receiving[next(iter(self.receiving))]


class Session:
    """Our end of the session with one other device; see `initiate` and `accept`."""

    def __init__(self, state: _State, random: Random, old: list[_State]) -> None:
        self._states = [state, *old][: _MAX_OLD_STATES + 1]
        self._random = random

    @classmethod
    def initiate(
        cls,
        ours: IdentityKeyPair,
        registration_id: int,
        bundle: PreKeyBundle,
        *,
        replaces: Session | None = None,
        random: Random = os.urandom,
    ) -> Session:
        """Start a session from the other device's published keys.

        Args:
            ours: Our identity.
            registration_id: Our registration id.
            bundle: The other device's published keys.
            replaces: The previous session with that device; it can still decrypt.
            random: The source of keys.

        Raises:
            SignalError: The signature of the signed prekey is wrong.
        """
        signed = KEY_TYPE + bundle.signed_prekey
        if not verify(bundle.identity, signed, bundle.signed_prekey_signature):
            raise SignalError("bad signature of the signed prekey")
        base, ratchet = IdentityKeyPair.generate(random), IdentityKeyPair.generate(random)
        secret = (
            _X3DH_PREFIX
            + diffie_hellman(ours.private, bundle.signed_prekey)
            + diffie_hellman(base.private, bundle.identity)
            + diffie_hellman(base.private, bundle.signed_prekey)
            + (diffie_hellman(base.private, bundle.prekey) if bundle.prekey is not None else b"")
        )
        first_root, their_chain = _split(hkdf(secret, b"WhisperText", 64))
        root, our_chain = _ratchet(first_root, ratchet, bundle.signed_prekey)
        state = _State(
            ours=ours,
            theirs=bundle.identity,
            base_key=base.public,
            root=root,
            ratchet=ratchet,
            sending=Chain(our_chain),
            receiving={bundle.signed_prekey: Chain(their_chain)},
            unacknowledged=PreKeyMessage(
                registration_id, bundle.prekey_id, bundle.signed_prekey_id, base.public, ours.public, b""
            ),
        )
        return cls(state, random, replaces._states if replaces else [])

    @classmethod
    def accept(
        cls,
        ours: IdentityKeyPair,
        signed_prekeys: Mapping[int, bytes],
        prekeys: Mapping[int, bytes],
        message: bytes,
        *,
        replaces: Session | None = None,
        random: Random = os.urandom,
    ) -> tuple[Session, bytes]:
        """Create the session that a `pkmsg` starts, and decrypt its plaintext.

        The caller deletes the one-time prekey that it uses (`prekey_id`) afterwards.

        Args:
            ours: Our identity.
            signed_prekeys: Private signed prekeys by id.
            prekeys: Private one-time prekeys by id.
            message: The `pkmsg`.
            replaces: The previous session with that device; it can still decrypt.
            random: The source of keys.

        Raises:
            SignalError: Malformed, forged, or encrypted for a prekey that we do not have.
        """
        first = PreKeyMessage.decode(message)
        try:
            signed_prekey = signed_prekeys[first.signed_prekey_id]
            one_time = prekeys[first.prekey_id] if first.prekey_id is not None else None
        except KeyError as error:
            raise SignalError(f"no prekey {error.args[0]}") from error
        secret = (
            _X3DH_PREFIX
            + diffie_hellman(signed_prekey, first.identity)
            + diffie_hellman(ours.private, first.base_key)
            + diffie_hellman(signed_prekey, first.base_key)
            + (diffie_hellman(one_time, first.base_key) if one_time is not None else b"")
        )
        root, our_chain = _split(hkdf(secret, b"WhisperText", 64))
        state = _State(
            ours=ours,
            theirs=first.identity,
            base_key=first.base_key,
            root=root,
            ratchet=IdentityKeyPair(signed_prekey, public_key(signed_prekey)),
            sending=Chain(our_chain),
            receiving={},
        )
        plaintext = state.decrypt(first.message, random)
        return cls(state, random, replaces._states if replaces else []), plaintext

    def encrypt(self, plaintext: bytes) -> tuple[Kind, bytes]:
        """Encrypt for the other device: a `pkmsg` until it has answered, then a `msg`."""
        state = self._states[0]
        message = state.encrypt(plaintext)
        opening = state.unacknowledged
        if opening is None:
            return "msg", message
        return "pkmsg", replace(opening, message=message).encode()

    def decrypt(self, kind: Kind, message: bytes) -> bytes:
        """Decrypt what the other device sent, in any order.

        Raises:
            UnknownBaseKey: A `pkmsg` of another session than this one or the ones that it replaced.
            DuplicateMessage: It was decrypted before.
            SignalError: Malformed, forged, or too far ahead.
        """
        if kind == "msg":
            return self._decrypt(message, self._states)
        first = PreKeyMessage.decode(message)
        same = [state for state in self._states if state.base_key == first.base_key]
        if not same:
            raise UnknownBaseKey("the message starts another session")
        return self._decrypt(first.message, same)

    def _decrypt(self, message: bytes, states: list[_State]) -> bytes:
        failure: SignalError | None = None
        for state in states:
            try:
                plaintext = state.decrypt(message, self._random)
            except DuplicateMessage:
                raise
            except SignalError as error:
                failure = failure or error
                continue
            if state is not self._states[0]:
                self._states.remove(state)
                self._states.insert(0, state)
            return plaintext
        raise failure or SignalError("no session")


def pad(plaintext: bytes, random: Random = os.urandom) -> bytes:
    """Append 1 to 15 bytes that each contain their number, as WhatsApp does before encryption."""
    count = random(1)[0] % 15 + 1
    return plaintext + bytes([count]) * count


def unpad(padded: bytes) -> bytes:
    """Undo `pad`.

    Raises:
        SignalError: The padding is wrong.
    """
    count = padded[-1] if padded else 0
    if not 0 < count <= len(padded) or padded[-count:] != bytes([count]) * count:
        raise SignalError("bad padding")
    return padded[:-count]


def _ratchet(root: bytes, ours: IdentityKeyPair, theirs: bytes) -> tuple[bytes, bytes]:
    """The next root key and the chain key of a Diffie-Hellman step."""
    return _split(hkdf(diffie_hellman(ours.private, theirs), b"WhisperRatchet", 64, root))


def _message_keys(message_key: bytes) -> tuple[bytes, bytes, bytes]:
    """Cipher key, MAC key and IV of one message."""
    keys = hkdf(message_key, b"WhisperMessageKeys", 80)
    return keys[:32], keys[32:64], keys[64:]


def _mac(key: bytes, sender: bytes, receiver: bytes, message: bytes) -> bytes:
    return hmac_sha256(key, KEY_TYPE + sender + KEY_TYPE + receiver + message)[:_MAC_LENGTH]


def _split(keys: bytes) -> tuple[bytes, bytes]:
    return keys[:32], keys[32:]
