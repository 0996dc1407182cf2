"""The page about messages for later says what holds."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.tables import for_each
from whatsapp_mcp.device.guard import LATE
from whatsapp_mcp.device.guard.sends import FARTHEST, MOST_SCHEDULED
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.ledger import approvals
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools.pending import DELETE_WINDOW, delete_message, scheduled
from whatsapp_mcp.server.tools.planning import change_scheduled, remind_me
from whatsapp_mcp.server.tools.sending import send_message
from whatsapp_mcp.text import time_grammar

PAGE = (Path(__file__).parents[2] / "docs" / "scheduling.md").read_text(encoding="utf-8")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
FORMS = re.findall(r"`([^`]+)`", PAGE.partition("| written | meant |")[2].partition("\n\n")[0])


@for_each("written", [form for form in FORMS if form != "timezone"])
def test_every_form_of_a_moment_is_one(written: str) -> None:
    assert time_grammar.later(written, BERLIN, NOW) > NOW


def test_both_moments_of_an_hour_that_comes_twice_are_as_shown() -> None:
    with pytest.raises(InvalidArgument) as refused:
        time_grammar.later("2027-10-31T02:30", BERLIN, NOW)
    shown = re.findall(r"`(2027-10-31[^`]+)`", PAGE)
    assert len(shown) == 2
    assert all(each in refused.value.action for each in shown)


def test_the_limits_are_those_of_the_code() -> None:
    assert f"**{LATE.total_seconds() / 60:.0f} minutes**" in PAGE
    assert f"{FARTHEST.days} days ahead, and {MOST_SCHEDULED} messages" in PAGE
    assert (approvals.VALID.total_seconds(), "within an hour" in PAGE) == (3600, True)
    assert (DELETE_WINDOW.total_seconds(), "two days and twelve hours" in PAGE) == (216_000, True)


def test_the_tools_and_arguments_that_are_shown_exist() -> None:
    tools = (change_scheduled, remind_me, scheduled, delete_message, send_message)
    specs = {spec.name: spec for spec in map(spec_of, tools)}
    shown = re.findall(r"^(\w+)\((.*)\)$", PAGE, re.MULTILINE)
    assert {name for name, _ in shown} == specs.keys()
    for name, arguments in shown:
        parameters = specs[name].function.__annotations__
        assert set(re.findall(r"(\w+)=", arguments)) <= parameters.keys()
