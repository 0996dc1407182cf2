"""The README: one screen that says what this is, its risk, and how to begin."""

from pathlib import Path

from tests.docs import site
from tests.docs.examples import examples
from whatsapp_mcp.device.counters import LOST_AT_MOST

README = site.ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
SCREEN = 60
"""Lines that somebody reads before deciding whether to go on."""


def test_it_says_what_it_is_and_that_it_is_unofficial_in_its_first_ten_lines() -> None:
    opening = "\n".join(TEXT.splitlines()[:10])
    assert "Model Context Protocol" in opening
    assert "unofficial" in opening


def test_it_is_one_screen_with_three_commands() -> None:
    [commands] = [one.body.splitlines() for one in examples(README)]
    assert len(TEXT.splitlines()) <= SCREEN
    assert [line.split()[0] for line in commands] == ["uv", "whatsapp-mcp", "whatsapp-mcp"]


def test_its_pictures_are_there() -> None:
    pictures = [part.split(")")[0] for part in TEXT.split("![")[1:]]
    assert [each for each in pictures if not (Path(site.ROOT) / each.split("](")[1]).is_file()] == []


def test_it_promises_of_messages_what_the_guarantees_do() -> None:
    guarantees = (site.DOCS / "guarantees.md").read_text(encoding="utf-8")
    assert f"up to {LOST_AT_MOST} are lost" in TEXT
    assert f"**at most {LOST_AT_MOST}** are lost" in guarantees
