"""What the first bytes of a file say that it is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.media.formats import HEAD_BYTES, format_of, read_format


@for_each(
    ("head", "mime_type", "decoder"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg", "JPEG"),
        (b"GIF89a", "image/gif", "GIF"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp", "WEBP"),
        (b"\x00\x00\x00\x18ftypavif", "image/avif", "AVIF"),
        (b"\x00\x00\x00\x18ftypmif1\0\0\0\0mif1avif", "image/avif", "AVIF"),
        (b"\x00\x00\x00\x14ftypmif1\0\0\0\0mif1avif", "image/heic", "HEIF"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic", "HEIF"),
        (b"\x00\x00\x00\x18ftypisom", "video/mp4", "mov"),
        (b"\x00\x00\x00\x18ftypqt  ", "video/quicktime", "mov"),
        (b"\x00\x00\x00\x18ftypM4A ", "audio/mp4", "mov"),
        (b"OggS", "audio/ogg", "ogg"),
        (b"ID3\x04", "audio/mpeg", "mp3"),
        (b"\xff\xfb\x90\x00", "audio/mpeg", "mp3"),
        (b"\xff\xf2\x40\x00", "audio/mpeg", "mp3"),
        (b"\xff\xf1\x50\x80", "audio/aac", "aac"),
        (b"%PDF-1.7", "application/pdf", ""),
        (b"PK\x03\x04", "application/zip", ""),
    ],
)
def test_first_bytes_say_what_a_file_is(head: bytes, mime_type: str, decoder: str) -> None:
    found = format_of(head)
    assert found is not None
    assert (found.mime_type, found.decoder, found.refers) == (mime_type, decoder, False)


@for_each("head", [b"", b"hello", b"\xff\xfeh\0i\0", b"RIFF\0\0\0\0ABCD", b"<p>", b"GIF8"])
def test_what_says_nothing_is_not_known(head: bytes) -> None:
    assert format_of(head) is None


@for_each(
    ("content", "name"),
    [
        ("#EXTM3U\n/etc/passwd", "an M3U playlist"),
        ("\ufeff\n #extm3u\n", "an M3U playlist"),
        ("ffconcat version 1.0\nfile secret.png", "an ffconcat list"),
        ("[playlist]\nFile1=/etc/passwd", "a PLS playlist"),
        ("v=0\no=- 0 0 IN IP4 127.0.0.1\n", "an SDP description"),
        ("<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>", "a DASH manifest"),
        ('<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="x">', "an SVG drawing"),
        ('<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n<svg:svg xmlns:svg="x">', "an SVG drawing"),
        ("<smil>", "a SMIL presentation"),
        ('<ASX version="3.0">', "an ASX playlist"),
        ('<?xml version="1.0"?><playlist version="1">', "an XSPF playlist"),
    ],
)
def test_what_names_other_files_is_refused_by_its_name(content: str, name: str) -> None:
    for library in ("pillow", "pyav"):
        with pytest.raises(Unsupported) as caught:
            read_format(io.BytesIO(content.encode()), library)
        found = f"The file is {name}, which can refer to other files; it is not opened."
        assert caught.value.message == found
        assert caught.value.action


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_have_a_format_or_none(head: bytes) -> None:
    format_of(head)
