"""What every place for a small file does, a folder and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.led import ACCOUNT, LedAccount
from whatsapp_fleet.database import PostgresSmallFile
from whatsapp_mcp.storage import Fenced, PrivateFile, SmallFile


@pytest.fixture(params=["folder", "postgres"])
def small_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallFile]:
    if request.param == "folder":
        yield PrivateFile(tmp_path / "link.json")
    else:
        with LedAccount(request.getfixturevalue("database")) as led, led.small_file() as opened:
            yield opened


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as led:
        yield led


def test_one_that_was_never_written_is_not_there(small_file: SmallFile) -> None:
    assert small_file.read() is None


def test_what_was_written_last_is_read(small_file: SmallFile) -> None:
    small_file.write(b"first")
    small_file.write(b"\x00second")
    assert small_file.read() == b"\x00second"


def test_an_empty_one_is_there(small_file: SmallFile) -> None:
    small_file.write(b"")
    assert small_file.read() == b""


def test_the_next_leader_reads_what_the_last_one_wrote(led: LedAccount) -> None:
    with led.small_file() as former:
        former.write(b"left")
        led.take_over()
        with led.small_file() as following:
            assert following.read() == b"left"


def test_a_former_leader_writes_nothing(led: LedAccount) -> None:
    with led.small_file() as former:
        former.write(b"left")
        led.take_over()
        with pytest.raises(Fenced):
            former.write(b"late")
        with led.small_file() as following:
            assert following.read() == b"left"


def test_a_write_that_the_server_executes_late_does_not_undo_a_later_one(led: LedAccount) -> None:
    with led.small_file() as former:
        former.write(b"first")
        former.write(b"second")
    led.session.execute(
        "UPDATE whatsapp_mcp.account_files SET n = 5 WHERE account = %s AND name = 'link.json'", [ACCOUNT]
    )
    with PostgresSmallFile(led.database, ACCOUNT, "link.json", led.epoch) as late:
        late._n = 1  # pyright: ignore[reportPrivateUsage]  # the third write is under way still
        late.write(b"late")
        assert late.read() == b"second"


def test_another_object_of_the_same_leader_goes_on_writing(led: LedAccount) -> None:
    for content in (b"first", b"second"):
        with led.small_file() as opened:
            opened.write(content)
    with led.small_file() as opened:
        assert opened.read() == b"second"
