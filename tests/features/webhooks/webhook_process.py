"""`python -m tests.features.webhooks.webhook_process HOME`: delivers webhooks, for tests that kill it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import anyio.abc

from tests.server.fakes import FakeDevice, FakeDevices
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.operations import Devices
from whatsapp_mcp.features.webhooks.serving import Webhooks
from whatsapp_mcp.ledger import open_ledger
from whatsapp_mcp.server.feed import ChangeFeed
from whatsapp_mcp.settings import CurrentSettings, load


@asynccontextmanager
async def webhook_process(home: Path) -> AsyncIterator[anyio.abc.Process]:
    """Run one; killed at the end, if it still lives."""
    command = [sys.executable, "-m", "tests.features.webhooks.webhook_process", str(home)]
    async with await anyio.open_process(command, stdout=None, stderr=None) as process:
        try:
            yield process
        finally:
            process.kill()


async def main(home: Path) -> None:
    """Deliver until killed; no leader reports what is new, so the file does."""
    settings = CurrentSettings(load(home))
    folder = settings.now().account_folder()
    feed = ChangeFeed()
    async with (
        open_archive(folder) as archive,
        open_ledger(folder) as ledger,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(feed.run, cast("Devices", FakeDevices(FakeDevice())), archive)
        tasks.start_soon(Webhooks(feed, archive, ledger, settings).run)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
