"""Hostile sound and videos."""

from __future__ import annotations

import io
import random
import struct
import wave
from collections.abc import Callable, Iterator
from typing import Final

from tests.media.hostile_files.hostile_file import HostileFile, Kind

Made = dict[str, Callable[[], bytes]]


def wav(
    *,
    rate: int = 8_000,
    channels: int = 1,
    bits: int = 16,
    size: int = 0xFFFFFFFF,
    kind: int = 1,
    data: bytes = b"\0" * 16_000,
) -> bytes:
    """A WAV that says this of itself."""
    form = struct.pack(
        "<HHIIHH", kind, channels, rate, rate * 2 & 0xFFFFFFFF, channels * bits // 8 & 0xFFFF, bits
    )
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", size) + body


def tone(seconds: int) -> bytes:
    """Silence as WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 1, 8_000, 0, "NONE", ""))
        file.writeframes(bytes([128]) * 8_000 * seconds)
    return buffer.getvalue()


def ogg_page(payload: bytes, *, granule: int = 0, serial: int = 1, flags: int = 0, number: int = 0) -> bytes:
    """A page of Ogg."""
    segments = bytes([255]) * (len(payload) // 255) + bytes([len(payload) % 255])
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, number)
    rest = bytes([len(segments)]) + segments + payload
    return head + struct.pack("<I", checksum(head + bytes(4) + rest)) + rest


def checksum(page: bytes) -> int:
    """Of a page of Ogg (RFC 3533, 6)."""
    value = 0
    for byte in page:
        value = value << 8 & 0xFFFFFFFF ^ _CHECKSUMS[value >> 24 ^ byte]
    return value


def _checksum_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


_CHECKSUMS: Final = [_checksum_of(byte) for byte in range(256)]


def opus(*, channels: int = 1, rate: int = 48_000, granule: int = 960) -> bytes:
    """A voice note that says this of itself."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 0, rate, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    return (
        ogg_page(head, flags=2)
        + ogg_page(tags, number=1)
        + ogg_page(b"\xfc\xff\xfe" * 80, granule=granule, number=2, flags=4)
    )


def box(kind: bytes, inside: bytes = b"", size: int | None = None) -> bytes:
    """A box of MP4."""
    return struct.pack(">I", len(inside) + 8 if size is None else size) + kind + inside


def mp4(inside: bytes) -> bytes:
    """An MP4 with these boxes."""
    return box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + inside


def track(table: bytes, kind: bytes = b"vide", reference: bytes = b"") -> bytes:
    """The boxes of a track with this table of samples."""
    media = (
        box(b"mdhd", bytes(12) + struct.pack(">II", 1_000, 0xFFFFFFFF) + bytes(4))
        + box(b"hdlr", bytes(8) + kind + bytes(13))
        + box(b"minf", box(b"dinf", box(b"dref", struct.pack(">II", 0, 1) + reference)) + box(b"stbl", table))
    )
    return mp4(
        box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", box(b"tkhd", bytes(84)) + box(b"mdia", media)))
    )


def id3(size: int, body: bytes = b"") -> bytes:
    """The notes before an MP3."""
    packed = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + packed + body


MP3_FRAME: Final = b"\xff\xfb\x90\x00" + bytes(413)
WAV: Final[Made] = {
    "four billion channels": lambda: wav(channels=65_535),
    "no rate": lambda: wav(rate=0),
    "a rate of four billion": lambda: wav(rate=0xFFFFFFFF),
    "samples of 65,535 bits": lambda: wav(bits=65_535),
    "a kind that nobody knows": lambda: wav(kind=0xDEAD),
    "more than there is": lambda: wav(size=0x7FFFFFFF, data=b"x"),
    "five hours": lambda: tone(5 * 3600),
    "parts in a loop": lambda: b"RIFF\xff\xff\xff\xffWAVE" + b"LIST\0\0\0\0" * 300_000,
    "a part of negative size": lambda: b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(99),
}
OGG: Final[Made] = {
    "two hundred million years": lambda: opus(granule=2**62),
    "an end before its beginning": lambda: opus(granule=-(2**62)),
    "255 channels": lambda: opus(channels=255),
    "no channel": lambda: opus(channels=0),
    "a thousand streams": lambda: b"".join(
        ogg_page(b"OpusHead" + bytes(11), serial=n, flags=2) for n in range(1_000)
    ),
    "a million empty pages": lambda: opus() + ogg_page(b"") * 300_000,
    "notes of four gigabytes": lambda: (
        ogg_page(b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0", flags=2)
        + ogg_page(b"OpusTags\xff\xff\xff\xff", number=1)
    ),
    "a picture in its notes": lambda: (
        ogg_page(b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0", flags=2)
        + ogg_page(b"OpusTags\0\0\0\0\1\0\0\0\x20\0\0\0METADATA_BLOCK_PICTURE=//////////", number=1)
    ),
    "random bytes": lambda: b"OggS" + random.Random(3).randbytes(1_000_000),
}
MP4: Final[Made] = {
    "boxes inside boxes": lambda: mp4(b"".join(box(b"moov", b"", 2**31 - n * 8) for n in range(100_000))),
    "a box of two to the 64th": lambda: mp4(b"\0\0\0\1moov" + b"\xff" * 8),
    "four billion samples": lambda: track(box(b"stsz", struct.pack(">III", 0, 1, 0xFFFFFFFF))),
    "four billion sizes": lambda: track(box(b"stsz", struct.pack(">III", 0, 0, 0xFFFFFFFF) + bytes(400))),
    "four billion pieces": lambda: track(box(b"stco", struct.pack(">II", 0, 0xFFFFFFFF) + bytes(400))),
    "four billion times": lambda: track(
        box(b"stts", struct.pack(">II", 0, 1) + struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF))
    ),
    "four billion descriptions": lambda: track(box(b"stsd", struct.pack(">II", 0, 0xFFFFFFFF) + bytes(400))),
    "data that is another file": lambda: track(
        b"", b"soun", box(b"url ", bytes(4) + b"file:///etc/passwd\0") + box(b"alis", bytes(200))
    ),
    "ten thousand tracks": lambda: mp4(
        box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", box(b"tkhd", bytes(84))) * 10_000)
    ),
    "pieces without an end": lambda: mp4(
        box(b"moof", box(b"traf", box(b"trun", struct.pack(">II", 1, 0xFFFFFFFF)))) * 2_000
    ),
    "nothing in it": lambda: mp4(b""),
    "zeros": lambda: mp4(bytes(20_000_000)),
}
MP3: Final[Made] = {
    "notes of 256 MB": lambda: id3(0xFFFFFFF) + MP3_FRAME * 20,
    "notes inside notes": lambda: id3(10, bytes(10)) * 100_000 + MP3_FRAME * 20,
    "a picture of two billion bytes in its notes": lambda: (
        id3(200, b"APIC\x7f\x7f\x7f\x7f\0\0" + bytes(190)) + MP3_FRAME * 20
    ),
    "frames that are none": lambda: b"\xff\xfb\xe0\xff" * 1_000_000,
    "a number of frames that is a lie": lambda: (
        MP3_FRAME[:36] + b"Xing\0\0\0\x0f\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(365) + MP3_FRAME * 20
    ),
    "half of a frame": lambda: MP3_FRAME[:50],
}
OTHERS: Final[Made] = {
    "WebM of endless elements": lambda: (
        b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + b"\x42\x82\x01" * 100_000
    ),
    "WebM inside WebM": lambda: b"\x1aE\xdf\xa3\x80" + b"\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff" * 20_000,
    "AVI with an index of two billion": lambda: (
        b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrlavih\x38\0\0\0"
        + b"\xff" * 56
        + b"idx1\xff\xff\xff\x7f"
    ),
    "FLAC of every size": lambda: b"fLaC\x80\0\0\x22" + b"\xff" * 34 + random.Random(4).randbytes(100_000),
    "AMR of noise": lambda: b"#!AMR\n" + random.Random(5).randbytes(1_000_000),
    "AAC of noise": lambda: b"\xff\xf1" + random.Random(6).randbytes(1_000_000),
    "a playlist behind a signature": lambda: b"OggS\n#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
    "a list of files": lambda: b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a description of a session": lambda: (
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n"
    ),
}


def files() -> Iterator[HostileFile]:
    """All of them."""
    families = {"WAV": WAV, "Ogg": OGG, "MP4": MP4, "MP3": MP3, "other recordings": OTHERS}
    for family, members in families.items():
        for name, made in members.items():
            yield HostileFile(Kind.RECORDING, family, name, made)
