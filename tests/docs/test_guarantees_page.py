"""The numbers on the guarantees page match the code."""

import re
from datetime import timedelta
from pathlib import Path

from whatsapp_mcp.device import counters
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.outbox import outbox
from whatsapp_mcp.models import ConnectionState

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "guarantees.md").read_text(encoding="utf-8").split())


def test_the_longest_pauses_are_those_of_the_state_machine() -> None:
    assert (state.RETRY_CAP, state.REFUSED_CAP) == (60, 15 * 60)
    assert "pauses that grow to a minute at most (`refused`: 15 minutes)" in PAGE


def test_the_probe_takes_as_long_as_the_page_says() -> None:
    assert f"one probe of at most {state.PROBE_LIMIT:g}" in PAGE


def test_a_queued_send_waits_as_long_as_the_page_says() -> None:
    assert timedelta(days=1) == outbox.KEPT_FOR
    assert "If the connection is not back within a day" in PAGE


def test_the_upper_bound_of_a_loss_matches_the_counter() -> None:
    assert f"at most {counters.LOST_AT_MOST}" in PAGE


def test_the_states_that_need_a_person_are_those_without_a_way_out() -> None:
    [named] = re.findall(r"comes back by itself\*\* from every state but (.+?)\. \|", PAGE)
    needing = {state.value for state in ConnectionState if state.traits.needs_person}
    assert set(re.findall(r"`(\w+)`", named)) == needing
