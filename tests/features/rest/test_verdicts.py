"""Every tool has the same verdict by MCP and over HTTP, in each mode, and leaves the same in the audit.

Two worlds are made alike; in one every tool is called by MCP, in the other over HTTP. What the leader asks a
person about is refused by the person before the next call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client

from tests.core import CORE_TOOLS
from tests.server.everything import Everything, everything
from tests.server.fakes import FakeSource
from tests.server.over_http import api
from tests.server.pair import _VOLATILE
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.guard import EnforcedDevice, Gate, Upkeep
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.device.operations import Device, approvals
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import PERSON
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import CurrentSettings, Settings

pytestmark = pytest.mark.anyio
MODES = ("read_only", "standard", "lockdown", "open")
ONCE = {"unlink_device", "link_device"}
"""Tools that end the connection, or mean nothing while there is one: tried where the first is refused."""
TOOLS = [*CORE_TOOLS]

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool; its data, or `{"error": …}`."""


@dataclass
class Enforced:
    """A world whose device is behind the leader's guard."""

    world: Everything
    source: FakeSource
    person: Device
    ledger: Ledger

    async def settle(self, error: dict[str, Any]) -> None:
        """Say no, where a person was asked."""
        if number := error.get("approval"):
            await self.person.do(approvals.decide, number, False, "terminal")


@asynccontextmanager
async def enforced(home: Path) -> AsyncIterator[Enforced]:
    folder = Settings(home=home).account_folder()
    async with everything(home) as world, open_ledger(folder) as ledger, background_tasks() as tasks:
        linked = world.linked
        settings = CurrentSettings(Settings(home=home))
        gate = Gate(linked.archive, ledger, settings, lambda: linked.device.outbox, SystemClock(), [])
        tasks.start_soon(Upkeep(linked.archive, ledger, gate).run)
        device = EnforcedDevice(gate, linked.device.parts)
        source = FakeSource(device, linked.archive, home, worker=linked.worker)  # pyright: ignore[reportArgumentType]
        yield Enforced(world, source, device.acting_for(PERSON), ledger)


def by_mcp(client: Client) -> Ask:
    async def ask(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return (await client.call_tool(tool, arguments)).structured_content or {}

    return ask


def over_http(http: httpx2.AsyncClient) -> Ask:
    async def ask(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await http.post(f"/api/v1/{tool}", json=arguments)
        assert answer.is_success is ("error" not in answer.json())
        return answer.json()

    return ask


async def answers(rig: Enforced, home: Path, ask: Ask) -> dict[tuple[str, str], str]:
    """What each tool answers in each mode, but for what no two calls have in common."""
    told: dict[tuple[str, str], str] = {}
    for mode in MODES:
        (home / "config.toml").write_text(f'[policy]\nmode = "{mode}"\n', encoding="utf-8")
        rig.source.policy = Policy.in_mode(mode)
        for tool in TOOLS:
            if tool == "reconnect" or (tool in ONCE and mode != MODES[0]):
                continue
            with anyio.fail_after(60):
                answer = await ask(tool, rig.world.good(tool))
            error = answer.get("error")
            if error is not None:
                await rig.settle(error)
                told[mode, tool] = error["code"]
            else:
                told[mode, tool] = _VOLATILE.sub("…", repr(sorted(answer)))
    return told


def acts(ledger: Ledger) -> list[tuple[Any, ...]]:
    """What the audit says was done or refused, but for who did it."""
    return [
        (row.entry.caller.tool, row.entry.operation, row.entry.verdict, row.entry.rule, row.entry.outcome)
        for row in ledger.audit.rows()
        if row.kind == "act"
    ]


async def test_each_tool_has_the_same_verdict_by_mcp_and_over_http(tmp_path: Path) -> None:
    told: list[dict[tuple[str, str], str]] = []
    audits: list[list[tuple[Any, ...]]] = []
    for interface in ("mcp", "http"):
        home = tmp_path / interface
        home.mkdir(mode=0o700)
        async with enforced(home) as rig:
            application = create(rig.source, "all", structured=True)
            if interface == "mcp":
                async with Client(application) as client:
                    told.append(await answers(rig, home, by_mcp(client)))
            else:
                async with api(rig.source, application=application) as http:
                    told.append(await answers(rig, home, over_http(http)))
            audits.append(acts(rig.ledger))

    by_tool, over = told
    assert {key: (by_tool[key], over[key]) for key in by_tool if by_tool[key] != over[key]} == {}
    assert audits[0] == audits[1]
    codes = {mode: {code for (where, _), code in over.items() if where == mode} for mode in MODES}
    assert "DENIED" in codes["read_only"]
    assert "APPROVAL_REQUIRED" in codes["standard"]
    assert "APPROVAL_REQUIRED" in codes["lockdown"]
    assert codes["open"].isdisjoint({"APPROVAL_REQUIRED"})
