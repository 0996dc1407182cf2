"""`python -m whatsapp_simulator`: a WhatsApp for programs in other processes and languages.

JSON-RPC 2.0 on stdin and stdout, one object a line. The first line is a notification `ready` whose
`environment` points a client process at this WhatsApp. The program ends when stdin closes.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import BinaryIO

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream, ByteSendStream

from whatsapp_mcp.processes.rpc import Peer, by_name
from whatsapp_simulator.control import Control
from whatsapp_simulator.whatsapp import WhatsApp

_CHUNK = 65536


class _Input(ByteReceiveStream):
    """A pipe that is read in a thread; the thread may still be blocked in a read when the program ends."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()

    async def receive(self, max_bytes: int = _CHUNK) -> bytes:
        data = await anyio.to_thread.run_sync(os.read, self._descriptor, max_bytes, abandon_on_cancel=True)
        if not data:
            raise anyio.EndOfStream
        return data

    async def aclose(self) -> None:
        """Do nothing: the descriptor belongs to the process."""


class _Output(ByteSendStream):
    """A pipe that is written to in a thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def send(self, item: bytes) -> None:
        await anyio.to_thread.run_sync(self._write, item)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    async def aclose(self) -> None:
        """Do nothing: the descriptor belongs to the process."""


async def _serve(seed: int) -> None:
    async with WhatsApp(seed=seed) as whatsapp:
        calls = by_name(Control(whatsapp).methods)
        async with Peer(_Input(sys.stdin.buffer), _Output(sys.stdout.buffer), calls) as peer:
            await peer.notify("ready", {"environment": whatsapp.environment()})
            await peer.wait_closed()


def main() -> None:
    """Run until stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m whatsapp_simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed produces the same people and keys")
    anyio.run(_serve, parser.parse_args().seed)
    # A normal exit would wait for the thread that is blocked in a read of stdin.
    os._exit(0)


if __name__ == "__main__":
    main()
