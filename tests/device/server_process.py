"""`python -m tests.device.server_process HOME`: a server without a face, for tests that kill it.

Says `{"pid": …}` when it hosts; holds the account's device until its standard input closes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

from whatsapp_mcp.device.runtime import open_device
from whatsapp_mcp.settings import Settings


@asynccontextmanager
async def server_process(home: Path) -> AsyncIterator[anyio.abc.Process]:
    """Run one in a process of its own; killed at the end if it still lives."""
    command = [sys.executable, "-m", "tests.device.server_process", str(home)]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            assert process.stdout is not None
            await process.stdout.receive()
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def main(home: Path) -> None:
    """Hold the device until standard input closes."""
    async with open_device(Settings(home=home)) as (devices, _):
        hosted_by = None
        while hosted_by != os.getpid():
            async with devices.use() as device:
                hosted_by = (await device.status()).hosted_by
            await anyio.sleep(0.01)
        sys.stdout.write(json.dumps({"pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
