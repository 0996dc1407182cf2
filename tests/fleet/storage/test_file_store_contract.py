"""What every store of files does."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from tests.fleet.led import ACCOUNT, LedAccount
from tests.fleet.object_stores import KINDS, objects_of, store_of
from whatsapp_mcp.storage import Fenced, FileStore

pytestmark = pytest.mark.anyio
LARGE = bytes(range(256)) * 9_000
"""More than two parts."""


@pytest.fixture(params=["database", *KINDS])
def led(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[LedAccount]:
    with LedAccount(database, store_of(request.param, tmp_path)) as led:
        yield led


@pytest.fixture
async def files(led: LedAccount) -> AsyncIterator[FileStore]:
    async with led.files() as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    return path


async def test_a_file_comes_back_as_it_was(files: FileStore, file: Path, tmp_path: Path) -> None:
    await files.put("a.jpg", file)
    target = tmp_path / "target"
    target.write_bytes(b"former content")
    assert await files.fetch("a.jpg", target)
    assert target.read_bytes() == LARGE


async def test_an_empty_file_comes_back(files: FileStore, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    await files.put("a.txt", empty)
    assert await files.fetch("a.txt", empty)
    assert empty.read_bytes() == b""


async def test_one_that_is_not_there_is_not_fetched(files: FileStore, file: Path) -> None:
    assert not await files.fetch("a.jpg", file)


async def test_one_that_is_there_stays_as_it_is(files: FileStore, file: Path) -> None:
    await files.put("a.jpg", file)
    await anyio.Path(file).write_bytes(b"other")
    await files.put("a.jpg", file)
    assert await files.fetch("a.jpg", file)
    assert await anyio.Path(file).read_bytes() == LARGE


async def test_those_that_are_deleted_are_gone_and_others_stay(files: FileStore, file: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        await files.put(name, file)
    await files.delete(["a.jpg", "c.jpg", "d.jpg"])
    assert await files.names() == {"b.jpg"}
    assert not await files.fetch("a.jpg", file)


async def test_what_a_killed_leader_has_put_in_part_is_not_there_and_deleted_with_the_next(
    led: LedAccount, files: FileStore, file: Path
) -> None:
    await files.put("whole.jpg", file)
    led.session.execute("INSERT INTO whatsapp_mcp.file_parts VALUES (%s, 'part.jpg', 0, '')", [ACCOUNT])
    assert await files.names() == {"whole.jpg"}
    await files.delete([])
    found = led.session.execute("SELECT DISTINCT name FROM whatsapp_mcp.file_parts").fetchall()
    assert ("part.jpg",) not in found


async def test_of_a_file_that_is_deleted_no_body_is_left(
    led: LedAccount, files: FileStore, file: Path
) -> None:
    for name in ("a.jpg", "b.jpg"):
        await files.put(name, file)
    before = objects_of(led.database)
    await files.delete(["a.jpg"])
    await files.delete(["b.jpg"])
    assert led.session.execute("SELECT FROM whatsapp_mcp.file_parts").fetchall() == []
    assert objects_of(led.database) == []
    assert bool(before) == (led.database.objects is not None)


async def test_a_former_leader_puts_nothing(led: LedAccount, files: FileStore, file: Path) -> None:
    led.take_over()
    with pytest.raises(Fenced):
        await files.put("a.jpg", file)
    async with led.files() as following:
        assert await following.names() == frozenset()


async def test_a_former_leader_deletes_nothing(led: LedAccount, files: FileStore, file: Path) -> None:
    await files.put("a.jpg", file)
    led.take_over()
    with pytest.raises(Fenced):
        await files.delete(["a.jpg"])
    async with led.files() as following:
        assert await following.names() == {"a.jpg"}
