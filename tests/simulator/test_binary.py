"""The stanza codec, by properties."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.jid import Jid
from whatsapp_simulator.binary import SERVER, MalformedStanza, Node, decode, encode

_words = st.one_of(
    st.text(min_size=1, max_size=300),
    st.sampled_from(["message", "iq", "s.whatsapp.net", "receipt", "read", "w:g2", "participating"]),
    st.text("0123456789-.", min_size=1, max_size=300),
    st.text("0123456789ABCDEF", min_size=1, max_size=300),
)
_jids = st.one_of(
    st.just(SERVER),
    st.builds(
        Jid, st.text("0123456789", min_size=1, max_size=15), st.sampled_from(["s.whatsapp.net", "lid"])
    ),
    st.builds(
        Jid,
        st.text("0123456789", min_size=1, max_size=15),
        st.sampled_from(["s.whatsapp.net", "lid", "hosted", "hosted.lid"]),
        st.integers(0, 255),
    ),
    st.builds(Jid, st.text("0123456789-", min_size=1, max_size=20), st.sampled_from(["g.us", "newsletter"])),
)
_attrs = st.dictionaries(_words, st.one_of(_words, _jids), max_size=5)
_leaves = st.builds(Node, _words, _attrs, st.one_of(st.none(), st.binary(max_size=400)))
_nodes = st.recursive(
    _leaves,
    lambda inner: st.builds(Node, _words, _attrs, st.lists(inner, min_size=1, max_size=4)),
    max_leaves=8,
)


@given(_nodes)
def test_a_node_comes_back_as_it_was(node: Node) -> None:
    assert decode(encode(node)) == node


@given(_nodes)
@settings(max_examples=examples(30))
def test_a_stanza_above_the_limit_is_compressed(node: Node) -> None:
    size = len(encode(node))
    assert encode(node, compress_above=size) == encode(node)
    compressed = encode(node, compress_above=size - 1)
    assert compressed[0] == 2
    assert decode(compressed) == node


@given(st.binary(max_size=200))
def test_any_other_bytes_are_malformed_and_nothing_worse(data: bytes) -> None:
    with suppress(MalformedStanza):
        decode(data)


@given(_nodes, st.data())
def test_a_stanza_that_is_cut_short_is_malformed(node: Node, data: st.DataObject) -> None:
    stanza = encode(node)
    size = data.draw(st.integers(0, len(stanza) - 1))
    with pytest.raises(MalformedStanza):
        decode(stanza[:size])


@for_each("size", [255, 256, 65_536, (1 << 20) - 1, 1 << 20])
def test_content_of_any_size_comes_back(size: int) -> None:
    node = Node("enc", {}, bytes(size))
    assert decode(encode(node)) == node


def test_a_long_list_comes_back() -> None:
    node = Node("list", {}, [Node("item", {"id": number}) for number in range(300)])
    assert decode(encode(node)) == node


@pytest.mark.parametrize(
    ("node", "stanza"),
    [
        (Node("iq"), "00f80119"),
        (Node("iq", {"type": "get"}), "00f803190431"),
    ],
)
def test_frequent_words_are_tokens(node: Node, stanza: str) -> None:
    assert encode(node)[:4].hex() == stanza[:8]
    assert len(encode(node)) == len(stanza) // 2
