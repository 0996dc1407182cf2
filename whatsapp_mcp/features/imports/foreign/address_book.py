"""An address book: contacts as vCards, in a file of which there is one page."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import phonenumbers
from pydantic import TypeAdapter

from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.jid import Jid, number_of
from whatsapp_mcp.media.content_lines import LINE, Property, decoded, property_of, unescaped, unfolded
from whatsapp_mcp.media.job import Outcome
from whatsapp_mcp.models import ForeignPage, ForeignPerson, ImportSource, Unreadable

CONTACTS: Final = 100_000
NUMBERS: Final = 100
"""Most phone numbers of one contact."""
HEAD_BYTES: Final = 100
"""Number of bytes of a file that are read to recognise an address book."""
_NUMBER: Final = 100
_NAME: Final = 1_000
_BEGIN: Final = b"BEGIN:VCARD"
_PARTS: Final = re.compile(r"(?<!\\);")
_NAMES: Final = ("fn", "n", "nickname", "org")
"""Properties that say what a contact is called, the best first."""
_ORDER: Final = (3, 1, 2, 0, 4)
"""Display order of the parts of `N`, which are family, given and further names, prefixes and suffixes."""
_PAGE: Final = TypeAdapter(ForeignPage)
_CODECS: Final = (codecs.lookup("cp1252"), codecs.lookup("utf-8"))
"""Loaded now: once the process is confined nothing can be."""


def is_address_book(start: bytes) -> bool:
    """Return whether a file that begins with these bytes is an address book."""
    return start.removeprefix(codecs.BOM_UTF8).lstrip().upper().startswith(_BEGIN)


def rehearse() -> None:
    """Load what is known of the numbers of all countries."""
    phonenumbers.PhoneMetadata.load_all()


class AddressBook:
    """The jobs, on the one address book of a process.

    Args:
        file: Open, at any place.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def open(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """Return the source; an address book has no messages."""
        del file, options
        return {"source": ImportSource.ADDRESS_BOOK, "total": 0}, b""

    def page(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """Everybody in it, as the JSON of a `ForeignPage`.

        Options: `owner`, whose country is that of numbers without one.

        Raises:
            TooLong: It has more contacts than are read.
        """
        del file
        self._file.seek(0)
        return {}, _PAGE.dump_json(_page(self._file, options["owner"]))


def _page(file: BinaryIO, owner: str | None) -> ForeignPage:
    region = _region(owner)
    people: dict[str, ForeignPerson] = {}
    unreadable: dict[Unreadable, int] = {}
    for name, numbers in _contacts(file):
        jids = {jid for number in numbers if (jid := _jid(number, region)) is not None}
        why = Unreadable.NO_NUMBER if not jids else Unreadable.EMPTY if not name else None
        if why is not None:
            unreadable[why] = unreadable.get(why, 0) + 1
            continue
        for jid in sorted(jids - {owner}):
            # Of two contacts with one number the first counts, as on a phone.
            people.setdefault(jid, ForeignPerson(jid, saved_name=name))
    return ForeignPage(people=tuple(people.values()), unreadable=unreadable)


def _contacts(file: BinaryIO) -> Iterator[tuple[str, list[str]]]:
    """Name and numbers of each contact.

    Raises:
        TooLong: There are too many.
    """
    names: dict[str, str] = {}
    numbers: list[str] = []
    seen = 0
    for line in unfolded(_lines(file)):
        vcard_property = property_of(line)
        if vcard_property is None:
            continue
        if vcard_property.name in {"begin", "end"} and vcard_property.value.strip().upper() == "VCARD":
            if names or numbers:
                yield _called(names), numbers
            seen += vcard_property.name == "begin"
            if seen > CONTACTS:
                raise TooLong(f"The address book has more than {CONTACTS:,} contacts.", "Use a smaller file.")
            names, numbers = {}, []
        elif vcard_property.name in _NAMES:
            names.setdefault(vcard_property.name, decoded(vcard_property))
        elif vcard_property.name == "tel" and len(numbers) < NUMBERS:
            numbers.append(_written(vcard_property))
    if names or numbers:
        yield _called(names), numbers


def _lines(file: BinaryIO) -> Iterator[str]:
    """The lines of the file, each cut; what is not UTF-8 is taken for Windows-1252."""
    is_whole = True
    while line := file.readline(LINE):
        if is_whole:
            try:
                yield line.decode().removeprefix("\ufeff")
            except UnicodeDecodeError:
                yield line.decode("cp1252", "replace")
        is_whole = line.endswith(b"\n")


def _called(names: dict[str, str]) -> str:
    """The best name of a contact; empty where it has none."""
    for kind in _NAMES:
        parts = [unescaped(part).strip() for part in _PARTS.split(names.get(kind, ""))]
        if kind == "n":
            parts = [parts[at] for at in _ORDER if at < len(parts)]
        name = " ".join(" ".join(filter(None, parts)).split())
        if name:
            return name[:_NAME]
    return ""


def _written(vcard_property: Property) -> str:
    """A number as it stands there; WhatsApp adds the digits of its own address to the cards that it sends."""
    own = vcard_property.parameters.get("waid", "")
    if own.isascii() and own.isdecimal():
        return f"+{own}"
    return decoded(vcard_property).strip().removeprefix("tel:").partition(";")[0]


def _region(owner: str | None) -> str | None:
    """The country of the owner's number."""
    number = number_of(owner)
    try:
        return None if number is None else phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None


def _jid(number: str, region: str | None) -> str | None:
    """The jid of a number; None for what is none, or needs a country that is not known."""
    written = [(number, region)]
    if number.startswith("00"):
        written.insert(0, (f"+{number[2:]}", None))
    for text, where in written:
        try:
            parsed = phonenumbers.parse(text[:_NUMBER], where)
        except phonenumbers.NumberParseException:
            continue
        # A number without its country is looked at more closely: it may be short of its area, too.
        is_international = text.startswith(("+", "\uff0b"))
        if (
            phonenumbers.is_possible_number(parsed)
            if is_international
            else phonenumbers.is_valid_number(parsed)
        ):
            return str(Jid.phone(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)))
    return None
