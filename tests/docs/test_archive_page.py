"""The queries, times, commands and operations on the archive page work as described."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import typer.main

from tests.archive import events as ev
from tests.archive.events import GROUP, NOON, journal
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.archive.operations import OPERATIONS
from whatsapp_mcp.archive.read.search_query import HAS, IS
from whatsapp_mcp.cli.archive import app
from whatsapp_mcp.models import GroupUpdate
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.text import time_grammar

PAGE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text(encoding="utf-8")
ANA = "15550001111@s.whatsapp.net"
SPRING = NOON + 15_200_000
"""2024-05-08."""

FOUND = {
    "meeting noon": "M1 M2",
    '"meeting at noon"': "M1",
    "meet*": "M1 M2 M3 M4",
    "noon OR cancelled meeting": "M1 M2 M3",
    "cancelled OR has:image": "M3 I1",
    "meeting -cancelled": "M1 M2",
    "from:ana": "M1 M2 I1",
    "from:me": "M4",
    "from:+15550001111": "M1 M2 I1",
    'in:"Book Club"': "M2 M3 I1",
    "has:image": "I1",
    "is:unread": "M1",
    "after:2024-05-01": "M4 I1",
    "before:2024-06": "M1 M2 M3 M4 I1",
    "until:2024-05": "M1 M2 M3 M4 I1",
}
"""Every complete query of the table, with the ids of the messages that it finds."""


async def fill(archive: Archive) -> None:
    image = E2E.Message()
    image.imageMessage.caption = "the hall"
    club = partial(ev.message, chat=GROUP, at=NOON - 86_400)
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Book Club")])
    await archive.ingest(
        journal(
            [
                club("M2", "noon suits me for the meeting", sender=ANA),
                club("M3", "meeting cancelled", sender=ev.BOB),
                ev.message("I1", image, chat=GROUP, sender=ANA, at=SPRING, name="Ana"),
                ev.receipt("I1", chat=GROUP, sender=None, at=SPRING + 9),
                ev.message("M1", "meeting at noon", chat=ANA, name="Ana"),
                ev.message("M4", "meetings bore me", chat=ev.BOB, sender=None, at=SPRING),
            ]
        )
    )


def searching() -> list[list[str]]:
    """The rows of the table, each a list of the texts in backticks in its two cells."""
    table = PAGE.split("## Searching")[1].split("\n## ")[0]
    return [re.findall(r"`([^`]+)`", line) for line in table.splitlines() if line.startswith("| `")]


@pytest.mark.anyio
async def test_every_query_on_the_page_finds_what_it_says(tmp_path: Path) -> None:
    async with open_archive(AccountFolder("default", tmp_path), write=True) as archive:
        await fill(archive)
        shown = [piece for row in searching() for piece in row if ":" in piece or row.index(piece) == 0]
        assert sorted(shown) == sorted(FOUND)
        for query, expected in FOUND.items():
            found = [message.message_id for message in (await archive.search(query)).items]
            assert sorted(found) == sorted(expected.split()), query


def test_every_word_after_an_operator_is_known() -> None:
    words = {row[0]: row[1:] for row in searching()}
    assert set(words["has:image"]) <= {*HAS, "link", "media", "transcript"}
    assert {"unread", *words["is:unread"]} == {*IS}


def test_the_table_of_times_says_what_each_form_names() -> None:
    now = datetime(2026, 11, 26, 19, 45, tzinfo=UTC)
    table = PAGE.split("## Times")[1].split("\n## ")[0]
    shown = re.findall(r"^\| `(.+)` \| (.+) \| (.+) \|$", table, re.MULTILINE)
    assert len(shown) > 10
    for written, *limits in shown:
        span = time_grammar.read(written, UTC, now)
        assert span is not None, written
        assert [f"{moment:%Y-%m-%d %H:%M}" for moment in span] == limits, written


def test_every_archive_command_is_on_the_page_and_no_other() -> None:
    named = re.findall(r"\| `whatsapp-mcp archive (\w+)", PAGE)
    assert set(named) == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_page_names_every_operation() -> None:
    _, _, section = PAGE.partition("## Operations")
    assert {name for name in OPERATIONS if f"`{name}`" not in section} == set()
