"""A leader is killed in the middle of imports; importing the same file again ends as if it had not been."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.device.server_process import server_process
from tests.features.imports.backups import android
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.features.imports import operations as imports
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, ImportStep
from whatsapp_mcp.models import ImportState, Message
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
COUNT = 6_000
FILES = 20
LIMIT = 60.0


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a phone with thousands of messages, some with files."""
    folder = tmp_path_factory.mktemp("phone") / "WhatsApp"
    (folder / "Databases").mkdir(parents=True)
    media = folder / "Media" / "WhatsApp Images"
    media.mkdir(parents=True)
    path = android.many(folder / "Databases" / "msgstore.db", COUNT)
    with android.sqlite3.connect(path) as db:
        named = db.execute("SELECT message_row_id, file_path FROM message_media LIMIT ?", (FILES,)).fetchall()
        for number, name in named:
            content = f"file {number}".encode()
            (folder / name).write_bytes(content)
            db.execute(
                """UPDATE message_media SET file_hash = ?, file_size = ?, file_length = ?
                WHERE message_row_id = ?""",
                (android.digest(content.decode()), len(content), len(content), number),
            )
    db.close()
    return folder


@asynccontextmanager
async def leader(home: Path) -> AsyncIterator[tuple[Any, Device]]:
    """A server process that leads, and its device; killed by the test or at the end."""
    folder = Settings(home=home).account_folder()
    async with server_process(home) as process, leading_device(folder) as device:
        yield process, device
        process.kill()


async def followed(device: Device, ticket: int, met: Callable[[ImportProgress], bool]) -> ImportProgress:
    with anyio.fail_after(LIMIT):
        while True:
            (one,) = await device.do(imports.imports, ticket)
            if one.is_over or met(one):
                return one
            await anyio.sleep(0.002)


def plain(message: Message) -> Message:
    """What does not depend on the order in which it was stored."""
    media = message.media and replace(
        message.media, path=message.media.path and Path(message.media.path).suffix
    )
    quote = message.quote and replace(message.quote, ref=None)
    return replace(message, ref=0, media=media, quote=quote)


async def held(home: Path) -> tuple[dict[str, Message], set[bytes], Any]:
    """What the archive has in the end: messages, files, and the reports of its imports."""
    folder = Settings(home=home).account_folder()
    messages: dict[str, Message] = {}
    count = 0
    async with open_archive(folder) as archive:
        cursor = None
        while True:
            page = await archive.messages(limit=500, cursor=cursor)
            count += len(page.items)
            messages |= {one.message_id: plain(one) for one in page.items}
            if (cursor := page.next_cursor) is None:
                break
        reports = [(one.number, one.state, one.report) for one in await archive.imports()]
    assert count == len(messages)
    files = {path.read_bytes() for path in folder.media.iterdir()} if folder.media.is_dir() else set[bytes]()
    return messages, files, reports


async def test_a_leader_that_is_killed_in_imports_doubles_and_misses_nothing(
    tmp_path: Path, backup: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    async with leader(whole) as (_, device):
        done = await followed(
            device, await device.do(imports.begin_import, ImportRequest(str(backup))), lambda _: False
        )
    assert (done.state, done.error) == (ImportState.DONE, None)

    chance = random.Random(7)
    steps = [(ImportStep.MESSAGES, chance.randrange(COUNT)) for _ in range(4)]
    for step, at in [
        *sorted(steps, key=lambda each: each[1]),
        (ImportStep.FILES, 1),
        (ImportStep.FILES, 3_000),
    ]:
        async with leader(killed) as (process, device):
            ticket = await device.do(imports.begin_import, ImportRequest(str(backup)))
            await followed(device, ticket, lambda one: one.step is step and one.done >= at)  # noqa: B023
            process.kill()
    async with leader(killed) as (_, device):
        assert (await device.do(imports.imports))[-1].state in {ImportState.INTERRUPTED, ImportState.DONE}
        ended = await followed(
            device, await device.do(imports.begin_import, ImportRequest(str(backup))), lambda _: False
        )
    assert ended.state is ImportState.DONE

    expected, found = await held(whole), await held(killed)
    assert found[0] == expected[0]
    assert len(expected[1]) == FILES
    assert found[1] == expected[1]
    *again, first = found[2]
    assert first == expected[2][0]
    assert [report.new for _, _, report in again] == [0] * len(again)  # one ended before it was killed


async def test_an_undo_that_is_killed_ends_with_nothing_left(tmp_path: Path, backup: Path) -> None:
    async with leader(tmp_path) as (_, device):
        await followed(
            device, await device.do(imports.begin_import, ImportRequest(str(backup))), lambda _: False
        )
    for at in (1, 2_000, 4_000):
        async with leader(tmp_path) as (process, device):
            await followed(device, await device.do(imports.undo_import, 1), lambda one: one.done >= at)  # noqa: B023
            process.kill()
    async with leader(tmp_path) as (_, device):
        (left,) = await device.do(imports.imports)
        if left.state is not ImportState.UNDONE:
            await followed(device, await device.do(imports.undo_import, 1), lambda _: False)
    messages, files, reports = await held(tmp_path)
    assert (messages, files) == ({}, set())
    assert [state for _, state, _ in reports] == [ImportState.UNDONE]
