"""A journal in PostgreSQL does what every journal does."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fleet.led import LedAccount
from tests.storage.test_journal_contract import *  # noqa: F403  the tests of every journal
from tests.storage.test_journal_contract import Opens


@pytest.fixture
def opens(database: str) -> Iterator[Opens]:
    """Opens the same journal each time."""
    with ExitStack() as stack:
        led = stack.enter_context(LedAccount(database))
        yield lambda: stack.enter_context(led.journal())
