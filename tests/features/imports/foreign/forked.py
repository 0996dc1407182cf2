"""The processes of foreign archives, forked from one that has loaded everything."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import pytest

from whatsapp_mcp.media import worker
from whatsapp_mcp.processes.child_process import kept_variables, module_command

PROGRAM: Final = "whatsapp_mcp.features.imports.foreign"


class _Pipe:
    """One end of a pipe; as a stream of bytes, in both directions."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def send(self, data: bytes) -> None:
        await anyio.to_thread.run_sync(self._write, data)

    async def receive(self, max_bytes: int = 1 << 16) -> bytes:
        data = await anyio.to_thread.run_sync(os.read, self._descriptor, max_bytes, abandon_on_cancel=True)
        if not data:
            raise anyio.EndOfStream
        return data

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class Forked:
    """What `Worker` needs of a process.

    Attributes:
        pid: Its number.
        returncode: Its status, once it has ended.
        peak: The most bytes that it had when it was killed; 0 if it ended otherwise.
    """

    def __init__(self, control: socket.socket, arguments: list[str]) -> None:
        incoming, self._to = os.pipe()
        self._from, outgoing = os.pipe()
        socket.send_fds(control, [json.dumps(arguments).encode()], [incoming, outgoing])
        os.close(incoming)
        os.close(outgoing)
        self._control = control
        self.pid = int(control.recv(32))
        self.returncode: int | None = None
        self.peak = 0
        self.stdin, self.stdout = _Pipe(self._to), _Pipe(self._from)

    def kill(self) -> None:
        self.peak = _peak(self.pid)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(await anyio.to_thread.run_sync(self._control.recv, 32))
        return self.returncode

    async def aclose(self) -> None:
        self.stdin.close()
        self.stdout.close()


class Forks:
    """Starts them.

    Attributes:
        all: Those of the last archive.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self.all: list[Forked] = []

    async def spawn(self, program: tuple[str, ...]) -> Forked:
        """In place of `worker._spawn`."""
        found = program.index(PROGRAM)
        process = await anyio.to_thread.run_sync(Forked, self._control, list(program[found + 1 :]))
        self.all.append(process)
        return process


def _peak(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return 0


@asynccontextmanager
async def open_forks() -> AsyncIterator[Forks]:
    """A process that forks, for as long as the body runs."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with its:
            command = module_command("tests.features.imports.foreign.forking", str(its.fileno()))
            start = partial(
                subprocess.Popen,
                command,
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                env={**kept_variables(), "MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(Path.cwd())},
            )
            process = await anyio.to_thread.run_sync(start)
        try:
            yield Forks(ours)
        finally:
            ours.close()
            process.wait(10)


@contextmanager
def in_place_of_starting(forks: Forks) -> Iterator[None]:
    """Have the processes of foreign archives forked: they are the same, and confined as they are."""
    started = worker._spawn

    async def spawn(program: tuple[str, ...]) -> Any:
        return await (forks.spawn(program) if PROGRAM in program else started(program))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker, "_spawn", spawn)
        yield
