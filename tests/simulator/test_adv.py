import hashlib
import os
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.tables import for_each
from whatsapp_mcp.protobufs import Adv
from whatsapp_simulator.adv import (
    LinkCodePhone,
    LinkingError,
    parse_qr,
    sign_companion,
    verify_companion_signature,
)
from whatsapp_simulator.signal.primitives import hkdf, hmac_sha256
from whatsapp_simulator.signal.session import IdentityKeyPair
from whatsapp_simulator.signal.xeddsa import diffie_hellman, sign, verify

SECRET = bytes(range(32))


@pytest.fixture
def phone() -> IdentityKeyPair:
    return IdentityKeyPair.generate()


@pytest.fixture
def companion() -> IdentityKeyPair:
    return IdentityKeyPair.generate()


@pytest.mark.parametrize("prefix", ["", "https://wa.me/settings/linked_devices#"])
def test_a_qr_code_is_read_with_and_without_its_link(prefix: str) -> None:
    keys = [bytes([number]) * 32 for number in (1, 2, 3)]
    text = prefix + ",".join(["2@ref", *(b64encode(key).decode() for key in keys), "6"])
    code = parse_qr(text)
    assert code.ref == "2@ref"
    assert [code.noise_public, code.identity_public, code.adv_secret] == keys


@for_each("text", ["", "hello", "ref,!!,!!,!!,1", "ref,YQ==,YQ==,YQ==,1"])
def test_any_other_text_is_no_qr_code(text: str) -> None:
    with pytest.raises(LinkingError):
        parse_qr(text)


def test_the_phone_signs_the_companion_and_proves_that_it_scanned(
    phone: IdentityKeyPair, companion: IdentityKeyPair
) -> None:
    signed = Adv.ADVSignedDeviceIdentityHMAC.FromString(
        sign_companion(phone, companion.public, SECRET, raw_id=3, timestamp=1_700_000_000, key_index=2)
    )
    assert hmac_sha256(SECRET, signed.details) == signed.HMAC
    identity = Adv.ADVSignedDeviceIdentity.FromString(signed.details)
    assert identity.accountSignatureKey == phone.public
    message = b"\x06\x00" + identity.details + companion.public
    assert verify(phone.public, message, identity.accountSignature)
    details = Adv.ADVDeviceIdentity.FromString(identity.details)
    assert (details.rawID, details.timestamp, details.keyIndex) == (3, 1_700_000_000, 2)


def signed_by_both(phone: IdentityKeyPair, companion: IdentityKeyPair) -> bytes:
    """The companion's ADVSignedDeviceIdentity, made from the phone's signature."""
    vouched = sign_companion(phone, companion.public, SECRET, raw_id=3, timestamp=1, key_index=2)
    proven = Adv.ADVSignedDeviceIdentityHMAC.FromString(vouched)
    identity = Adv.ADVSignedDeviceIdentity.FromString(proven.details)
    message = b"\x06\x01" + identity.details + companion.public + phone.public
    identity.deviceSignature = sign(companion.private, message)
    return identity.SerializeToString()


def test_a_companions_identity_is_signed_by_the_account_and_by_itself(
    phone: IdentityKeyPair, companion: IdentityKeyPair
) -> None:
    signed = signed_by_both(phone, companion)
    assert verify_companion_signature(signed, companion.public, phone.public)
    stranger = IdentityKeyPair.generate().public
    assert not verify_companion_signature(signed, stranger, phone.public)
    assert not verify_companion_signature(signed, companion.public, stranger)


def test_an_identity_that_the_companion_did_not_sign_is_refused(
    phone: IdentityKeyPair, companion: IdentityKeyPair
) -> None:
    signed = signed_by_both(phone, companion)
    identity = Adv.ADVSignedDeviceIdentity.FromString(signed)
    identity.deviceSignature = bytes(64)
    assert not verify_companion_signature(identity.SerializeToString(), companion.public, phone.public)


class CompanionByCode:
    """The companion's half of linking with a pairing code."""

    def __init__(self, identity: IdentityKeyPair, code: str) -> None:
        self.identity = identity
        self.code = code.encode()
        self.ephemeral = IdentityKeyPair.generate()
        self.secret_part = os.urandom(32)

    def stretched(self, salt: bytes, iv: bytes, data: bytes) -> bytes:
        key = hashlib.pbkdf2_hmac("sha256", self.code, salt, 131_072, 32)
        return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)

    def hello(self) -> bytes:
        salt, iv = os.urandom(32), os.urandom(16)
        return salt + iv + self.stretched(salt, iv, self.ephemeral.public)

    def finish(self, wrapped: bytes, phone_identity: bytes) -> tuple[bytes, bytes]:
        """The key bundle, and the ADV secret derived from it."""
        primary = self.stretched(wrapped[:32], wrapped[32:48], wrapped[48:])
        shared = diffie_hellman(self.ephemeral.private, primary)
        salt, nonce = os.urandom(32), os.urandom(12)
        key = hkdf(shared, b"link_code_pairing_key_bundle_encryption_key", 32, salt)
        bundle = self.identity.public + phone_identity + self.secret_part
        between = diffie_hellman(self.identity.private, phone_identity)
        secret = hkdf(shared + between + self.secret_part, b"adv_secret", 32)
        return salt + nonce + AESGCM(key).encrypt(nonce, bundle, None), secret


def test_phone_and_companion_agree_on_the_secret_by_code(
    phone: IdentityKeyPair, companion: IdentityKeyPair
) -> None:
    theirs = CompanionByCode(companion, "ABCD1234")
    ours = LinkCodePhone(phone, "ABCD-1234")
    bundle, secret = theirs.finish(ours.hello(theirs.hello()), phone.public)
    assert ours.finish(bundle, companion.public) == secret


def test_a_mistyped_code_is_detected(phone: IdentityKeyPair, companion: IdentityKeyPair) -> None:
    theirs = CompanionByCode(companion, "ABCD1234")
    ours = LinkCodePhone(phone, "ABCD1235")
    bundle, _ = theirs.finish(ours.hello(theirs.hello()), phone.public)
    with pytest.raises(LinkingError, match="code is wrong"):
        ours.finish(bundle, companion.public)


def test_a_bundle_for_another_phone_is_refused(phone: IdentityKeyPair, companion: IdentityKeyPair) -> None:
    theirs = CompanionByCode(companion, "ABCD1234")
    ours = LinkCodePhone(phone, "ABCD1234")
    bundle, _ = theirs.finish(ours.hello(theirs.hello()), IdentityKeyPair.generate().public)
    with pytest.raises(LinkingError, match="other identities"):
        ours.finish(bundle, companion.public)
