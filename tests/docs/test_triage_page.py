"""The page about who waits: the digest that it shows is the one of this conversation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.models import ContactUpdate, GroupUpdate
from whatsapp_mcp.server.render import digest_data, digest_text
from whatsapp_mcp.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "triage.md").read_text(encoding="utf-8")
ME, ANN, BOB = (f"1555000{number}@s.whatsapp.net" for number in (1110, 1111, 2222))
CLUB = "120363000000000001@g.us"
SINCE, NOW = (datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (10, 12))


@pytest.mark.anyio
async def test_the_digest_of_the_page_is_one_that_is_told(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    said = [
        ("the boat is back in the water", CLUB, ANN, 0),
        ("who has the key of the shed?", CLUB, BOB, 5),
        ("can you pick me up on friday at 17:30?", ANN, ANN, 60),
        ("when will I get them?", BOB, BOB, 55),
        ("I'll bring the keys tomorrow", BOB, None, 58),
    ]
    start = int(SINCE.timestamp())
    async with open_archive(folder, write=True) as archive:
        await archive.set_own(ME, None, "Me")
        await archive.record_contacts(
            [ContactUpdate(ANN, saved_name="Ann Lee"), ContactUpdate(BOB, saved_name="Bob")]
        )
        await archive.record_groups([GroupUpdate(CLUB, "Boat club")])
        events = [
            ev.message(f"M{number}", text, chat=chat, sender=sender, at=start + minutes * 60)
            for number, (text, chat, sender, minutes) in enumerate(said)
        ]
        await archive.ingest(journal(events))
        digest = await archive.digest(SINCE, zone=UTC, now=NOW)
    weights = [[fact.weight for fact in news.facts] for news in digest.chats]
    text = digest_text(digest_data(digest, UTC), weights, NOW, UTC, 1_500).rendered("482913")
    assert f"```text\n{text}\n```" in PAGE, text
