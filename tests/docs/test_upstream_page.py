"""`docs/upstream.md` has a section for everything that works in no version of the client library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whatsapp_mcp.capabilities import CAPABILITIES, Capability

PAGE = (Path(__file__).parents[2] / "docs" / "upstream.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
MISSING = [one for one in CAPABILITIES if not one.verified]


def test_the_page_has_a_section_for_each_missing_capability_and_no_other() -> None:
    assert list(SECTIONS) == [one.name for one in MISSING]


@pytest.mark.parametrize("missing", MISSING, ids=lambda one: one.name)
def test_a_section_says_what_is_missing_how_that_was_seen_and_what_would_fix_it(missing: Capability) -> None:
    section = SECTIONS[missing.name]
    for part in ("**Missing.**", "**Evidence.**", "**Fix.**"):
        assert part in section
    for symbol in missing.symbols:
        assert f"`{symbol}" in section
