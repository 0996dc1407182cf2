"""`scheduled` as a person types it: what is to go out later is listed, moved and cancelled."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.archive.events import ANA
from tests.cli.test_black_box import run
from tests.fixtures import call, link, mcp_client
from whatsapp_mcp.archive import open_archive, outbox, recording
from whatsapp_mcp.models import ContactUpdate, SendRequest, TextContent
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def test_what_is_scheduled_is_listed_without_a_server(whatsapp: WhatsApp, home: Path) -> None:
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    async with open_archive(Settings(home=home).account_folder(), write=True) as archive:
        await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
        await archive.write(
            outbox.add, SendRequest(ANA, TextContent("see you\n\x1b[31m"), at=at, unless_reply=True)
        )

    (listed,) = json.loads((await run(whatsapp, home, "scheduled", "list", "--json")).stdout)
    assert datetime.fromisoformat(listed["at"]) == at
    assert (listed["send_id"], listed["name"], listed["unless_reply"]) == (1, "Ana", True)
    shown = (await run(whatsapp, home, "scheduled", "list")).stdout.decode()
    assert "see you" in shown
    assert "if they do not write first" in shown
    assert "\x1b" not in shown


async def test_nothing_scheduled_is_said(whatsapp: WhatsApp, home: Path) -> None:
    async with open_archive(Settings(home=home).account_folder(), write=True):
        pass
    assert (await run(whatsapp, home, "scheduled", "list")).stdout == b"Nothing is scheduled.\n"


async def test_one_is_moved_and_cancelled_while_a_server_runs(whatsapp: WhatsApp, home: Path) -> None:
    (home / "config.toml").write_text('[policy]\nmode = "open"\n', encoding="utf-8")
    ann = whatsapp.person("Ann")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        first = await call(client, "send_message", chat=ann.number, text="later", at="2h")
        done = await run(whatsapp, home, "scheduled", "move", str(first["send_id"]), "3h")
        assert done.stdout.decode().startswith(f"{first['send_id']} is now ")
        (moved,) = json.loads((await run(whatsapp, home, "scheduled", "list", "--json")).stdout)
        assert datetime.fromisoformat(moved["at"]) > datetime.fromisoformat(first["at"])

        gone = await run(whatsapp, home, "scheduled", "cancel", str(first["send_id"]))
        assert (gone.returncode, b"scheduled list" in gone.stderr) == (1, True)
        done = await run(whatsapp, home, "scheduled", "cancel", str(moved["send_id"]))
        assert done.stdout.decode() == f"{moved['send_id']}: cancelled.\n"
        assert json.loads((await run(whatsapp, home, "scheduled", "list", "--json")).stdout) == []
