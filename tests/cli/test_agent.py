"""`whatsapp-mcp agent` says which chats have an agent, what waits there, and who asks to be let in."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from whatsapp_mcp.cli.agents import answering, answering_app
from whatsapp_mcp.models import AgentChat, AgentStatus, HandOn, HandOnState, Pairing

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANN, EVE = "15550002222@s.whatsapp.net", "15550009999@s.whatsapp.net"
LAST = HandOn(
    3,
    ANN,
    "command",
    (7,),
    7,
    NOON,
    NOON,
    HandOnState.DROPPED,
    reason="the command printed too much",
    done_at=NOON,
)
STATUS = AgentStatus(
    (AgentChat(ANN, "Ann", "command", 2, LAST), AgentChat("self", "yourself", "channel")),
    (Pairing(EVE, "123456", NOON, name="Eve"),),
    1.5,
)


def told(monkeypatch: pytest.MonkeyPatch, status: AgentStatus, *arguments: str) -> str:
    monkeypatch.setattr(answering, "_ask_status", lambda account: status)  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setenv("WHATSAPP_MCP_TIMEZONE", "UTC")
    result = CliRunner().invoke(answering_app, ["status", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_person_reads_what_waits_and_why_something_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, STATUS)
    assert "+15550002222" in text
    assert "2 open, last dropped 2026-11-24 12:00: the command printed too much" in text
    assert "+15550009999" in text
    assert "since 12:00" in text
    assert "24 hours: 1.50" in text
    # Whoever reads it over a shoulder, or a model, could let them in.
    assert "123456" not in text


def test_a_program_reads_the_same_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(told(monkeypatch, STATUS, "--json"))
    assert [chat["agent"] for chat in data["chats"]] == ["command", "channel"]
    assert data["chats"][0]["last"]["state"] == "dropped"


def test_without_an_agent_it_says_where_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "[agent.chats]" in told(monkeypatch, AgentStatus())
