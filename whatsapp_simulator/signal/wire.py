"""The encoding of Signal's messages: a version byte, a small protobuf, then a MAC or a signature.

The protobufs have only a few varint and bytes fields, so they are encoded and decoded here without a library.
Public keys are prefixed with the key type byte 05. The version byte 0x33 means: created by version 3,
requires at least version 3.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = b"\x33"
KEY_TYPE = b"\x05"


class SignalError(Exception):
    """A message cannot be decrypted: it is malformed, forged, or belongs to an unknown session."""


def encode_varint(number: int) -> bytes:
    """Protobuf's base-128 form of a number >= 0."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode_number(field: int, number: int) -> bytes:
    """One varint field."""
    return encode_varint(field << 3) + encode_varint(number)


def encode_bytes(field: int, data: bytes) -> bytes:
    """One length-delimited field."""
    return encode_varint(field << 3 | 2) + encode_varint(len(data)) + data


def parse_fields(data: bytes) -> dict[int, int | bytes]:
    """Field numbers with their last value; only varints and length-delimited fields.

    Raises:
        SignalError: Truncated, or a wire type that Signal does not use.
    """
    fields: dict[int, int | bytes] = {}
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        value, position = _read_varint(data, position)
        if key & 7 == 0:
            fields[key >> 3] = value
        elif key & 7 == 2 and position + value <= len(data):
            fields[key >> 3] = data[position : position + value]
            position += value
        else:
            raise SignalError("malformed protobuf")
    return fields


def take_bytes(fields: dict[int, int | bytes], field: int) -> bytes:
    """A required bytes field.

    Raises:
        SignalError: It is missing or a number.
    """
    value = fields.get(field)
    if not isinstance(value, bytes):
        raise SignalError(f"field {field} is missing")
    return value


def take_number(fields: dict[int, int | bytes], field: int) -> int:
    """A varint field, 0 if it is missing.

    Raises:
        SignalError: It contains bytes.
    """
    value = fields.get(field, 0)
    if not isinstance(value, int):
        raise SignalError(f"field {field} is not a number")
    return value


def take_key(fields: dict[int, int | bytes], field: int) -> bytes:
    """A required public key, without its type byte.

    Raises:
        SignalError: It is missing or not a Curve25519 key.
    """
    return untyped_key(take_bytes(fields, field))


def untyped_key(key: bytes) -> bytes:
    """Remove the key type byte of a public key.

    Raises:
        SignalError: It is not a Curve25519 key.
    """
    if len(key) != 33 or key[:1] != KEY_TYPE:
        raise SignalError("not a Curve25519 public key")
    return key[1:]


def versioned(data: bytes, trailer: int) -> tuple[bytes, bytes]:
    """Split a message into its protobuf and the MAC or signature of `trailer` bytes after it.

    Raises:
        SignalError: Too short, or not version 3.
    """
    if len(data) < 1 + trailer or data[:1] != VERSION:
        raise SignalError("not a version 3 message")
    end = len(data) - trailer
    return data[1:end], data[end:]


@dataclass(frozen=True, slots=True)
class PreKeyMessage:
    """The first messages of a session: a plain message, and the keys that start the session."""

    registration_id: int
    prekey_id: int | None
    signed_prekey_id: int
    base_key: bytes
    identity: bytes
    message: bytes

    def encode(self) -> bytes:
        """Version byte and protobuf."""
        return (
            VERSION
            + encode_number(5, self.registration_id)
            + (b"" if self.prekey_id is None else encode_number(1, self.prekey_id))
            + encode_number(6, self.signed_prekey_id)
            + encode_bytes(2, KEY_TYPE + self.base_key)
            + encode_bytes(3, KEY_TYPE + self.identity)
            + encode_bytes(4, self.message)
        )

    @classmethod
    def decode(cls, data: bytes) -> PreKeyMessage:
        """Decode a `pkmsg`.

        Raises:
            SignalError: Malformed.
        """
        fields = parse_fields(versioned(data, 0)[0])
        return cls(
            registration_id=take_number(fields, 5),
            prekey_id=take_number(fields, 1) if 1 in fields else None,
            signed_prekey_id=take_number(fields, 6),
            base_key=take_key(fields, 2),
            identity=take_key(fields, 3),
            message=take_bytes(fields, 4),
        )


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise SignalError("malformed varint")
