from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_simulator.media_crypto import KindInfo, MediaError, decrypt, encrypt

KINDS: tuple[KindInfo, ...] = get_args(KindInfo)


@given(kind=st.sampled_from(KINDS), plaintext=st.binary(max_size=300))
def test_a_blob_decrypts_with_its_key_and_hashes(kind: KindInfo, plaintext: bytes) -> None:
    media = encrypt(kind, plaintext)
    assert media.file_length == len(plaintext)
    assert len(media.ciphertext_with_mac) == len(plaintext) // 16 * 16 + 16 + 10
    decrypted = decrypt(
        kind,
        media.ciphertext_with_mac,
        media.media_key,
        file_sha256=media.file_sha256,
        file_enc_sha256=media.file_enc_sha256,
    )
    assert decrypted == plaintext


def test_the_keys_of_each_kind_differ() -> None:
    blobs = {encrypt(kind, b"x", bytes(32)).ciphertext_with_mac for kind in KINDS}
    assert len(blobs) == len(KINDS)


@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_corrupted_blob_is_detected_by_its_mac(position: int) -> None:
    media = encrypt("WhatsApp Image Keys", bytes(100))
    corrupted = bytearray(media.ciphertext_with_mac)
    corrupted[position] ^= 1
    with pytest.raises(MediaError, match="MAC"):
        decrypt("WhatsApp Image Keys", bytes(corrupted), media.media_key)


def test_wrong_hashes_are_rejected() -> None:
    media = encrypt("WhatsApp Image Keys", b"x")
    with pytest.raises(MediaError, match="ciphertext"):
        decrypt("WhatsApp Image Keys", media.ciphertext_with_mac, media.media_key, file_enc_sha256=bytes(32))
    with pytest.raises(MediaError, match="plaintext"):
        decrypt("WhatsApp Image Keys", media.ciphertext_with_mac, media.media_key, file_sha256=bytes(32))


@pytest.mark.parametrize("blob", [b"", b"short", bytes(10)])
def test_a_blob_that_is_too_short_is_refused(blob: bytes) -> None:
    with pytest.raises(MediaError):
        decrypt("WhatsApp Image Keys", blob, bytes(32))
