"""What every place for a small file does: a folder here, and others that the fleet has."""

from pathlib import Path

import pytest

from whatsapp_mcp.storage import PrivateFile, SmallFile


@pytest.fixture
def small_file(tmp_path: Path) -> SmallFile:
    return PrivateFile(tmp_path / "link.json")


def test_one_that_was_never_written_is_not_there(small_file: SmallFile) -> None:
    assert small_file.read() is None


def test_what_was_written_last_is_read(small_file: SmallFile) -> None:
    small_file.write(b"first")
    small_file.write(b"\x00second")
    assert small_file.read() == b"\x00second"


def test_an_empty_one_is_there(small_file: SmallFile) -> None:
    small_file.write(b"")
    assert small_file.read() == b""
