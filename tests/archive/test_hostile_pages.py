"""What a forged page of an archive may not do to what is here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.archive.events import ANA
from tests.archive.test_hostile import everything_reads
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import ForeignMessage, ForeignPage, ImportSource, ImportState

pytestmark = pytest.mark.anyio
AT = 1_600_000_000


def forged(number: int, **facts: Any) -> ForeignMessage:
    """One of Ana's, a second after the one before."""
    told = ForeignMessage(f"3A{number:06}", ANA, ANA, AT + number, text=f"message {number}")
    return replace(told, **facts)


async def imported(archive: Archive, *messages: ForeignMessage) -> int:
    """Import a page of messages; answers the number of the import."""
    record = await archive.import_begun(ImportSource.ANDROID, "msgstore.db", b"f" * 32)
    await archive.import_page(record.number, ForeignPage(messages))
    await archive.import_ended(record.number, ImportState.DONE)
    return record.number


@pytest.mark.parametrize("when", [-(10**17), -1, 0, 10**17, (1 << 63) - 1])
async def test_a_deletion_at_an_impossible_time_counts_from_when_the_message_was_sent(
    archive: Archive, when: int
) -> None:
    await imported(archive, forged(1, revoked_at=when))
    (message,) = await everything_reads(archive)
    assert message.revoked_at == message.timestamp
