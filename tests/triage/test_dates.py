"""Days and times that texts name."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.triage import named_days

THURSDAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dinner friday at 7?", ["2026-11-27 19:00"]),
        ("see u sat", ["2026-11-28"]),
        ("friday the 4th at 5pm", ["2026-12-04 17:00"]),
        ("meeting 2026-12-05 14:30", ["2026-12-05 14:30"]),
        ("by the 1st", ["2026-12-01"]),
        ("tonight at 8", ["2026-11-26 20:00"]),
        ("am 5. März um halb 8", ["2027-03-05 07:30"]),
        ("Terminerinnerung: morgen 9:15 Uhr", ["2026-11-27 09:15"]),
        ("am 24.12. um 18 uhr", ["2026-12-24 18:00"]),
        ("mañana a las 10", ["2026-11-27 10:00"]),
        ("el viernes 4 de diciembre", ["2026-12-04"]),
        ("dia 12 às 9h", ["2026-12-12 09:00"]),
        ("sexta-feira 19h30", ["2026-11-27 19:30"]),
        ("Monday or Tuesday", ["2026-11-30", "2026-12-01"]),
        ("guten morgen", []),
        ("pay 3.50 please", []),
        ("at 7", []),
        ("last friday was fun", []),
        ("the sun is out, we sat outside", []),
    ],
)
def test_a_text_names_these_days(text: str, named: list[str]) -> None:
    found = [f"{one.day}{f' {one.time:%H:%M}' if one.time else ''}" for one in named_days(text, THURSDAY)]
    assert found == named


@given(st.text(max_size=300), st.dates(date(1970, 1, 1), date(9998, 1, 1)))
def test_no_text_names_more_than_three_days_or_one_of_the_past(text: str, said: date) -> None:
    found = named_days(text, said)
    assert len(found) <= 3
    assert all(one.day >= said for one in found)
