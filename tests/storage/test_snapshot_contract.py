"""What every place for snapshots does: a folder here, and others that the fleet has."""

from pathlib import Path

import anyio
import pytest

from whatsapp_mcp.archive.care import FolderSnapshots
from whatsapp_mcp.storage import Snapshot, SnapshotStore

pytestmark = pytest.mark.anyio
FIRST, SECOND = Snapshot(10, "aa", 3), Snapshot(20, "bb", 7)


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotStore:
    return FolderSnapshots(tmp_path / "snapshots")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


async def put(snapshots: SnapshotStore, snapshot: Snapshot, file: Path, content: bytes = b"content") -> None:
    await anyio.Path(file).write_bytes(content)
    await snapshots.put(snapshot, file)
    await anyio.Path(file).write_bytes(b"")


async def fetched(snapshots: SnapshotStore, snapshot: Snapshot, file: Path) -> bytes:
    await snapshots.fetch(snapshot, file)
    return await anyio.Path(file).read_bytes()


async def test_there_is_none_before_the_first(snapshots: SnapshotStore) -> None:
    assert await snapshots.newest() is None


async def test_one_that_was_put_does_not_count_yet(snapshots: SnapshotStore, file: Path) -> None:
    await put(snapshots, FIRST, file)
    assert await snapshots.newest() is None


async def test_the_one_that_was_pointed_to_counts_and_comes_back_as_it_was(
    snapshots: SnapshotStore, file: Path
) -> None:
    content = bytes(range(256)) * 12_000
    await put(snapshots, FIRST, file, content)
    await snapshots.point_to(FIRST)
    assert await snapshots.newest() == FIRST
    assert await fetched(snapshots, FIRST, file) == content


async def test_a_newer_one_takes_the_place_of_the_older(snapshots: SnapshotStore, file: Path) -> None:
    await put(snapshots, FIRST, file)
    await snapshots.point_to(FIRST)
    await put(snapshots, SECOND, file)
    await snapshots.point_to(SECOND)
    assert await snapshots.newest() == SECOND


async def test_the_one_that_counts_is_never_deleted(snapshots: SnapshotStore, file: Path) -> None:
    await put(snapshots, FIRST, file, b"kept")
    await snapshots.point_to(FIRST)
    await snapshots.keep_from(1_000)
    assert await fetched(snapshots, FIRST, file) == b"kept"


async def test_of_older_ones_nothing_is_left(snapshots: SnapshotStore, file: Path) -> None:
    await put(snapshots, FIRST, file)
    await snapshots.point_to(FIRST)
    await put(snapshots, SECOND, file)
    await snapshots.point_to(SECOND)
    await snapshots.keep_from(SECOND.seq)
    with pytest.raises(OSError, match=r"snapshot|No such file"):
        await snapshots.fetch(FIRST, file)


async def test_putting_one_again_changes_nothing(snapshots: SnapshotStore, file: Path) -> None:
    await put(snapshots, FIRST, file)
    await snapshots.point_to(FIRST)
    await put(snapshots, FIRST, file)
    assert await fetched(snapshots, FIRST, file) == b"content"
