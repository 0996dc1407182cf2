"""A small file in PostgreSQL does what every one does, and only the leader writes it."""

from collections.abc import Iterator

import pytest

from tests.fleet.led import ACCOUNT, LedAccount
from tests.storage.test_small_file_contract import *  # noqa: F403  the tests of every small file
from whatsapp_fleet.database import PostgresSmallFile
from whatsapp_mcp.storage import Fenced, SmallFile


@pytest.fixture
def small_file(led: LedAccount) -> Iterator[SmallFile]:
    with led.small_file() as opened:
        yield opened


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as led:
        yield led


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
