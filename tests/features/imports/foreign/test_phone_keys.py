"""The keys of an encrypted backup: opened by its password, refused by name where they are damaged."""

from __future__ import annotations

import io
import plistlib
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from tests.features.imports.backups.phone import keybag, record
from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.features.imports.foreign.phone_files import keys
from whatsapp_mcp.features.imports.foreign.phone_files.keys import Keys

CLASS_KEY, LIST_KEY, FILE_KEY = (bytes([number]) * 32 for number in (1, 2, 3))
BAG = keybag("horse", rounds=10, key=CLASS_KEY)
WRAPPED = struct.pack("<l", 3) + aes_key_wrap(CLASS_KEY, LIST_KEY)


def properties(**values: Any) -> io.BytesIO:
    """A `Manifest.plist`; a value of None is left out."""
    found = {"IsEncrypted": True, "BackupKeyBag": BAG, "ManifestKey": WRAPPED} | values
    return io.BytesIO(
        plistlib.dumps(
            {key: value for key, value in found.items() if value is not None}, fmt=plistlib.FMT_BINARY
        )
    )


def opened() -> Keys:
    """The keys of a backup."""
    return Keys(properties(), b"horse")


def test_a_password_opens_the_key_of_the_list() -> None:
    assert opened().manifest == LIST_KEY


def test_a_record_of_a_file_has_its_key_and_that_of_an_empty_one_has_none() -> None:
    made = record("a", b"x", FILE_KEY).replace(
        aes_key_wrap(bytes(range(32)), FILE_KEY), aes_key_wrap(CLASS_KEY, FILE_KEY)
    )
    assert opened().of(made) == FILE_KEY
    assert opened().of(record("a", b"", None)) is None


def test_another_password_is_told_as_such() -> None:
    with pytest.raises(InvalidArgument, match="The password does not fit"):
        Keys(properties(), b"cow")


@for_each(
    "values",
    [
        {"BackupKeyBag": None},
        {"BackupKeyBag": 7},
        {"BackupKeyBag": b""},
        {"BackupKeyBag": BAG[:180]},
        {"BackupKeyBag": BAG[:-30]},
        {"BackupKeyBag": BAG.replace(struct.pack(">L", 10), b"\xff\xff\xff\xff")},
        {"BackupKeyBag": BAG.replace(b"ITER", b"XXXX")},
        {"ManifestKey": None},
        {"ManifestKey": "text"},
        {"ManifestKey": WRAPPED[:-1]},
        {"ManifestKey": b"\7\0\0\0" + WRAPPED[4:]},
        {"ManifestKey": WRAPPED[:4] + bytes(40)},
    ],
)
def test_what_is_damaged_is_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"damaged|does not fit"):
        Keys(properties(**values), b"horse")


@for_each(
    "content",
    [b"", b"x", b"bplist00 and nothing", b"<plist>" + b"<array>" * 50_000, b"<?xml version='1.0'?><a"],
)
def test_what_is_no_list_of_properties_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(InvalidArgument, match="damaged"):
        Keys(io.BytesIO(content), b"horse")


@given(st.one_of(st.binary(max_size=80), st.none(), st.integers(), st.text()))
def test_nothing_in_a_record_does_more_than_be_refused(content: object) -> None:
    with pytest.raises(InvalidArgument, match="damaged"):
        opened().of(content)


@given(
    st.dictionaries(
        st.sampled_from(["$objects", "$top", "root"]), st.one_of(st.integers(0, 99), st.lists(st.text()))
    )
)
def test_a_record_of_another_form_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="damaged"):
        opened().of(plistlib.dumps(content, fmt=plistlib.FMT_BINARY))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_AVAILABLE", False)
    with pytest.raises(Unsupported, match="extra `iphone`"):
        opened()
    keys.rehearse()
