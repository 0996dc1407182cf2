"""The changelog: kept by hand, its form checked, and the notes of a release taken from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from release.project import number

UNRELEASED: Final = "Unreleased"
KINDS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""What a change can be; the words of keepachangelog.com."""
_RELEASED: Final = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a changelog below one heading of the second level."""

    title: str
    body: str

    @property
    def version(self) -> str | None:
        """Its version; None if it has none, as `Unreleased`, or if its heading is malformed."""
        found = _RELEASED.fullmatch(self.title)
        return found.group(1) if found else None


def sections(text: str) -> list[Section]:
    """The sections in the order of the file."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return [Section(title.strip(), body.strip()) for title, body in zip(parts[::2], parts[1::2], strict=True)]


def notes(text: str, version: str) -> str | None:
    """What changed with a version; None if the changelog has no section for it."""
    return next((one.body for one in sections(text) if one.version == version), None)


def problems(text: str) -> list[str]:
    """Everything that is wrong with the form of a changelog, one sentence each."""
    found = sections(text)
    wrong = [] if text.startswith("# Changelog\n") else ["The first line is not '# Changelog'."]
    if [one.title for one in found].count(UNRELEASED) != 1 or found[0].title != UNRELEASED:
        wrong.append(f"The first section is not '## {UNRELEASED}', or there are two.")
    released = [one for one in found if one.title != UNRELEASED]
    wrong += [
        f"'## {one.title}' is not '## MAJOR.MINOR.PATCH - YYYY-MM-DD'."
        for one in released
        if one.version is None or _day(one) is None
    ]
    wrong += [
        f"'## {later.title}' does not come after '## {earlier.title}'."
        for later, earlier in pairwise(one for one in released if one.version and _day(one))
        if number(later.version or "") <= number(earlier.version or "")
        or (_day(later) or date.min) < (_day(earlier) or date.max)
    ]
    return wrong + [problem for one in found for problem in _problems_of(one)]


def _day(section: Section) -> date | None:
    found = _RELEASED.fullmatch(section.title)
    try:
        return date.fromisoformat(found.group(2)) if found else None
    except ValueError:
        return None


def _problems_of(section: Section) -> list[str]:
    parts = re.split(r"^### (.*)$", section.body, flags=re.MULTILINE)
    kinds, lists = parts[1::2], parts[2::2]
    wrong = [
        f"{section.title}: '### {kind}' is not one of {', '.join(KINDS)}."
        for kind in kinds
        if kind not in KINDS
    ]
    wrong += [
        f"{section.title}: '### {kind}' has no list."
        for kind, items in zip(kinds, lists, strict=True)
        if not re.search(r"^\* \S", items, re.MULTILINE)
    ]
    if parts[0].strip():
        wrong.append(f"{section.title}: there is text before the first '###'.")
    if not kinds and section.title != UNRELEASED:
        wrong.append(f"{section.title} says nothing.")
    return wrong
