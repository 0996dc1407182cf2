"""Linking as an application without images does it: by a code to type, or by the picture in a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest
from mcp import Client

from tests import simulated
from tests.server.fakes import FakeSource, text_of
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.leader.background import background_tasks
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_mcp.simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def test_a_code_to_type_follows_the_qr_and_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with WhatsApp() as wa:
        simulated.use(wa, monkeypatch)
        async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
            device = LocalDevice(folder, CurrentSettings(Settings(home=tmp_path)), archive, tasks, owner=None)
            await device.start()
            source = FakeSource(cast("Any", device), archive, tmp_path)
            async with Client(create(source, "core")) as client:
                shown = text_of((await client.call_tool("link_device", {})).content)
                picture = folder.path / "link.png"
                assert f"open and scan {picture}" in shown
                assert picture.read_bytes().startswith(b"\x89PNG")
                arguments = {"phone": wa.me.pn.number}
                shown = text_of((await client.call_tool("link_device", arguments)).content)
                code = re.search(r"the code ([A-Z0-9]{4}-[A-Z0-9]{4}) ", shown)
                assert code is not None, shown
                await wa.me.enter_code(code.group(1))
                answer = await client.call_tool("link_device", {**arguments, "wait": 30})
                assert "inked" in text_of(answer.content)
                assert not picture.exists()
