"""The changelog has one form, and the notes of a release come out of it."""

from __future__ import annotations

from release import checks as changelog
from tests.releasing.checkout import ROOT
from tests.tables import for_each

TEXT = """\
# Changelog

Words about it.

## Unreleased

## 1.1.0 - 2026-10-02

### Fixed

* A defect.

## 1.0.0 - 2026-10-01

### Added

* Everything.
"""


def test_the_changelog_of_this_project_has_the_form() -> None:
    assert changelog.problems((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) == []


def test_a_changelog_in_the_form_has_no_problems() -> None:
    assert changelog.problems(TEXT) == []


def test_the_notes_of_a_version_are_its_section_alone() -> None:
    assert changelog.notes(TEXT, "1.1.0") == "### Fixed\n\n* A defect."


def test_a_version_without_a_section_has_no_notes() -> None:
    assert changelog.notes(TEXT, "1.2.0") is None


@for_each(
    ("former", "latter", "told"),
    [
        ("# Changelog\n", "# Changes\n", "The first line is not '# Changelog'."),
        ("## Unreleased\n", "", "The first section is not '## Unreleased', or there are two."),
        ("## 1.1.0 - 2026-10-02", "## 1.1.0", "'## 1.1.0' is not '## MAJOR.MINOR.PATCH - YYYY-MM-DD'."),
        (
            "## 1.1.0 - 2026-10-02",
            "## 1.1.0 - 2026-13-02",
            "'## 1.1.0 - 2026-13-02' is not '## MAJOR.MINOR.PATCH - YYYY-MM-DD'.",
        ),
        ("1.1.0 -", "1.0.0 -", "'## 1.0.0 - 2026-10-02' does not come after '## 1.0.0 - 2026-10-01'."),
        ("10-02", "09-30", "'## 1.1.0 - 2026-09-30' does not come after '## 1.0.0 - 2026-10-01'."),
        (
            "### Fixed",
            "### Mended",
            f"1.1.0 - 2026-10-02: '### Mended' is not one of {', '.join(changelog.KINDS)}.",
        ),
        ("* A defect.", "A defect.", "1.1.0 - 2026-10-02: '### Fixed' has no list."),
        (
            "### Fixed\n",
            "It is better.\n\n### Fixed\n",
            "1.1.0 - 2026-10-02: there is text before the first '###'.",
        ),
        ("### Fixed\n\n* A defect.\n\n", "", "1.1.0 - 2026-10-02 says nothing."),
    ],
)
def test_each_departure_from_the_form_is_told(former: str, latter: str, told: str) -> None:
    assert changelog.problems(TEXT.replace(former, latter, 1)) == [told]
