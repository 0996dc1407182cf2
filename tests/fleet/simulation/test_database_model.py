"""The modelled database behaves as PostgreSQL does, where the rules depend on it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fleet.simulation.database import Backend, Body, Database, Disconnected, Transaction
from tests.fleet.simulation.world import Future, World

KEY = ("thing",)


class Server:
    """A database with one row, and sessions on it."""

    def __init__(self) -> None:
        self.world = World(1)
        self.database = Database(self.world, {KEY: 0}, waits=True, watch=lambda _key, _value: None)

    def begin(self, body: Body, account: str | None = None) -> tuple[Backend, Future[Any]]:
        """Send a request in a session of its own."""
        backend, answer = self.database.open(account), Future[Any]()
        self.database.execute(backend, body, answer)
        return backend, answer

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run(self.world.now + seconds)

    def value(self) -> Any:
        """The row as others see it."""
        return self.database.visible[KEY]


def add(number: int) -> Body:
    async def body(txn: Transaction) -> int:
        value = await txn.lock(KEY)
        txn.put(KEY, value + number)
        return value + number

    return body


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_row_lock_makes_two_transactions_follow_each_other(server: Server) -> None:
    answers = [server.begin(add(1))[1] for _ in range(5)]
    server.wait(1)
    assert sorted(answer.value() for answer in answers) == [1, 2, 3, 4, 5]


def test_nobody_sees_a_commit_before_the_standby_has_it(server: Server) -> None:
    server.database.stall(5)
    _, answer = server.begin(add(1))
    server.wait(4)
    assert (answer.done, server.value()) == (False, 0)
    server.wait(2)
    assert (answer.value(), server.value()) == (1, 1)


def test_a_restart_shows_a_commit_that_no_standby_has_and_a_failover_takes_it_away(server: Server) -> None:
    server.database.stall(5)
    _, answer = server.begin(add(1))
    server.wait(1)
    server.database.restart(0.1)
    assert server.value() == 1
    with pytest.raises(Disconnected):
        answer.value()
    server.database.fail_over(0.1)
    assert server.value() == 0


def test_a_terminated_backend_shows_its_commit_and_frees_its_locks(server: Server) -> None:
    server.database.stall(5)
    server.begin(add(1), account="a")
    server.wait(1)
    _, answer = server.begin(add(10))
    assert server.database.terminate("a") == 1
    server.wait(1)
    assert server.value() == 1
    assert server.database.terminate("a") == 0
    server.wait(5)
    assert answer.value() == 11


def test_a_confirmed_commit_survives_a_failover(server: Server) -> None:
    _, answer = server.begin(add(1))
    server.wait(1)
    server.database.fail_over(0.1)
    assert (answer.value(), server.value()) == (1, 1)


def test_a_commit_behind_one_that_no_standby_had_proves_that_it_has_it(server: Server) -> None:
    server.database.stall(2)
    server.begin(add(1))
    server.wait(1)
    server.database.restart(0.1)
    server.wait(0.2)
    _, answer = server.begin(add(0))
    server.wait(3)
    server.database.fail_over(0.1)
    assert (answer.value(), server.value()) == (1, 1)
