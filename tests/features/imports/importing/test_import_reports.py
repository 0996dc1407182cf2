"""What an import brought is told in sentences."""

from __future__ import annotations

from dataclasses import replace

from tests.server.fakes import NOON
from tests.tables import for_each
from whatsapp_mcp.features.imports.importing import brought, how_far, left_out
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportStep
from whatsapp_mcp.models import ImportReport, ImportState, Unreadable


def test_a_report_names_what_there_is_and_nothing_else() -> None:
    assert brought(ImportReport()) == "0 new messages, 0 known already."
    whole = ImportReport(1, 2000, 3, 1, 2, first=NOON, last=NOON)
    day = f"{NOON:%Y-%m-%d}"
    assert brought(whole) == (
        "1 new message, 2,000 known already, 3 filled that had no content here, 1 name, 2 files; "
        f"from {day} to {day}."
    )


@for_each("why", sorted({*Unreadable} - {Unreadable.UNKNOWN_KIND}))
def test_every_reason_has_its_words(why: Unreadable) -> None:
    told = left_out(ImportReport(unreadable={why: 1200}, files_left_out=1))
    assert told.startswith("Not taken over: 1,200 ")
    assert told.endswith("; 1 file.")
    assert "_" not in told


def test_what_is_kept_as_unknown_is_not_told_as_left_out() -> None:
    kept = {Unreadable.UNKNOWN_KIND: 1200}
    assert left_out(ImportReport(unreadable=kept)) == (
        "Of a kind that is not read, so taken over as unknown: 1,200."
    )
    both = left_out(ImportReport(unreadable=kept | {Unreadable.NO_ID: 2}))
    assert both.startswith("Not taken over: 2 without an id of WhatsApp. Of a kind")


def test_what_was_taken_over_whole_leaves_nothing_to_tell() -> None:
    assert left_out(ImportReport(5)) == ""


def test_how_far_it_is_is_told_for_every_step() -> None:
    one = ImportProgress(1, "x", ImportState.WAITING, NOON)
    told = {how_far(one)}
    for step in ImportStep:
        told.add(how_far(replace(one, state=ImportState.RUNNING, step=step, done=5, total=10)))
    assert told == {
        "waits for the imports before it",
        "is being opened",
        "has looked at 5 of 10 messages (50 %)",
        "takes over files, and has looked at 5 of 10 messages (50 %)",
        "is being undone, and has looked at 5 messages",
    }
    no_total = replace(one, state=ImportState.RUNNING, step=ImportStep.MESSAGES, done=5)
    assert how_far(no_total) == "has looked at 5 messages"
