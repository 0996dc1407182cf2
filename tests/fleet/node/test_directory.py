"""Whom a replica admits, and how often: by a copy of the database's principals."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from tests.fleet.led import ACCOUNT, LedAccount, patient
from whatsapp_fleet.database import Session
from whatsapp_fleet.node import DatabaseDirectory
from whatsapp_fleet.tenancy import create_principal, principals, revoke_principal
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.storage import Unavailable

LIMIT = 5


class Clock:
    """The time of a replica, in which nothing passes by itself."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A database that stays in one minute, of which ten seconds are left, until `minute_of` says another."""
    minute_of(monkeypatch, 29_000_000)
    with LedAccount(database) as led:
        yield led.session


def minute_of(monkeypatch: pytest.MonkeyPatch, minute: int) -> None:
    monkeypatch.setattr(principals, "_MINUTE", f"SELECT {minute}::bigint, 10.0::float")


def replica(session: Session, name: str = "a", clock: Clock | None = None) -> DatabaseDirectory:
    directory = DatabaseDirectory(patient("not used"), name, clock or Clock())
    directory.refresh(session)
    return directory


def admitted(directory: DatabaseDirectory, principal: str = "token:bot") -> int:
    """How many requests are admitted before the next one has to wait."""
    count = 0
    while not directory.take(principal):
        count += 1
    return count


@pytest.mark.anyio
async def test_a_replica_begins_once_it_knows_its_principals(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = create_principal(session, "bot", ["read"], [ACCOUNT]) or ""
    away = [Unavailable("The database does not answer.")]

    async def follow(self: DatabaseDirectory, kept: object) -> None:
        if away:
            raise away.pop()
        self.refresh(session)

    monkeypatch.setattr(DatabaseDirectory, "_follow", follow)
    monkeypatch.setattr("whatsapp_fleet.node.admin.directory.REFRESH", 0.0)
    directory = DatabaseDirectory(patient("not used"))
    async with anyio.create_task_group() as tasks:
        await tasks.start(directory.run)
        assert directory.principal(token) is not None
        tasks.cancel_scope.cancel()


def test_a_token_stands_for_its_principal_and_no_other_does(session: Session) -> None:
    token = create_principal(session, "bot", ["read"], [ACCOUNT]) or ""
    operator = create_principal(session, "operator", ["admin"], None) or ""
    directory = replica(session)
    assert directory.principal(token) == Principal("token:bot", frozenset({"read"}), frozenset({ACCOUNT}))
    assert directory.principal(operator) == Principal("token:operator", frozenset({"admin"}), None)
    for other in ("", "x", token[:-1], token + "x", "a" * 10_000):
        assert directory.principal(other) is None


def test_a_user_of_the_issuer_is_found_by_subject_and_by_no_token(session: Session) -> None:
    create_principal(session, "oauth:me", ["read", "send"], [ACCOUNT])
    directory = replica(session)
    found = directory.subject("me")
    assert found == Principal("oauth:me", frozenset({"read", "send"}), frozenset({ACCOUNT}))
    assert directory.subject("you") is None
    assert directory.principal("oauth:me") is None


def test_what_is_revoked_is_admitted_no_longer_once_the_copy_is_newer(session: Session) -> None:
    token = create_principal(session, "bot", ["read"], [ACCOUNT]) or ""
    create_principal(session, "oauth:me", ["read"], [ACCOUNT])
    directory = replica(session)
    for name in ("bot", "oauth:me"):
        revoke_principal(session, name)
    directory.refresh(session)
    assert (directory.principal(token), directory.subject("me")) == (None, None)


def test_before_the_database_has_answered_and_long_after_nobody_is_admitted(session: Session) -> None:
    token = create_principal(session, "bot", ["read"], [ACCOUNT]) or ""
    clock = Clock()
    with pytest.raises(Busy):
        DatabaseDirectory(patient("not used"), "a", clock).principal(token)
    directory = replica(session, clock=clock)
    clock.now += 3599
    assert directory.principal(token) is not None
    clock.now += 2
    with pytest.raises(Busy):
        directory.principal(token)


def test_a_principal_calls_as_often_as_it_may_in_a_minute(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_principal(session, "bot", ["read"], [ACCOUNT], LIMIT)
    create_principal(session, "free", ["read"], [ACCOUNT])
    clock = Clock()
    directory = replica(session, clock=clock)
    assert admitted(directory) == LIMIT
    assert directory.take("token:bot") == 10.0
    assert not any(directory.take(name) for name in ["token:free"] * 100)

    clock.now += 9
    directory.refresh(session)
    assert admitted(directory) == 0
    minute_of(monkeypatch, 29_000_001)
    directory.refresh(session)
    assert admitted(directory) == LIMIT


def test_replicas_admit_together_what_one_would(session: Session) -> None:
    create_principal(session, "bot", ["read"], [ACCOUNT], LIMIT)
    create_principal(session, "oauth:me", ["read"], [ACCOUNT], LIMIT)
    first, second = replica(session, "a"), replica(session, "b")
    for name in ("token:bot", "oauth:me"):
        assert [first.take(name) for _ in range(3)] == [0.0] * 3
    for directory in (first, second, first):
        directory.refresh(session)
    for name in ("token:bot", "oauth:me"):
        assert admitted(second, name) == LIMIT - 3
        assert admitted(first, name) == LIMIT - 3


def test_while_the_database_is_away_a_minute_still_ends(session: Session) -> None:
    create_principal(session, "bot", ["read"], [ACCOUNT], LIMIT)
    clock = Clock()
    directory = replica(session, clock=clock)
    assert admitted(directory) == LIMIT
    for _ in range(3):
        clock.now += 61
        assert admitted(directory) == LIMIT
