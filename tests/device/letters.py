"""Files that people send, and the messages that they come in."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import ContactUpdate, Message
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

LETTER = b"The deposit of 850 euros comes back within six weeks.\n"


async def known(wa: WhatsApp, archive: Archive, name: str) -> Person:
    person = wa.person(name)
    await archive.write(recording.record_contacts, [ContactUpdate(str(person.jid), name, None, None)])
    return person


def letter(wa: WhatsApp, text: bytes = LETTER, name: str = "letter.txt") -> E2E.Message:
    return wa.media.attach("document", text, fileName=name, mimetype="text/plain")


async def arrived(archive: Archive, count: int = 1) -> list[Message]:
    """The messages, newest first, once so many are archived."""
    return await met(archive, lambda found: len(found) >= count)


async def met(
    archive: Archive, is_met: Callable[[list[Message]], bool], within: float = 30.0
) -> list[Message]:
    """All messages, newest first, once they are as asked."""
    seen = 0
    with anyio.fail_after(within):
        while not is_met(found := list((await archive.messages()).items)):
            seen = await archive.wait_change(seen, 0.1)
    return found
