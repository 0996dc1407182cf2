"""Processes that deliver webhooks are killed at any moment, and another goes on."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import anyio
import pytest

from tests.features.webhooks.delivering import config
from tests.features.webhooks.receiver import SECRET, Receiver, receiving
from tests.features.webhooks.webhook_process import webhook_process
from tests.server.conftest import BOB, incoming
from tests.server.fakes import NOON, ledger_in
from whatsapp_mcp.archive import Archive

pytestmark = pytest.mark.anyio
LIMIT = 180.0
COUNT = 200
KILLS = 2


async def writes(archive: Archive) -> None:
    for seq in range(100, 100 + COUNT):
        await archive.ingest([incoming(seq, BOB, BOB, str(seq), NOON + timedelta(days=1))])


async def taken(receiver: Receiver, count: int) -> None:
    while len(receiver.taken) < count:  # noqa: ASYNC110  the receiver is in a thread of its own
        await anyio.sleep(0.005)


async def test_nothing_is_missed_or_out_of_order_when_processes_are_killed(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    chance = random.Random(5)
    await ledger_in(tmp_path).webhooks.begin("n8n", await archive.last_change())
    with receiving() as receiver, anyio.fail_after(LIMIT):
        (tmp_path / "config.toml").write_text(config(receiver.url), encoding="utf-8")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writes, archive)
            for turn in range(KILLS):
                async with webhook_process(tmp_path):
                    await taken(receiver, COUNT * turn // KILLS + chance.randrange(COUNT // KILLS))
        async with webhook_process(tmp_path), webhook_process(tmp_path):
            while len(set(receiver.ids)) < COUNT:  # noqa: ASYNC110
                await anyio.sleep(0.005)
    told = [next(group) for _, group in groupby(receiver.taken, key=lambda request: request.id)]
    assert [request.event["message"]["text"] for request in told] == [
        str(seq) for seq in range(100, 100 + COUNT)
    ]
    assert len(receiver.taken) - COUNT <= KILLS
