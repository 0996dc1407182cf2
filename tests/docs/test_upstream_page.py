"""`docs/upstream.md` has a section, with evidence, for all that works in no version of the client library."""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.go_functions import linked_functions
from tests.tables import for_each
from whatsapp_mcp.processes.capabilities import CAPABILITIES, Capability

PAGE = (Path(__file__).parents[2] / "docs" / "upstream.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
CLAIM = re.compile(r"((?:`\w+`(?:, | and )?)+) (?:is|are) (not )?linked in")
"""Functions of which the page says that their code is in the library, or that it is not."""
EXPORT = re.compile(r"_cgoexp_[0-9a-f]+_(\w+)")
MISSING = [one for one in CAPABILITIES if not one.verified]


def test_the_page_has_a_section_for_each_missing_capability_and_no_other() -> None:
    assert list(SECTIONS) == [one.name for one in MISSING]


@for_each("missing", MISSING)
def test_a_section_says_what_is_missing_how_that_was_seen_and_what_would_fix_it(missing: Capability) -> None:
    section = SECTIONS[missing.name]
    for part in ("**Missing.**", "**Evidence.**", "**Fix.**"):
        assert part in section
    for symbol in missing.symbols:
        assert f"`{symbol}" in section


@pytest.fixture(scope="module")
def library() -> Path:
    """The library of which the page speaks."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the page is about the library for Linux on x86-64")
    package = importlib.util.find_spec("neonize")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name("neonize-linux-amd64.so")


@pytest.fixture(scope="module")
def linked(library: Path) -> set[str]:
    """Its functions."""
    return linked_functions(library)


def test_what_the_page_calls_linked_in_has_code_in_the_library(linked: set[str]) -> None:
    names = {name.rpartition(".")[2] for name in linked if name.startswith("go.mau.fi/whatsmeow")}
    claimed = {
        name: not negation
        for found, negation in CLAIM.findall(PAGE.replace("\n", " "))
        for name in re.findall(r"`(\w+)`", found)
    }
    assert {name: name in names for name in claimed} == claimed
    wanted = {symbol for one in MISSING for symbol in one.symbols} - {"SendAppState", "SendMessageWithExtra"}
    assert wanted <= claimed.keys()


def test_a_name_in_the_metadata_of_a_type_is_no_evidence(library: Path, linked: set[str]) -> None:
    assert b"GetBusinessProfile" in library.read_bytes()
    assert not any(name.endswith("GetBusinessProfile") for name in linked)


def test_the_page_counts_exports_and_events_as_they_are(linked: set[str]) -> None:
    exported = {found[1] for name in linked if (found := EXPORT.fullmatch(name))}
    ours = {name for name in exported if not name.endswith("Trampoline")}
    assert f"there are {len(ours)}, without those of its SQLite driver" in PAGE
    # In a process of its own: the library starts threads when it is imported.
    counting = "from neonize.events import EVENT_TO_INT; print(len(EVENT_TO_INT))"
    events = subprocess.run(
        [sys.executable, "-c", counting], capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()
    assert f"`neonize.events` has {events} events" in PAGE
    for missing in MISSING:
        assert {*missing.symbols} & ours <= {"SendAppState"}
