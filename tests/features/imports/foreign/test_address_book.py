"""Address books as phones and mail programs write them, through the confined process."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.features.imports.foreign.archives import described, pages_of
from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.features.imports.foreign import address_book
from whatsapp_mcp.models import ForeignPage, ImportSource, Unreadable

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]

OWNER = "5511987650000@s.whatsapp.net"


def card(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


async def read(tmp_path: Path, content: str | bytes, owner: str | None = OWNER) -> ForeignPage:
    path = tmp_path / "contacts.vcf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (page,) = await pages_of(path, owner=owner)
    return page


def names(page: ForeignPage) -> dict[str, str | None]:
    """What people are called, by the digits of their numbers."""
    return {person.jid.partition("@")[0]: person.saved_name for person in page.people}


async def test_an_address_book_is_told_by_how_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "contacts.vcf"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + card("FN:Ana", "TEL:+15550000001").lower().encode())
    source, total, _ = await described(path)
    assert (source, total) == (ImportSource.ADDRESS_BOOK, 0)


async def test_many_cards_of_three_versions_are_read(tmp_path: Path) -> None:
    page = await read(
        tmp_path,
        card(
            "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg;;;",
            "TEL;CELL:+49 151 23456789",
            version="2.1",
        )
        + card("FN:Ana Lee", "item1.TEL;type=CELL;type=pref:+1 (555) 000-0001", "TEL;TYPE=HOME:+15550000011")
        + card(
            "FN:Bob\\, the second",
            'TEL;VALUE=uri;TYPE="voice,cell":tel:+1-555-000-0002;ext=7',
            version="4.0",
        ),
    )
    assert names(page) == {
        "4915123456789": "Jörg Müller",
        "15550000001": "Ana Lee",
        "15550000011": "Ana Lee",
        "15550000002": "Bob, the second",
    }
    assert page.unreadable == {}


async def test_folded_lines_are_joined_and_photos_left_out(tmp_path: Path) -> None:
    photo = base64.b64encode(bytes(range(256)) * 4_000).decode()
    folded = "\r\n ".join(photo[at : at + 74] for at in range(0, len(photo), 74))
    soft = "FN;ENCODING=QUOTED-PRINTABLE:Ana =\r\nMar=C3=ADa"
    page = await read(
        tmp_path,
        card(f"PHOTO;ENCODING=b;TYPE=JPEG:{folded}", "FN:Ana Maria de Al\r\n meida", "TEL:+15550000001")
        + card(f"PHOTO;ENCODING=BASE64;JPEG:{photo}", soft, "TEL:+15550000002", version="2.1"),
    )
    assert names(page) == {"15550000001": "Ana Maria de Almeida", "15550000002": "Ana María"}


async def test_what_is_not_utf_8_is_taken_for_windows_1252(tmp_path: Path) -> None:
    latin = card("FN:José", "TEL:+15550000001", version="2.1").encode("cp1252")
    quoted = card("FN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:Jos=E9 2", "TEL:+15550000002")
    assert names(await read(tmp_path, latin + quoted.encode())) == {
        "15550000001": "José",
        "15550000002": "José 2",
    }


async def test_national_numbers_are_of_the_owners_country(tmp_path: Path) -> None:
    cards = (
        card("FN:Ana", "TEL:(11) 98765-4321")
        + card("FN:Bob", "TEL:0 15 21 98765-4321")
        + card("FN:Cem", "TEL:00 49 151 23456789")
        + card("FN:Town", "TEL:98765-4321")
    )
    page = await read(tmp_path, cards)
    assert names(page) == {"5511987654321": "Ana", "5521987654321": "Bob", "4915123456789": "Cem"}
    assert page.unreadable == {Unreadable.NO_NUMBER: 1}
    unknown = await read(tmp_path, cards, owner=None)
    assert names(unknown) == {"4915123456789": "Cem"}
    assert unknown.unreadable == {Unreadable.NO_NUMBER: 3}


async def test_the_number_that_whatsapp_adds_to_a_card_counts(tmp_path: Path) -> None:
    page = await read(tmp_path, card("FN:Ana", "item1.TEL;waid=5511987654321:+55 11 98765-4321 (work)"))
    assert names(page) == {"5511987654321": "Ana"}


async def test_contacts_without_a_number_or_a_name_are_counted_and_the_owner_left_out(tmp_path: Path) -> None:
    page = await read(
        tmp_path,
        card("FN:Police", "TEL:190")
        + card("FN:Mail only", "EMAIL:a@example.org")
        + card("TEL:+15550000001")
        + card("FN:;;", "ORG:Bakery;Bread", "TEL:+15550000002")
        + card("FN:Me", "TEL:+55 11 98765-0000")
        + card("FN:Bakery again", "TEL:+1 555 000 0002"),
    )
    assert names(page) == {"15550000002": "Bakery Bread"}
    assert page.unreadable == {Unreadable.NO_NUMBER: 2, Unreadable.EMPTY: 1}


async def test_an_endless_address_book_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_book, "CONTACTS", 3)
    path = tmp_path / "contacts.vcf"
    path.write_text(card("FN:Ana", "TEL:+15550000001") * 4)
    with path.open("rb") as file, pytest.raises(TooLong, match="3 contacts"):
        address_book.AddressBook(file).page(file, {"owner": None})


@pytest.mark.parametrize(
    "content",
    [
        b"BEGIN:VCARD",
        b"BEGIN:VCARD\n" + b"FN:" + b"x" * 5_000_000 + b"\nTEL:" + b"1" * 5_000_000,
        b"BEGIN:VCARD\n" + b"TEL;" + b"a=b;" * 100_000 + b":+15550000001\n" * 2,
        b"BEGIN:VCARD\nTEL:\xff\x00\nFN:\x00\nEND:VCARD\n" * 50,
        b"BEGIN:VCARD\nTEL;waid=" + "٣".encode() * 12 + b":1\nFN:x\nEND:VCARD",
    ],
)
async def test_what_is_odd_is_read_as_nothing(tmp_path: Path, content: bytes) -> None:
    assert (await read(tmp_path, content)).people == ()
