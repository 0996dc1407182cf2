"""What every log of operations does: the one in PostgreSQL, and the one that tests of archives use."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.archive.logs import MemoryLog
from tests.fleet.led import LedAccount
from whatsapp_mcp.storage import OperationLog, Pruned

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "postgres"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[OperationLog]:
    if request.param == "memory":
        yield MemoryLog()
    else:
        with LedAccount(request.getfixturevalue("database")) as led:
            async with led.log() as opened:
                yield opened


async def test_rows_are_numbered_from_one_without_gaps(log: OperationLog) -> None:
    assert await log.last() == 0
    assert await log.append([b"a", b"b"]) == 2
    assert await log.append([b"c"]) == 3
    assert [(row.seq, row.body) for row in await log.read(0, 10)] == [(1, b"a"), (2, b"b"), (3, b"c")]
    assert await log.last() == 3


async def test_reading_goes_on_after_a_row(log: OperationLog) -> None:
    await log.append([b"%d" % number for number in range(10)])
    assert [row.seq for row in await log.read(3, 4)] == [4, 5, 6, 7]
    assert list(await log.read(10, 4)) == []


async def test_bodies_come_back_as_they_were(log: OperationLog) -> None:
    bodies = [b"", b"\x00\xff'\\{}", b"x" * 1_000_000]
    await log.append(bodies)
    assert [row.body for row in await log.read(0, 10)] == bodies


async def test_what_is_appended_at_the_same_time_stays_together_and_is_each_there_once(
    log: OperationLog,
) -> None:
    ends: dict[int, int] = {}

    async def append(number: int) -> None:
        ends[number] = await log.append([b"%d first" % number, b"%d second" % number])

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(append, number)
    rows = {row.seq: row.body for row in await log.read(0, 1_000)}
    assert sorted(rows) == list(range(1, 121))
    assert all(rows[end] == b"%d second" % number for number, end in ends.items())
    assert all(rows[end - 1] == b"%d first" % number for number, end in ends.items())


async def test_numbers_go_on_after_pruning(log: OperationLog) -> None:
    await log.append([b"a", b"b", b"c"])
    assert await log.prune(2) == 2
    assert await log.last() == 3
    assert [row.seq for row in await log.read(2, 10)] == [3]
    assert await log.append([b"d"]) == 4


async def test_what_was_pruned_is_not_passed_over(log: OperationLog) -> None:
    await log.append([b"a", b"b", b"c"])
    await log.prune(2)
    with pytest.raises(Pruned):
        await log.read(1, 10)


async def test_a_log_that_was_pruned_as_a_whole_says_so_too(log: OperationLog) -> None:
    await log.append([b"a", b"b"])
    await log.prune(2)
    assert list(await log.read(2, 10)) == []
    with pytest.raises(Pruned):
        await log.read(0, 10)
