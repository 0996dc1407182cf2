"""The account's lock."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from whatsapp_mcp.device.leader import LeaderLock
from whatsapp_mcp.settings import AccountFolder


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    folder = AccountFolder("default", tmp_path / "accounts" / "default")
    folder.create()
    return folder


def test_one_has_it_and_others_read_who_that_is(folder: AccountFolder) -> None:
    first, second = LeaderLock(folder), LeaderLock(folder)
    assert first.acquire()
    assert not second.acquire()
    assert second.holder() == os.getpid()
    first.release()
    assert second.holder() is None
    assert second.acquire()
    second.release()


def test_a_lock_whose_file_cannot_be_made_is_taken_once_it_can(folder: AccountFolder) -> None:
    lock = LeaderLock(folder)
    folder.leader_lock.mkdir()
    with pytest.raises(OSError, match=r"leader\.lock"):
        lock.acquire()
    folder.leader_lock.rmdir()
    assert lock.acquire()
    lock.release()


def test_a_full_disk_neither_keeps_anybody_from_it_nor_keeps_it(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    first, second = LeaderLock(folder), LeaderLock(folder)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_a_lock_whose_file_was_deleted_or_replaced_is_lost(folder: AccountFolder) -> None:
    first, second = LeaderLock(folder), LeaderLock(folder)
    assert first.acquire()
    assert not first.lost
    folder.leader_lock.unlink()
    assert first.lost
    assert second.acquire()
    assert not second.lost
    first.release()
    second.release()


def test_a_file_that_is_deleted_while_it_is_being_locked_is_not_the_lock(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def open_and_delete(*args: int, **named: int) -> int:
        fd = opened(*args, **named)  # type: ignore[arg-type]
        folder.leader_lock.unlink(missing_ok=True)
        return fd

    lock = LeaderLock(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_and_delete)
        assert not lock.acquire()
    assert lock.acquire()
    lock.release()
