"""Generates the table of states in docs/troubleshooting.md: `python -m tests.docs.states_table`."""

from __future__ import annotations

from pathlib import Path

from whatsapp_mcp.models import ConnectionState

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
_BEGIN = "| state | what it means | ends by itself | what to do |\n"


def render() -> str:
    """The table, generated from the one in `models/connection.py`."""
    rows = [_BEGIN, "| --- | --- | --- | --- |\n"]
    for state in ConnectionState:
        traits = state.traits
        ends = traits.ends or ("no" if traits.needs_person else "")
        until = traits.action_until and traits.action_until.format(until="the time in the status")
        advice = " ".join(each for each in (until or traits.action, traits.note) if each)
        if until and traits.needs_person:
            advice = f"Without an end: {traits.action} With one: {until}"
        rows.append(f"| `{state.value}` | {traits.meaning} | {ends} | {advice} |\n")
    return "".join(rows)


def table(page: str) -> str:
    """The table on the page."""
    start = page.index(_BEGIN)
    return page[start : page.index("\n\n", start) + 1]


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.replace(table(text), render()), encoding="utf-8")
