"""The README: one screen that says what this is, its risk, and how to begin."""

import re
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


def test_it_says_that_pictures_and_voice_notes_are_searched_with_extras() -> None:
    install = (site.DOCS / "install.md").read_text(encoding="utf-8")
    extras = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", install.partition("## Extras")[2], re.MULTILINE))
    assert "(files.md#words-in-pictures)" in extras["ocr"]
    assert "(files.md#voice-notes-as-text)" in extras["voice"]
    assert re.search(r"with \[extras\]\(docs/install.md#extras\) \[pictures\].* and \[voice notes\]", TEXT)
