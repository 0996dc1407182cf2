"""Protocol buffers without a schema: what was written is read, and what lies is refused."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.imports.backups.protobuf import field
from tests.tables import for_each
from whatsapp_mcp.features.imports.foreign.iphone import blobs, wire

_NUMBERS = st.integers(1, (1 << 29) - 1)
_VALUES = st.one_of(st.integers(0, (1 << 64) - 1), st.binary(max_size=200))


@given(st.lists(st.tuples(_NUMBERS, _VALUES), max_size=20))
def test_fields_are_read_as_they_were_written(message: list[wire.Field]) -> None:
    assert wire.fields(b"".join(field(number, value) for number, value in message)) == message


def test_fields_of_fixed_width_are_read() -> None:
    assert wire.fields(b"\x09" + b"\x01" * 8 + b"\x15" + b"\x02" * 4) == [(1, b"\x01" * 8), (2, b"\x02" * 4)]


@for_each(
    "blob",
    [
        b"\x08",
        b"\x08\x80",
        b"\x08" + b"\x80" * 10 + b"\x01",
        b"\x12\x05abc",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0b\x0c",
        b"\x0e",
        b"\x0f",
        b"\x00\x01",
        b"\x11\x00",
        b"\x08\x01" * 20_001,
        bytes(wire.MOST_BYTES + 1),
    ],
)
def test_a_message_that_lies_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match=r"field|number|message"):
        wire.fields(blob)


@given(
    st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda inner: field(7, field(1, inner))))
)
def test_nothing_in_a_blob_does_more_than_be_refused(blob: bytes) -> None:
    for read in (
        blobs.quote,
        blobs.keys,
        partial(blobs.reactions, at_ms=0),
        partial(blobs.poll, at_ms=0),
    ):
        with suppress(ValueError):
            read(blob)
