"""Address books that are no good."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.features.imports.backups.hostile.case import Case

_CARD: Final = "BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL:{tel}\nEND:VCARD\n"


def files() -> Iterator[Case]:
    """All of them."""
    ann = _CARD.format(name="Ann", tel="+15550000001")
    made: dict[str, str | bytes] = {
        "nothing in a card": "BEGIN:VCARD\nEND:VCARD\n",
        "a card without an end": "BEGIN:VCARD\nFN:Ann\nTEL:+15550000001",
        "ends without a beginning": ann + "END:VCARD\n" * 5_000,
        "cards within cards": "BEGIN:VCARD\n" * 5_000 + ann,
        "a line of a million characters": ann.replace("Ann", "A" * 1_000_000),
        "folded lines without end": "BEGIN:VCARD\nFN:A\n"
        + " b\n" * 100_000
        + "TEL:+15550000001\nEND:VCARD\n",
        "a card of 50,000 numbers": "BEGIN:VCARD\nFN:Ann\n" + "TEL:+15550000001\n" * 50_000 + "END:VCARD\n",
        "a number of 100,000 digits": _CARD.format(name="Ann", tel="+" + "1" * 100_000),
        "numbers in other digits": _CARD.format(name="Ann", tel="+１５５５００００００１"),
        "numbers that are letters": _CARD.format(name="Ann", tel="obey"),
        "an address in place of a number": _CARD.format(name="Ann", tel="15550000001@s.whatsapp.net"),
        "controls in a name": _CARD.format(name="\x1b[2J\u202eevil\0", tel="+15550000001"),
        "escapes in escapes": _CARD.format(name="\\" * 9_999, tel="+15550000001"),
        "quoted-printable that is none": ann.replace("FN:", "FN;ENCODING=QUOTED-PRINTABLE:=ZZ=\n=\n"),
        "base64 that is none": ann.replace("FN:", "FN;ENCODING=B:!!!!"),
        "a character set that is none": ann.replace("FN:", "FN;CHARSET=idna;ENCODING=QUOTED-PRINTABLE:=41"),
        "a thousand parameters": f"BEGIN:VCARD\nFN{';A=B' * 1_000}:Ann\nTEL:+15550000001\nEND:VCARD\n",
        "half of a character": ann.encode().replace(b"Ann", b"A\xed\xa0\x80\xff"),
        "UTF-16": ann.encode("utf-16"),
        "bytes of no text": b"BEGIN:VCARD\n" + bytes(range(256)) * 200,
        "a picture of ten megabytes": ann.replace("TEL", "PHOTO;ENCODING=b:" + "A" * 10_000_000 + "\nTEL"),
    }
    for name, content in made.items():
        # What does not begin as an address book is taken for an encrypted backup.
        refused = "neither a database" if name == "UTF-16" else ""
        yield Case("address book", name, partial(_written, content), refused)
    yield Case("address book", "100,001 people", _many, "more than 100,000 contacts", is_slow=True)


def _written(content: str | bytes, folder: Path) -> Path:
    path = folder / "contacts.vcf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _many(folder: Path) -> Path:
    cards = (_CARD.format(name=f"P{number}", tel=f"+1555{number:07}") for number in range(100_001))
    return _written("".join(cards), folder)
