"""`python -m tests.device.server_process HOME`: a server without a face, for tests that kill it.

Says `{"pid": …}` when it hosts; holds the account's device until its standard input closes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

import whatsapp_mcp
from whatsapp_mcp.device.leader import serving
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.processes.child_process import client_program
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import launcher


@asynccontextmanager
async def server_process(home: Path, where: Path | None = None) -> AsyncIterator[anyio.abc.Process]:
    """Run one in a process of its own; killed at the end if it still lives.

    Args:
        where: A folder with other packages of the same names (`another_version`).
    """
    command = [sys.executable, "-m", "tests.device.server_process", str(home)]
    async with await anyio.open_process(command, stderr=None, cwd=where) as process:
        try:
            assert process.stdout is not None
            await process.stdout.receive()
            yield process
        finally:
            if process.returncode is None:
                process.kill()


def another_version(folder: Path, version: str, protocol: int) -> Path:
    """The packages as they are, in a new folder, but for their version and the number of their protocol."""
    shutil.copytree(Path(whatsapp_mcp.__file__).parent, folder / "whatsapp_mcp")
    (folder / "tests" / "device").mkdir(parents=True)
    (folder / "tests" / "__init__.py").touch()
    shutil.copy(__file__, folder / "tests" / "device")
    for name, line in (("__init__.py", "__version__ ="), ("device/leader/serving.py", "PROTOCOL: Final =")):
        file = folder / "whatsapp_mcp" / name
        value = f'"{version}"' if name == "__init__.py" else str(protocol)
        text = file.read_text(encoding="utf-8")
        changed = re.sub(rf"^{re.escape(line)} .*$", f"{line} {value}", text, flags=re.MULTILINE)
        assert changed != text or str(serving.PROTOCOL) == value, name
        file.write_text(changed, encoding="utf-8")
    return folder


async def main(home: Path) -> None:
    """Hold the device until standard input closes."""
    if "WHATSAPP_SIMULATOR_NOISE_ROOT" in os.environ:
        client_program.set(launcher.client_program(os.environ))
    async with open_device(Settings(home=home)) as (devices, _, _):
        leader_pid = None
        while leader_pid != os.getpid():
            async with devices.use() as device:
                leader_pid = (await device.do(control.status)).leader_pid
            await anyio.sleep(0.01)
        sys.stdout.write(json.dumps({"pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
