"""Stanzas: WhatsApp's binary form of XML.

A stanza is a flag byte (0, or 2 when zlib-compressed) and one node. A node is a list of
`1 + 2 * attributes + (1 if it has content)` items: tag, key and value of each attribute, content.
Frequent words are tokens of a fixed dictionary (`tokens.json`), digits are packed two to a byte.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from whatsapp_mcp.jid import LID_SERVER, USER_SERVER, Jid

SERVER = Jid("", USER_SERVER)
"""The address of WhatsApp's servers, the `from` of most answers to queries."""

_LIST_EMPTY, _LIST_8, _LIST_16 = 0, 248, 249
_AD_JID, _JID_PAIR = 247, 250
_HEX_8, _NIBBLE_8 = 251, 255
_BINARY_8, _BINARY_20, _BINARY_32 = 252, 253, 254
_FIRST_PAGE = 236

_NIBBLES = "0123456789-."
_HEX = "0123456789ABCDEF"
_AS_HEX = str.maketrans("-.", "AB")
_DOMAINS = {USER_SERVER: 0, LID_SERVER: 1, "hosted": 128, "hosted.lid": 129}
_DOMAIN_SERVERS = {byte: server for server, byte in _DOMAINS.items()}


def _load_tokens() -> tuple[list[str], list[list[str]]]:
    table = json.loads((files(__package__ or __name__) / "tokens.json").read_text("utf-8"))
    return table["single"], table["double"]


_SINGLE, _PAGES = _load_tokens()
_TOKENS: dict[str, bytes] = {
    word: bytes([_FIRST_PAGE + page, index])
    for page, words in enumerate(_PAGES)
    for index, word in enumerate(words)
} | {word: bytes([index]) for index, word in enumerate(_SINGLE) if index}

Value = str | Jid


class MalformedStanza(ValueError):
    """The bytes are not a stanza."""


class Node:
    """One element: a tag, attributes (strings or addresses), and child nodes, bytes or nothing."""

    __slots__ = ("attrs", "content", "tag")

    def __init__(
        self,
        tag: str,
        attrs: Mapping[str, Value | int | None] | None = None,
        content: Sequence[Node] | bytes | str | None = None,
    ) -> None:
        """Convert numbers to text and text content to UTF-8; drop attributes that are None."""
        self.tag = tag
        self.attrs: dict[str, Value] = {
            key: str(value) if isinstance(value, int) else value
            for key, value in (attrs or {}).items()
            if value is not None
        }
        self.content: Sequence[Node] | bytes | None = (
            content.encode() if isinstance(content, str) else content
        )

    @property
    def children(self) -> Sequence[Node]:
        """The child nodes; empty if the content is bytes or missing."""
        return () if self.content is None or isinstance(self.content, bytes) else self.content

    @property
    def data(self) -> bytes:
        """The content as bytes; empty if it is missing."""
        return self.content if isinstance(self.content, bytes) else b""

    def child(self, *path: str) -> Node | None:
        """The first descendant along `path`, or None."""
        node: Node | None = self
        for tag in path:
            node = next((each for each in node.children if each.tag == tag), None) if node else None
        return node

    def all(self, tag: str) -> Iterator[Node]:
        """The direct children called `tag`."""
        return (each for each in self.children if each.tag == tag)

    def get(self, name: str, default: str = "") -> str:
        """An attribute as text."""
        value = self.attrs.get(name, default)
        return value if isinstance(value, str) else str(value)

    def jid(self, name: str) -> Jid | None:
        """An attribute as an address, or None if it is missing or not an address."""
        value = self.attrs.get(name)
        return value if isinstance(value, Jid) else None

    def with_attrs(self, **attrs: Value | int) -> Node:
        """A copy with additional attributes."""
        return Node(self.tag, {**self.attrs, **attrs}, self.content)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        same_content = (self.content or None) == (other.content or None)
        return self.tag == other.tag and self.attrs == other.attrs and same_content

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        attrs = "".join(f' {key}="{value}"' for key, value in self.attrs.items())
        if not self.content:
            return f"<{self.tag}{attrs}/>"
        if isinstance(self.content, bytes):
            inner = self.content.hex() if len(self.content) <= 64 else f"({len(self.content)} bytes)"
        else:
            inner = "".join(map(repr, self.content))
        return f"<{self.tag}{attrs}>{inner}</{self.tag}>"


def encode(node: Node, compress_above: int | None = None) -> bytes:
    """Encode `node` as a stanza; one of more than `compress_above` bytes is compressed."""
    out = bytearray(b"\0")
    _write_node(out, node)
    if compress_above is not None and len(out) > compress_above:
        return b"\2" + zlib.compress(out[1:], 1)
    return bytes(out)


def decode(stanza: bytes) -> Node:
    """Decode the node of a stanza.

    Raises:
        MalformedStanza: The bytes are not exactly one stanza.
    """
    if not stanza:
        raise MalformedStanza("empty stanza")
    try:
        body = zlib.decompress(stanza[1:]) if stanza[0] & 2 else stanza[1:]
        reader = _Reader(body)
        node = reader.node()
    except (IndexError, zlib.error, UnicodeDecodeError) as error:
        raise MalformedStanza(str(error)) from error
    if reader.position != len(body):
        raise MalformedStanza(f"{len(body) - reader.position} bytes after the end")
    return node


def _write_list(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(_LIST_EMPTY)
    elif size < 256:
        out += bytes((_LIST_8, size))
    else:
        out.append(_LIST_16)
        out += size.to_bytes(2, "big")


def _write_bytes(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 256:
        out += bytes((_BINARY_8, size))
    elif size < 1 << 20:
        out.append(_BINARY_20)
        out += size.to_bytes(3, "big")
    else:
        out.append(_BINARY_32)
        out += size.to_bytes(4, "big")
    out += data


def _pack(text: str, token: int) -> bytes:
    odd = len(text) % 2
    packed = bytes.fromhex(text.translate(_AS_HEX) + "F" * odd)
    return bytes((token, len(packed) | odd << 7)) + packed


def _write_string(out: bytearray, text: str) -> None:
    token = _TOKENS.get(text)
    if token is not None:
        out += token
    elif text and len(text) < 128 and text.isascii() and not text.strip(_NIBBLES):
        out += _pack(text, _NIBBLE_8)
    elif text and len(text) < 128 and text.isascii() and not text.strip(_HEX):
        out += _pack(text, _HEX_8)
    else:
        _write_bytes(out, text.encode())


def _write_jid(out: bytearray, jid: Jid) -> None:
    if jid.device and jid.server in _DOMAINS:
        out += bytes((_AD_JID, _DOMAINS[jid.server], jid.device))
        _write_string(out, jid.user)
        return
    out.append(_JID_PAIR)
    if jid.user:
        _write_string(out, jid.user)
    else:
        out.append(_LIST_EMPTY)
    _write_string(out, jid.server)


def _write_node(out: bytearray, node: Node) -> None:
    content = node.content
    _write_list(out, 1 + 2 * len(node.attrs) + (content is not None))
    _write_string(out, node.tag)
    for key, value in node.attrs.items():
        _write_string(out, key)
        if isinstance(value, Jid):
            _write_jid(out, value)
        else:
            _write_string(out, value)
    if content is None:
        return
    if isinstance(content, bytes):
        _write_bytes(out, content)
        return
    _write_list(out, len(content))
    for child in content:
        _write_node(out, child)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def byte(self) -> int:
        value = self.data[self.position]
        self.position += 1
        return value

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise MalformedStanza("cut short")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def list_size(self, token: int) -> int:
        if token == _LIST_EMPTY:
            return 0
        if token == _LIST_8:
            return self.byte()
        if token == _LIST_16:
            return self.number(2)
        raise MalformedStanza(f"{token} does not begin a list")

    def unpack(self, alphabet: str) -> str:
        head = self.byte()
        packed = self.take(head & 127)
        digits = [digit for byte in packed for digit in (byte >> 4, byte & 15)]
        return "".join(alphabet[digit] for digit in (digits[:-1] if head >> 7 else digits))

    def binary(self, token: int) -> bytes | None:
        match token:
            case 252:
                return self.take(self.byte())
            case 253:
                return self.take(self.number(3) & 0xFFFFF)
            case 254:
                return self.take(self.number(4))
            case _:
                return None

    def value(self, token: int) -> Any:
        """A word, an address, or None for the empty list."""
        if token == _LIST_EMPTY:
            return None
        if token < _FIRST_PAGE:
            return _SINGLE[token]
        if token < _FIRST_PAGE + len(_PAGES):
            return _PAGES[token - _FIRST_PAGE][self.byte()]
        if token == _NIBBLE_8:
            return self.unpack(_NIBBLES)
        if token == _HEX_8:
            return self.unpack(_HEX)
        if token == _JID_PAIR:
            user = self.value(self.byte())
            return Jid(user or "", self.value(self.byte()))
        if token == _AD_JID:
            domain, device = self.byte(), self.byte()
            if domain not in _DOMAIN_SERVERS:
                raise MalformedStanza(f"unknown address domain {domain}")
            return Jid(self.value(self.byte()), _DOMAIN_SERVERS[domain], device)
        data = self.binary(token)
        if data is None:
            raise MalformedStanza(f"unknown token {token}")
        return data.decode()

    def content(self) -> Sequence[Node] | bytes | None:
        token = self.byte()
        if token in (_LIST_8, _LIST_16):
            return [self.node() for _ in range(self.list_size(token))]
        if token in (_BINARY_8, _BINARY_20, _BINARY_32):
            return self.binary(token)
        value = self.value(token)
        return value.encode() if isinstance(value, str) else value

    def node(self) -> Node:
        size = self.list_size(self.byte())
        if size == 0:
            raise MalformedStanza("a node without a tag")
        node = Node(self.value(self.byte()))
        for _ in range((size - 1) // 2):
            key = self.value(self.byte())
            node.attrs[key] = self.value(self.byte())
        if size % 2 == 0:
            node.content = self.content()
        return node
