"""Files that only their owner may read, whole or not there."""

from __future__ import annotations

import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from whatsapp_mcp.system import draft_of, make_private_file, replaced, write_private

ONLY_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@ONLY_POSIX
def test_a_written_file_is_private_whatever_the_former_one_was(tmp_path: Path) -> None:
    path = tmp_path / "link.json"
    path.touch(0o644)
    write_private(path, b"{}", synced=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"{}"


def test_a_body_that_fails_leaves_the_former_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "backup.db"
    path.write_bytes(b"former")
    with pytest.raises(RuntimeError), replaced(path) as draft:
        draft.write_bytes(b"half")
        raise RuntimeError
    assert [(left.name, left.read_bytes()) for left in tmp_path.iterdir()] == [("backup.db", b"former")]


def test_a_draft_that_nobody_wants_is_deleted(tmp_path: Path) -> None:
    with draft_of(tmp_path / "http-token") as draft:
        draft.write_bytes(b"secret")
    assert list(tmp_path.iterdir()) == []


def test_of_many_writers_of_one_file_each_writes_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    contents = [bytes([number]) * 200_000 for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(partial(write_private, path), contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "archive.db"
    path.write_bytes(b"kept")
    make_private_file(path)
    assert path.read_bytes() == b"kept"
