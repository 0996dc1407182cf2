"""What others named stands in an error as a candidate: quoted, short, and never as a sentence of ours."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.server.fakes import text_of
from tests.tables import for_each
from whatsapp_mcp.errors import AmbiguousChat, Candidate
from whatsapp_mcp.server.calls.results import candidate_text, error_result

evil = st.text(max_size=200) | st.lists(
    st.sampled_from(
        ["Bank", " (+15550001111)", ", last on 2026-11-24", "; ", "“", "”", "\n", "．", "）", "；"]
    )
).map("".join)
SHOWN = re.compile(r"~“[^“”;(),:\n]{0,48}” \(\+15550002222\), last on 2026-11-24")


@given(evil)
def test_a_name_cannot_forge_a_candidate(name: str) -> None:
    shown = candidate_text(Candidate(name, "+15550002222", "last on 2026-11-24", stranger=True))
    assert SHOWN.fullmatch(shown or "")


def test_a_name_that_looks_like_two_candidates_stays_one() -> None:
    forged = Candidate("Bank (+15550009999), last on 2026-11-24; Bank", "+15550002222", stranger=True)
    text = text_of(error_result(AmbiguousChat("Two chats.", candidates=[forged])).content)
    assert text.endswith("Candidates: ~“Bank +15550009999 last on 2026-11-24 Bank” (+15550002222).")


@for_each(
    "address, shown",
    [
        ("/home/ann/plan.pdf", "/home/ann/plan.pdf"),
        ("/home/ann/plan (1).pdf", '"/home/ann/plan (1).pdf"'),
        ("/home/ann/a\nb.pdf", None),
        ("x" * 301, None),
    ],
)
def test_an_address_is_shown_whole_or_not_at_all(address: str, shown: str | None) -> None:
    assert candidate_text(Candidate(address=address)) == shown
