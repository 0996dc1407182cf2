"""`people` as a person types it: who is known although the phone's address book does not name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, journal
from tests.cli.test_black_box import run
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.models import ContactUpdate
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


@pytest.fixture
async def filled(home: Path) -> Path:
    """A home in whose archive Ana stands in the address book, and somebody calls himself Bob."""
    async with open_archive(Settings(home=home).account_folder(), write=True) as archive:
        await archive.ingest(journal([ev.message("A1", name="Ana"), ev.message("B1", chat=BOB, name="Bob")]))
        await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
    return home


async def known(home: Path, jid: str) -> bool:
    async with open_archive(Settings(home=home).account_folder()) as archive:
        person = await archive.contact(jid)
    assert person is not None
    return person.known


async def test_somebody_is_confirmed_listed_and_forgotten(whatsapp: WhatsApp, filled: Path) -> None:
    done = await run(whatsapp, filled, "people", "confirm", "+15550000002")
    assert done.stdout.decode() == "Bob (+15550000002) is known now.\n"
    assert await known(filled, BOB)

    listed = await run(whatsapp, filled, "people", "list", "--json")
    assert [one["number"] for one in json.loads(listed.stdout)] == ["+15550000002"]
    listed = await run(whatsapp, filled, "people", "list")
    assert listed.stdout.decode().split() == ["Bob", "+15550000002"]

    done = await run(whatsapp, filled, "people", "forget", "+15550000002")
    assert done.stdout.decode() == "Bob (+15550000002) is no longer known.\n"
    assert not await known(filled, BOB)


async def test_a_name_that_somebody_chose_confirms_nobody(whatsapp: WhatsApp, filled: Path) -> None:
    done = await run(whatsapp, filled, "people", "confirm", "Bob")
    assert done.returncode == 1
    assert b"somebody who is not a contact chose that name" in done.stderr
    assert not await known(filled, BOB)


async def test_who_is_in_the_address_book_is_not_forgotten(whatsapp: WhatsApp, filled: Path) -> None:
    done = await run(whatsapp, filled, "people", "forget", "Ana")
    assert "stays known" in done.stdout.decode()
    assert await known(filled, ANA)
