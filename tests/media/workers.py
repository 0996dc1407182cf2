"""Workers whose process is another program."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from whatsapp_mcp.media import Worker

HERE: Final = Path(__file__).parent
PROBING: Final = (sys.executable, "-P", str(HERE / "probing_child.py"))
"""Its jobs try what no job may do."""
WITHOUT_PYAV: Final = (
    sys.executable,
    "-P",
    "-c",
    "import sys; sys.modules['av'] = None; from whatsapp_mcp.media.jobs import main; main()",
)
"""The real jobs where the extra `media` is not installed."""


@asynccontextmanager
async def kept(
    program: Sequence[str],
    idle_seconds: float = 60.0,
    jobs_per_process: int = 200,
    turns: anyio.Semaphore | None = None,
) -> AsyncIterator[Worker]:
    """A worker with this program, while the body runs."""
    worker = Worker(
        program=tuple(program), idle_seconds=idle_seconds, jobs_per_process=jobs_per_process, turns=turns
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(worker.keep)
        yield worker
        tasks.cancel_scope.cancel()
