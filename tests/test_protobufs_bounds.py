"""The estimate of what a protobuf would take: never far too little, and enough for all that is honest."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.device import bombs
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize, Web
from whatsapp_mcp.protobufs.bounded import OverBounds, parsed, spans, weigh

MESSAGE = ev.message("A1", "hello" * 400)
KINDS = (Neonize.Message, Neonize.HistorySync, E2E.Message, Web.WebMessageInfo)


def test_what_is_within_the_bounds_is_parsed_as_it_is() -> None:
    assert parsed(Neonize.Message, MESSAGE.payload) == Neonize.Message.FromString(MESSAGE.payload)


@pytest.mark.parametrize("bomb", [bombs.options, bombs.mentions])
def test_what_would_take_too_much_is_not_parsed(bomb: Any) -> None:
    with pytest.raises(OverBounds):
        parsed(Neonize.Message, bomb(2 * bombs.MEBIBYTE).payload)


def test_packed_numbers_count_as_what_they_become() -> None:
    keys = E2E.AppStateSyncKeyFingerprint(deviceIndexes=[1] * 100_000)
    assert weigh(E2E.AppStateSyncKeyFingerprint.DESCRIPTOR, keys.SerializeToString()) > 800_000


def test_a_message_that_lies_too_deep_is_not_parsed() -> None:
    with pytest.raises(OverBounds, match="too deep"):
        parsed(Neonize.Message, bombs.quotes(200).payload)


@given(st.sampled_from(KINDS), st.binary(max_size=60))
def test_whatever_comes_is_weighed_or_refused_as_no_protobuf(kind: Any, data: bytes) -> None:
    try:
        weigh(kind.DESCRIPTOR, data)
    except DecodeError:
        return
    assert [span.end for span in spans(data, 0, len(data))][-1:] in ([], [len(data)])


@given(st.binary(max_size=60))
def test_whatever_protobuf_itself_takes_is_taken(data: bytes) -> None:
    try:
        HistorySync.Conversation.FromString(data)
    except DecodeError:
        return
    weigh(HistorySync.Conversation.DESCRIPTOR, data)


def test_a_number_without_an_end_is_refused_at_once() -> None:
    for data in (b"\xff" * bombs.MEBIBYTE, b"\x0a" + b"\xff" * bombs.MEBIBYTE):
        with pytest.raises(DecodeError):
            parsed(E2E.Message, data)
