"""The last states of the connection outlast a leader, so that a person sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from whatsapp_mcp.device.connection.device_storage import (
    STATES_KEPT,
    ConnectionRecord,
    past_states,
    record_in,
)
from whatsapp_mcp.models import ConnectionState

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def enter(record: ConnectionRecord, state: ConnectionState, minutes: int, reason: str | None) -> None:
    """Save that a state began so many minutes after noon."""
    since = NOW + timedelta(minutes=minutes)
    await record.save(replace(record.load(NOW), state=state, since=since, reason=reason))


async def test_states_are_told_newest_first_by_a_later_process(tmp_path: Path):
    await enter(record_in(tmp_path), ConnectionState.ONLINE, 0, None)
    await enter(record_in(tmp_path), ConnectionState.RECONNECTING, 5, "The network is down.")

    assert [(one.state, one.since, one.reason) for one in past_states(tmp_path)] == [
        (ConnectionState.RECONNECTING, NOW + timedelta(minutes=5), "The network is down."),
        (ConnectionState.ONLINE, NOW, None),
    ]


async def test_a_state_whose_reason_changes_is_one(tmp_path: Path):
    record = record_in(tmp_path)
    await enter(record, ConnectionState.REFUSED, 0, "Code 1.")
    await enter(record, ConnectionState.REFUSED, 0, "Code 2.")

    assert [one.reason for one in past_states(tmp_path)] == ["Code 2."]


async def test_a_new_generation_is_no_new_state(tmp_path: Path):
    record = record_in(tmp_path)
    await enter(record, ConnectionState.ONLINE, 0, None)
    await record.following()

    assert len(past_states(tmp_path)) == 1


async def test_the_oldest_states_go(tmp_path: Path):
    record = record_in(tmp_path)
    for minute in range(STATES_KEPT + 5):
        await enter(record, ConnectionState.ONLINE, minute, None)

    states = past_states(tmp_path)
    assert (len(states), states[-1].since) == (STATES_KEPT, NOW + timedelta(minutes=5))


def test_an_account_that_never_connected_has_none(tmp_path: Path):
    assert past_states(tmp_path) == ()
