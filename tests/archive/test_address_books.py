"""Names of an imported address book are the owner's own, and go to whom WhatsApp has under the number."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, journal
from whatsapp_mcp.archive import Archive, exchange, recording
from whatsapp_mcp.models import ContactUpdate, ForeignPage, ForeignPerson, ImportSource

pytestmark = pytest.mark.anyio

WITHOUT_NINE = "551187654321@s.whatsapp.net"
WITH_NINE = "5511987654321@s.whatsapp.net"


async def take_over(archive: Archive, source: ImportSource, people: Sequence[ForeignPerson]) -> int:
    """Import them; answers the number of the import."""
    number = (await archive.write(exchange.import_begun, source, "people", b"fingerprint")).number
    await archive.import_page(number, ForeignPage(people=tuple(people)))
    return number


async def test_a_name_makes_its_person_known_until_the_import_is_undone(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", name="ana!"), ev.message("B1", chat=BOB, name="bob!")]))
    await archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Bob of the phone")])
    book = [ForeignPerson(ANA, saved_name="Ana Lee"), ForeignPerson(BOB, saved_name="Bob of the book")]
    number = await take_over(archive, ImportSource.ADDRESS_BOOK, book)
    ana, bob = await archive.contact(ANA), await archive.contact(BOB)
    assert ana is not None
    assert bob is not None
    assert (ana.name, ana.stranger, bob.name) == ("Ana Lee", False, "Bob of the phone")
    while await archive.write(exchange.import_undone, number):
        pass
    undone = await archive.contact(ANA)
    assert undone is not None
    assert (undone.name, undone.stranger) == ("ana!", True)


async def test_a_name_of_another_servers_contacts_makes_nobody_known(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", name="ana!")]))
    await take_over(archive, ImportSource.WACLI, [ForeignPerson(ANA, saved_name="Mum")])
    ana = await archive.contact(ANA)
    assert ana is not None
    assert (ana.name, ana.stranger) == ("Mum", True)


@pytest.mark.parametrize(("here", "written"), [(WITHOUT_NINE, WITH_NINE), (WITH_NINE, WITHOUT_NINE)])
async def test_a_number_that_is_dialled_in_another_way_is_the_one_that_is_here(
    archive: Archive, here: str, written: str
) -> None:
    await archive.ingest(journal([ev.message("A1", chat=here, name="x")]))
    await take_over(archive, ImportSource.ADDRESS_BOOK, [ForeignPerson(written, saved_name="Bia")])
    assert [(one.jid, one.name) for one in (await archive.contacts()).items] == [(here, "Bia")]
