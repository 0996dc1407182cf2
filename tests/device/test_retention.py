"""The server that hosts an account keeps no more of its messages than the settings say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import NOON, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.settings import RetentionSettings, Settings

pytestmark = pytest.mark.anyio


async def test_the_leader_clears_what_is_older_than_the_settings_say_and_sent_files(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, retention=RetentionSettings(days=30))
    outgoing = settings.account_folder().outgoing
    outgoing.mkdir(parents=True)
    (outgoing / "5f1c.png").touch()
    os.utime(outgoing / "5f1c.png", (0, 0))
    async with open_archive(settings.account_folder(), write=True) as archive:
        await archive.ingest(journal([ev.message("OLD", at=NOON), ev.message("NEW", at=int(time.time()))]))
    async with open_device(settings) as (_, archive, _):
        with anyio.fail_after(30):
            while (await archive.statistics()).messages == 2:  # noqa: ASYNC110
                await anyio.sleep(0.02)
            while any(outgoing.iterdir()):  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert [message.message_id for message in (await archive.messages()).items] == ["NEW"]
