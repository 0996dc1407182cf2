"""Bodies in an object store: what counts is what the database says, and nothing is left of what it forgot."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fleet.led import ACCOUNT, LedAccount
from tests.fleet.object_stores import KINDS, S3, objects_of, s3_server, store_of
from whatsapp_fleet.database import (
    DatabaseCalls,
    PostgresFiles,
    PostgresSnapshots,
    Reader,
    delete_forgotten,
    end_run,
    lease_of,
)
from whatsapp_fleet.node.admin.copies import delete_objects
from whatsapp_fleet.object_places import Bucket, Folder, StoreFailed
from whatsapp_fleet.objects import NotThisStore, ObjectStore
from whatsapp_fleet.tenancy import create_account, forget_account, remains
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.storage import Fenced, Snapshot, Unavailable

pytestmark = pytest.mark.anyio
FIRST, SECOND = Snapshot(10, "aa", 3), Snapshot(20, "bb", 7)
LARGE = bytes(range(256)) * 20_000
"""More than a part."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    return path


@pytest.fixture(params=KINDS)
def led(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[LedAccount]:
    with LedAccount(database, store_of(request.param, tmp_path)) as led:
        yield led


def files_of(led: LedAccount, objects: ObjectStore | None) -> PostgresFiles:
    """Its files for a leader with other settings."""
    return PostgresFiles(replace(led.database, objects=objects), ACCOUNT, led.epoch)


def store_in(led: LedAccount) -> ObjectStore:
    """The store of its settings."""
    assert led.database.objects is not None
    return led.database.objects


def empty(file: Path) -> None:
    file.write_bytes(b"")


def nothing(*_: object) -> None:
    pass


def content(file: Path) -> bytes:
    return file.read_bytes()


def let_go(led: LedAccount) -> None:
    """Nobody leads it any more."""
    lease = lease_of(led.session, ACCOUNT)
    assert lease is not None
    assert lease.run is not None
    end_run(led.session, lease.run)


async def test_what_is_in_the_database_and_what_is_in_the_store_are_had_side_by_side(
    led: LedAccount, file: Path
) -> None:
    async with files_of(led, None) as before:
        await before.put("a.jpg", file)
    async with led.files() as files:
        await files.put("b.jpg", file)
        for name in ("a.jpg", "b.jpg"):
            empty(file)
            assert await files.fetch(name, file)
            assert content(file) == LARGE
    assert len(objects_of(led.database)) == 2  # the parts of one file


async def test_a_body_in_another_store_is_not_called_missing(
    led: LedAccount, file: Path, tmp_path: Path
) -> None:
    async with led.files() as files:
        await files.put("a.jpg", file)
    (tmp_path / "other").mkdir()
    for other in (None, ObjectStore(store_in(led).url, Folder(tmp_path / "other"))):
        async with files_of(led, other) as files:
            with pytest.raises(NotThisStore):
                await files.fetch("a.jpg", file)


async def test_a_body_that_is_lost_is_an_error_and_one_that_was_deleted_is_none(
    led: LedAccount, file: Path
) -> None:
    async with led.files() as files:
        await files.put("a.jpg", file)
        store_in(led).delete(objects_of(led.database)[-1:])
        with pytest.raises(FileNotFoundError):
            await files.fetch("a.jpg", file)
        await files.delete(["a.jpg"])
        assert not await files.fetch("a.jpg", file)


async def test_a_body_that_somebody_has_changed_in_the_store_is_not_taken(
    led: LedAccount, file: Path
) -> None:
    async with led.files() as files:
        await files.put("a.jpg", file)
        store_in(led)._place.put(objects_of(led.database)[-1], b"of somebody else")
        with pytest.raises(StoreFailed, match="not what was put there"):
            await files.fetch("a.jpg", file)


def test_a_store_is_that_of_one_fleet(led: LedAccount, file: Path) -> None:
    one = store_in(led)
    other = ObjectStore(one.url, one._place)
    one.belong_to("one")
    other.belong_to("other")
    one.put(ACCOUNT, 1, file, lambda: False)
    assert one.identity() == one.identity()
    with pytest.raises(NotThisStore, match="another fleet"):
        other.identity()
    with pytest.raises(NotThisStore):
        delete_forgotten(other, lambda accounts: accounts)
    assert one.bodies(ACCOUNT)


async def test_what_a_killed_leader_has_put_is_deleted_by_the_next_and_what_is_being_put_stays(
    led: LedAccount, file: Path
) -> None:
    store = store_in(led)
    store.put(ACCOUNT, led.epoch, file, lambda: False)
    led.take_over()
    async with led.files() as files:
        await files.put("a.jpg", file)
        kept = objects_of(led.database)[-2:]
        under_way, *_ = store.put(ACCOUNT, led.epoch, file, lambda: False)
        newer, *_ = store.put(ACCOUNT, led.epoch + 1, file, lambda: False)
        killed, *_ = store.put(ACCOUNT, led.epoch, file, lambda: False)
        store.settled(newer)
        store.settled(killed)
        for prefix in (*store.writing,):
            if prefix.epoch < led.epoch:
                store.settled(prefix)
        await files.delete([])
        assert {str(each) for each in store.bodies(ACCOUNT)} == {
            kept[0].rpartition("/")[0],
            str(under_way),
            str(newer),
        }
        assert await files.fetch("a.jpg", file)


async def test_a_former_leader_leaves_nothing_that_counts_and_deletes_nothing_of_the_next(
    led: LedAccount, file: Path
) -> None:
    async with led.files() as former:
        await former.put("a.jpg", file)
        led.take_over()
        async with led.files() as files:
            await files.put("b.jpg", file)
            with pytest.raises(Fenced):
                await former.put("c.jpg", file)
            with pytest.raises(Fenced):
                await former.delete(["b.jpg"])
            assert await files.names() == {"a.jpg", "b.jpg"}
            assert await files.fetch("b.jpg", file)


async def test_of_an_older_snapshot_no_object_is_left(led: LedAccount, file: Path) -> None:
    async with led.snapshots() as snapshots:
        for snapshot in (FIRST, SECOND):
            await snapshots.put(snapshot, file)
            await snapshots.point_to(snapshot)
        assert len(objects_of(led.database)) == 4
        await snapshots.keep_from(SECOND.seq)
        assert len(objects_of(led.database)) == 2


async def test_who_follows_an_account_fetches_its_snapshot(led: LedAccount, file: Path) -> None:
    async with led.snapshots() as snapshots:
        await snapshots.put(FIRST, file)
        await snapshots.point_to(FIRST)
    empty(file)
    with Reader(led.database) as reader:
        await reader.snapshots(ACCOUNT).fetch(FIRST, file)
    assert content(file) == LARGE


async def test_a_store_that_fails_keeps_nothing_and_says_so_in_words_of_ours(
    database: str, tmp_path: Path, file: Path
) -> None:
    with LedAccount(database, store_of("folder", tmp_path)) as led:
        async with led.files() as files, PostgresSnapshots(led.database, ACCOUNT, led.epoch) as snapshots:
            await files.put("a.jpg", file)
            shutil.rmtree(tmp_path / "objects")
            for ask in (files.put("b.jpg", file), files.fetch("a.jpg", tmp_path / "target"), files.delete([]),
                        snapshots.put(FIRST, file), snapshots.keep_from(1)):  # fmt: skip
                with pytest.raises(StoreFailed) as caught:
                    await ask
                assert caught.value.strerror == "The folder of the object store is not there."
            assert await files.names() == {"a.jpg"}
            assert not (tmp_path / "objects").exists()


async def test_a_leadership_that_has_ended_waits_for_no_further_part(
    database: str, tmp_path: Path, file: Path
) -> None:
    asked: list[None] = []

    def stopped() -> bool:
        asked.append(None)
        return len(asked) > 4

    with LedAccount(database, store_of("folder", tmp_path)) as led:
        async with PostgresFiles(replace(led.database, stopped=stopped), ACCOUNT, led.epoch) as files:
            with pytest.raises((StoreFailed, Unavailable)):
                await files.put("a.jpg", file)
        async with led.files() as files:
            assert await files.names() == frozenset()


async def test_of_a_forgotten_account_no_object_is_left_and_the_others_keep_theirs(
    led: LedAccount, file: Path
) -> None:
    store = store_in(led)
    for account in ("work-2", "wor"):
        store.put(account, 1, file, lambda: False)
    async with led.files() as files:
        await files.put("a.jpg", file)
    store.put(ACCOUNT, led.epoch, file, lambda: False)  # of a leader that was killed
    let_go(led)
    forget_account(led.session, led.database, ACCOUNT)
    assert store.bodies(ACCOUNT) == {}
    assert sorted(store.accounts()) == ["wor", "work-2"]
    assert remains(led.session, ACCOUNT) == []


async def test_an_account_with_objects_in_another_store_is_not_called_forgotten(
    led: LedAccount, file: Path, tmp_path: Path
) -> None:
    async with led.files() as files:
        await files.put("a.jpg", file)
    (tmp_path / "other").mkdir()
    other = ObjectStore(store_in(led).url, Folder(tmp_path / "other"))
    async with files_of(led, other) as files:
        await files.put("b.jpg", file)
    let_go(led)
    for objects in (None, other):
        with pytest.raises(Busy, match=r"which the setting `node.files` does not name"):
            forget_account(led.session, replace(led.database, objects=objects), ACCOUNT)
        assert remains(led.session, ACCOUNT) != []
    assert other.bodies(ACCOUNT) == {}
    forget_account(led.session, led.database, ACCOUNT)
    assert objects_of(led.database) == []
    assert remains(led.session, ACCOUNT) == []


async def test_a_store_that_keeps_what_was_deleted_is_told_of(
    led: LedAccount, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with led.files() as files:
        await files.put("a.jpg", file)
    let_go(led)
    with monkeypatch.context() as patched:
        for place in (Folder, Bucket):
            patched.setattr(place, "delete", nothing)
            patched.setattr(place, "clear", nothing)
        with pytest.raises(Busy, match="keeps objects"):
            forget_account(led.session, led.database, ACCOUNT)
    forget_account(led.session, led.database, ACCOUNT)
    assert objects_of(led.database) == []


async def test_what_a_stopped_leader_puts_after_its_account_was_forgotten_is_deleted_by_a_node(
    led: LedAccount, file: Path
) -> None:
    store = store_in(led)
    create_account(led.session, "kept")
    let_go(led)
    forget_account(led.session, led.database, ACCOUNT)
    for account in (ACCOUNT, "kept", "of-another-fleet"):
        store.put(account, 1, file, lambda: False)
    async with DatabaseCalls(led.database) as calls:
        await delete_objects(calls, store)
    assert store.bodies(ACCOUNT) == {}
    assert store.bodies("kept")
    assert store.bodies("of-another-fleet")


def test_what_a_write_that_was_killed_has_left_in_a_folder_goes_with_the_account(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("work/1/aa/000000", b"x")
    (tmp_path / "work/1/aa/000001.abcd.part").write_bytes(b"x")
    (tmp_path / "work/1/bb").mkdir()
    store = ObjectStore(tmp_path.as_uri(), folder)
    assert len(folder.names("work")) == 2
    store.forget("work")
    assert not (tmp_path / "work").exists()
    store.forget("work")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3_server() as server:
        values = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
        values["ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
        for name, value in values.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server


def test_a_bucket_is_used_below_its_prefix_with_the_variables_of_the_library(
    s3: S3, file: Path, tmp_path: Path
) -> None:
    s3.there["whatsapp/of-another/work/1/aa/000000"] = b"x"
    store = ObjectStore("s3://whatsapp/fleet", Bucket.at("s3://whatsapp/fleet"))
    assert store.identity() == ObjectStore(store.url, Bucket.at(store.url)).identity()
    body, parts, size, sha256 = store.put("work", 3, file, lambda: False)
    store.put("work-2", 3, file, lambda: False)
    assert (parts, size) == (2, len(LARGE))
    assert f"whatsapp/fleet/{body}/000001" in s3.there
    with (tmp_path / "target").open("wb") as target:
        store.fetch(body, parts, sha256, target, lambda: False)
    assert (tmp_path / "target").read_bytes() == LARGE
    assert sorted(store.accounts()) == ["work", "work-2"]
    store.forget("work")
    assert (store.bodies("work"), len(store.bodies("work-2"))) == ({}, 1)
    assert "whatsapp/of-another/work/1/aa/000000" in s3.there


def test_a_bucket_that_does_not_answer_is_given_up_and_quoted_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        bucket = Bucket.at("s3://bucket/prefix", request=timedelta(seconds=0.3))
        asks: list[Callable[[], object]] = [
            lambda: bucket.put("a", b"x"),
            lambda: bucket.put_first("a", b"x"),
            lambda: bucket.get("a"),
            lambda: bucket.names("a"),
            lambda: bucket.delete(["a"]),
            bucket.tops,
        ]
        for ask in asks:
            with pytest.raises(StoreFailed, match=r"does not do what was asked \(\w+\)\.$"):
                ask()
