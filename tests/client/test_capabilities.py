"""What the client library can do is noticed by its symbols and by the versions that were seen to work."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.tables import for_each
from whatsapp_mcp.processes import capabilities
from whatsapp_mcp.processes.capabilities import (
    CAPABILITIES,
    SYMBOLS,
    Capability,
    CapabilityState,
    capability,
    is_offered,
    library_version,
    news,
)
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets

ALL = frozenset(SYMBOLS)
ROW = Capability("rows", "row a boat", ("Row", "Steer"), verified=("0.5.2",))


@for_each(
    "version, symbols, state",
    [
        ("0.5.2", {"Row", "Steer", "Other"}, CapabilityState.WORKS),
        ("0.5.10", {"Row", "Steer"}, CapabilityState.WORKS),
        ("0.5.1", {"Row", "Steer"}, CapabilityState.UNVERIFIED),
        ("0.6.0", {"Row"}, CapabilityState.ABSENT),
    ],
)
def test_a_capability_works_with_its_symbols_from_a_verified_version_on(
    version: str, symbols: set[str], state: CapabilityState
) -> None:
    assert ROW.state(version, symbols) is state


def test_what_is_exported_and_was_never_seen_to_work_does_not_count() -> None:
    assert capability("app state").state("0.5.2", ALL) is CapabilityState.UNVERIFIED
    assert replace(capability("app state"), verified=("0.6.0",)).state("0.6.0", ALL) is CapabilityState.WORKS


def test_what_a_library_lacks_and_what_is_new_in_it_is_told() -> None:
    working = {symbol for one in CAPABILITIES if one.verified for symbol in one.symbols}
    assert news("0.5.2", working | {"SendAppState"}) == ([], [])
    newer = working - {"RejectCall"} | {"SendAppState", "GetBusinessProfile"}
    assert news("0.6.0", newer) == (["calls"], ["app state", "business profile"])


def test_every_call_of_the_client_is_in_the_table_once() -> None:
    calls = [call for one in CAPABILITIES for call in one.calls]
    assert sorted(calls) == sorted(_of_the_client()["calls"])


def test_the_installed_library_exports_what_the_table_says() -> None:
    exported = set(_of_the_client()["symbols"])
    states = {one.name: one.state(library_version(), exported) for one in CAPABILITIES if one.symbols}
    verified = {one.name for one in CAPABILITIES if one.verified}
    assert {name for name, state in states.items() if state is CapabilityState.WORKS} == verified
    assert {name for name, state in states.items() if state is CapabilityState.UNVERIFIED} == {"app state"}


def _of_the_client() -> dict[str, list[str]]:
    """The client's calls and the library's symbols, found where loading the library does no harm."""
    program = """
import json, os, sys
answer = os.dup(1)
os.dup2(2, 1)
from whatsapp_mcp.client.calls import CALLS
from whatsapp_mcp.client.library import exported
os.write(answer, json.dumps({"calls": list(CALLS), "symbols": sorted(exported())}).encode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_every_tool_of_the_table_exists() -> None:
    tools = {spec_of(function).name for function in toolsets.load_tools(toolsets.ALL_TOOLSETS)}
    assert {tool for one in CAPABILITIES for tool in one.tools} <= tools


def test_a_tool_is_offered_only_if_everything_that_it_needs_was_seen_to_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = tuple(replace(one, verified=("9.0",)) if one.name == "channels" else one for one in CAPABILITIES)
    monkeypatch.setattr(capabilities, "CAPABILITIES", broken)
    assert not is_offered("list_channels", "0.5.2")
    assert is_offered("list_channels", "9.0")
    assert is_offered("send_message", "0.5.2")
    assert is_offered("list_messages", "0.0.1")
    names = {spec_of(function).name for function in toolsets.load_tools(toolsets.ALL_TOOLSETS)}
    assert names.isdisjoint(capability("channels").tools)
    assert "send_message" in names


def test_a_client_whose_library_lacks_a_symbol_answers_unsupported_with_the_sentence() -> None:
    answer = _run(ALL - {"NewsletterSendReaction"}, "follow_newsletter", {"channel": "1@newsletter"})
    assert answer == "UNSUPPORTED: The client library cannot work with channels."


def test_a_client_whose_library_has_more_symbols_does_what_it_did() -> None:
    assert _run(ALL | {"DoMore"}, "follow_newsletter", {"channel": "1@newsletter"}) == "followed 1"


def _run(symbols: frozenset[str], method: str, params: dict[str, Any]) -> str:
    """What the client process answers with a library of these symbols; in a process of its own."""
    program = f"""
import asyncio, os
answer = os.dup(1)
os.dup2(2, 1)
from types import SimpleNamespace
from whatsapp_mcp.client.arguments import Arguments
from whatsapp_mcp.client.calls import run
from whatsapp_mcp.errors import WhatsAppError

async def follow(jid):
    return f"followed {{jid.User}}"

library = SimpleNamespace(
    client=SimpleNamespace(follow_newsletter=follow), version="0.5.2", symbols=frozenset({sorted(symbols)!r})
)
try:
    told = asyncio.run(run(library, {method!r}, Arguments({params!r})))
except WhatsAppError as error:
    told = f"{{error.code}}: {{error.message}}"
os.write(answer, told.encode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    return done.stdout.decode()
