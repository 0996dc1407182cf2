"""The account's lock."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from whatsapp_mcp.device.leader.lock import HostLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.lock"


def test_one_has_it_and_others_read_who_that_is(path: Path) -> None:
    first, second = HostLock(path), HostLock(path)
    assert first.acquire()
    assert not second.acquire()
    assert second.holder() == os.getpid()
    first.release()
    assert second.holder() is None
    assert second.acquire()
    second.release()


def test_a_full_disk_neither_keeps_anybody_from_it_nor_keeps_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    first, second = HostLock(path), HostLock(path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_a_lock_whose_file_was_deleted_or_replaced_is_lost(path: Path) -> None:
    first, second = HostLock(path), HostLock(path)
    assert first.acquire()
    assert not first.lost
    path.unlink()
    assert first.lost
    assert second.acquire()
    assert first.lost
    assert not second.lost
    first.release()
    second.release()


def test_a_file_that_is_deleted_while_it_is_being_locked_is_not_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def open_and_delete(*args: int, **named: int) -> int:
        fd = opened(*args, **named)  # type: ignore[arg-type]
        path.unlink()
        return fd

    lock = HostLock(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_and_delete)
        assert not lock.acquire()
    assert lock.acquire()
    lock.release()
