"""What is written to a pipe arrives whole and in order, and at once only where that waits for nobody."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from whatsapp_mcp.system import PipeOutput

pytestmark = pytest.mark.anyio

Ends = tuple[int, int]
LIMIT = 20


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Where it can be read, and where it is written to."""
    if request.param == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (one.detach() for one in socket.socketpair())
    yield reading, writing
    for fd in (reading, writing):
        os.close(fd)


def threads_that_write(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that write from now on, one entry for each time."""
    threads: list[int] = []
    write = os.write

    def noted(fd: int, data: bytes) -> int:
        threads.append(threading.get_ident())
        return write(fd, data)

    monkeypatch.setattr(os, "write", noted)
    return threads


async def test_what_fits_is_written_by_the_thread_that_writes(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = ends
    threads = threads_that_write(monkeypatch)
    await PipeOutput(writing).write(b"news")
    assert threads == [threading.get_ident()]
    assert os.read(reading, 100) == b"news"


async def test_a_full_pipe_holds_up_whoever_writes_and_nobody_else(ends: Ends) -> None:
    reading, writing = ends
    output = PipeOutput(writing)
    piece = b"x" * select.PIPE_BUF
    written = 0

    async def fill() -> None:
        nonlocal written
        for _ in range(200):
            await output.write(piece)
            written += 1

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fill)
            await anyio.lowlevel.checkpoint()
            assert 0 < written < 200  # and this task goes on
            got = 0
            while got < 200 * len(piece):
                got += len(await anyio.to_thread.run_sync(os.read, reading, 1 << 20))
    assert written == 200


async def test_long_and_short_texts_arrive_whole_and_in_order(ends: Ends) -> None:
    reading, writing = ends
    output = PipeOutput(writing)
    pieces = [b"%d" % n * (1, 3, 50_000)[n % 3] for n in range(30)]
    got = bytearray()

    def read() -> None:
        while len(got) < sum(map(len, pieces)):
            got.extend(os.read(reading, 1 << 16))

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, read)
            for piece in pieces:
                await output.write(piece)
    assert bytes(got) == b"".join(pieces)


async def test_it_says_when_nobody_reads_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for size in (4, 100_000):
        with pytest.raises(BrokenPipeError):
            await PipeOutput(writing).write(b"x" * size)
    os.close(writing)


async def test_a_file_is_written_to_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = threads_that_write(monkeypatch)
    with (tmp_path / "out").open("wb", buffering=0) as file:
        await PipeOutput(file.fileno()).write(b"news")
    assert threads != [threading.get_ident()]
    assert (tmp_path / "out").read_bytes() == b"news"
