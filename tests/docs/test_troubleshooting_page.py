"""The troubleshooting page explains every state and every error code, with what to do."""

from pathlib import Path

import pytest

from tests.docs import states_table

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The table under a heading: the first cell of each row with its other cells."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found: dict[str, list[str]] = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            first, *others = (cell.strip() for cell in line.strip("|").split("|"))
            found[first.strip(" `")] = others
    return found


def test_the_table_of_states_matches_the_code() -> None:
    assert states_table.table(PAGE) == states_table.render(), "run: python -m tests.docs.states_table"


@pytest.mark.parametrize("heading", ["By connection state", "By error code"])
def test_everything_but_being_online_says_what_to_do(heading: str) -> None:
    for name, cells in rows(heading).items():
        assert cells[-1] or name == "online", name
