from hypothesis import given
from hypothesis import strategies as st

from whatsapp_simulator.signal.xeddsa import (
    diffie_hellman,
    generate_private,
    public_key,
    sign,
    verify,
)

# Curve25519 vectors published with libsignal.
PRIVATE = bytes.fromhex("c097248412e58bf05df487968205132794178e367637f5818f81e0e6ce73e865")
PUBLIC = bytes.fromhex("ab7e717d4a163b7d9a1d8071dfe9dcf8cdcd1cea3339b6356be84d887e322c64")
MESSAGE = bytes.fromhex("05edce9d9c415ca78cb7252e72c2c4a554d3eb29485a0e1d503118d1a82d99fb4a")
SIGNATURE = bytes.fromhex(
    "5de88ca9a89b4a115da79109c67c9c7464a3e4180274f1cb8c63c2984e286dfb"
    "ede82deb9dcd9fae0bfbb821569b3d9001bd8130cd11d486cef047bd60b86e88"
)

keys = st.binary(min_size=32, max_size=32).map(lambda seed: generate_private(lambda _: seed))


def test_libsignals_vector_verifies() -> None:
    assert public_key(PRIVATE) == PUBLIC
    assert verify(PUBLIC, MESSAGE, SIGNATURE)


@given(private=keys, message=st.binary(max_size=200))
def test_a_signature_verifies_for_its_key_and_message(private: bytes, message: bytes) -> None:
    assert verify(public_key(private), message, sign(private, message))


@given(private=keys, message=st.binary(max_size=50), bit=st.integers(0, 511))
def test_one_flipped_bit_breaks_a_signature(private: bytes, message: bytes, bit: int) -> None:
    forged = bytearray(sign(private, message))
    forged[bit // 8] ^= 1 << bit % 8
    assert not verify(public_key(private), message, bytes(forged))


def test_a_signature_of_another_message_or_key_does_not_verify() -> None:
    signature = sign(PRIVATE, b"hello")
    assert not verify(PUBLIC, b"hullo", signature)
    assert not verify(public_key(generate_private()), b"hello", signature)


def test_a_key_or_signature_of_the_wrong_length_does_not_verify() -> None:
    assert not verify(PUBLIC[:31], MESSAGE, SIGNATURE)
    assert not verify(PUBLIC, MESSAGE, SIGNATURE + b"\0")


@given(ours=keys, theirs=keys)
def test_both_sides_agree_on_the_shared_secret(ours: bytes, theirs: bytes) -> None:
    assert diffie_hellman(ours, public_key(theirs)) == diffie_hellman(theirs, public_key(ours))


def test_seeded_randomness_gives_the_same_signature() -> None:
    def zeros(count: int) -> bytes:
        return bytes(count)

    assert sign(PRIVATE, b"hello", zeros) == sign(PRIVATE, b"hello", zeros)
    assert sign(PRIVATE, b"hello") != sign(PRIVATE, b"hello")
