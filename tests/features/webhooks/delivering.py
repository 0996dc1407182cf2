"""The webhooks of an archive, as a server process delivers them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio

from tests.server.fakes import FakeDevice, FakeDevices, ledger_in
from whatsapp_mcp.archive import Archive, ReadingArchive
from whatsapp_mcp.device.operations import Devices
from whatsapp_mcp.features.webhooks.serving import Webhooks
from whatsapp_mcp.models import Activity
from whatsapp_mcp.server.feed import ChangeFeed
from whatsapp_mcp.settings import CurrentSettings, load

LIMIT = 30.0


class Reporting(FakeDevice):
    """A leader that reports changes."""

    def __init__(self, archive: ReadingArchive) -> None:
        super().__init__()
        self.archive = archive

    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        return Activity(await self.archive.wait_change(after, wait))


def config(url: str, *lines: str, rules: str = "") -> str:
    """A `config.toml` with a webhook on loopback."""
    own = "\n".join(lines)
    return f"""{rules}
[[webhooks]]
name = "n8n"
url = "{url}"
secrets = ["env:HOOK"]
private_network = true
{own}
"""


@asynccontextmanager
async def delivering(archive: Archive, home: Path, text: str, *, begins: bool = True) -> AsyncIterator[None]:
    """Deliver as `config.toml` says; with the body's begin the webhook has begun, if it does at all."""
    (home / "config.toml").write_text(text, encoding="utf-8")
    feed, ledger = ChangeFeed(), ledger_in(home)
    webhooks = Webhooks(feed, archive, ledger, CurrentSettings(load(home)))
    devices = cast("Devices", FakeDevices(Reporting(archive)))
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed.run, devices, archive)
            tasks.start_soon(webhooks.run)
            while begins and ledger.webhooks.progress("n8n") is None:  # noqa: ASYNC110  another process may write it
                await anyio.sleep(0.01)
            yield
            tasks.cancel_scope.cancel()
