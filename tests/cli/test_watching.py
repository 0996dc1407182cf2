"""`whatsapp-mcp status --watch`: each change once, redrawn where that is possible."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from rich.console import Console
from rich.live import Live

from tests.cli.fakes import NOON, status_of
from whatsapp_mcp.cli.connection.status import (
    LineWatcher,
    ScreenWatcher,
    follow,
    looks,
    style_of,
    to_json,
    to_text,
)
from whatsapp_mcp.models import ConnectionState as S
from whatsapp_mcp.models import ConnectionStatus
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

ONLINE = status_of(S.ONLINE, "+15550001111")
ONE = NOON + timedelta(hours=1)
LOST = replace(ONLINE, state=S.RECONNECTING, reason="The connection was lost.", since=ONE)


async def played(*statuses: ConnectionStatus) -> AsyncGenerator[ConnectionStatus]:
    for status in statuses:
        yield status


async def test_a_program_gets_one_object_a_line_and_none_twice():
    out = io.StringIO()

    await follow(played(ONLINE, ONLINE, LOST, ONLINE), LineWatcher(out, lambda each: to_json(each, "/home")))

    told = [json.loads(line)["state"] for line in out.getvalue().splitlines()]
    assert told == ["online", "reconnecting", "online"]


async def test_on_a_screen_the_states_that_are_over_stay_above_what_is_redrawn():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40, highlight=False)

    with Live(console=console, auto_refresh=False) as live:
        watcher = ScreenWatcher(live, lambda each: to_text(each, "/home"))
        await follow(played(ONLINE, ONLINE, LOST, replace(ONLINE, history_progress=40, since=ONE)), watcher)

    said = out.getvalue()
    assert f"{ONE.astimezone():%H:%M:%S}  \x1b[0m\x1b[1;33mreconnecting" in said
    assert "\x1b[1A" in said
    assert said.rindex("reconnecting") < said.rindex("online")
    assert "The history comes:" in said
    assert "\x1b[2J" not in said


async def test_a_state_is_red_where_somebody_has_to_act_and_yellow_where_it_ends_by_itself():
    assert style_of(S.ONLINE) == "bold green"
    assert style_of(S.REPLACED) == "bold red"
    assert style_of(S.RECONNECTING) == "bold yellow"


async def test_it_looks_without_a_server_and_takes_no_lock(tmp_path: Path):
    folder = AccountFolder("default", tmp_path)
    seen: list[ConnectionStatus] = []

    with anyio.fail_after(30):
        async for status in looks(folder, every=0.0):
            seen.append(status)
            if len(seen) == 2:
                break

    assert [each.state for each in seen] == [S.UNLINKED, S.UNLINKED]
    assert [each async for each in anyio.Path(tmp_path).iterdir()] == []
