"""Who may use the accounts of a fleet, as the database keeps it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fleet.led import ACCOUNT, LedAccount
from whatsapp_fleet.database import Session
from whatsapp_fleet.tenancy import (
    change_principal,
    count_calls,
    create_principal,
    hash_of,
    principal_rows,
    principals,
    revoke_principal,
)
from whatsapp_mcp.errors import InvalidArgument


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with LedAccount(database) as led:
        yield led.session


def test_of_a_token_that_is_made_only_its_hash_is_stored(session: Session) -> None:
    token = create_principal(session, "bot", ["send", "read"], [ACCOUNT], 60)
    assert token is not None
    [row] = principal_rows(session)
    assert (row.name, row.accounts, row.scopes) == ("bot", [ACCOUNT], ["read", "send"])
    assert (row.calls_per_minute, row.revoked_at, row.token_hash) == (60, None, hash_of(token))
    stored = session.execute("SELECT principals::text FROM whatsapp_mcp.principals").fetchall()
    assert token not in str(stored)


def test_a_user_of_the_issuer_has_no_token(session: Session) -> None:
    assert create_principal(session, "oauth:3f1c|9a", ["read"], [ACCOUNT]) is None
    assert principal_rows(session)[0].token_hash is None


@pytest.mark.parametrize("name", ["", "two words", "oauth:", "other:x", "a" * 65, "oauth:with space", "-x"])
def test_a_name_that_nothing_else_could_be_told_from_is_refused(session: Session, name: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot be the name"):
        create_principal(session, name, ["read"], None)


@pytest.mark.parametrize("name", ["bot", "oauth:bot"])
def test_a_name_is_given_once_also_after_it_was_revoked(session: Session, name: str) -> None:
    create_principal(session, name, ["read"], [ACCOUNT])
    revoke_principal(session, name)
    with pytest.raises(InvalidArgument, match="already"):
        create_principal(session, name, ["admin"], None)
    [row] = principal_rows(session)
    assert (row.scopes, row.token_hash) == (["read"], None)
    assert row.revoked_at is not None


def test_accounts_that_are_not_there_are_given_to_nobody(session: Session) -> None:
    create_principal(session, "bot", ["read"], [])
    with pytest.raises(InvalidArgument, match="no account nobody"):
        create_principal(session, "other", ["read"], [ACCOUNT, "nobody"])
    with pytest.raises(InvalidArgument, match="no account nobody"):
        change_principal(session, "bot", ["nobody"], None)
    with pytest.raises(InvalidArgument, match="no principal other"):
        change_principal(session, "other", [ACCOUNT], None)
    change_principal(session, "bot", [ACCOUNT], 5)
    assert [(row.accounts, row.calls_per_minute) for row in principal_rows(session)] == [([ACCOUNT], 5)]


def test_a_limit_of_no_calls_is_refused(session: Session) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        create_principal(session, "bot", ["read"], None, 0)


def test_replicas_hear_how_often_a_principal_has_called_at_the_others(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principals, "_MINUTE", "SELECT 29000000::bigint, 7.5::float")
    for name in ("bot", "other"):
        create_principal(session, name, ["read"], None)
    minute, left, elsewhere = count_calls(session, "a", {"bot": 3}, 0)
    assert (left, elsewhere) == (7.5, {})
    # What was counted in an earlier minute does not count in this one.
    assert count_calls(session, "b", {"bot": 1}, minute).elsewhere == {}
    assert count_calls(session, "a", {"bot": 7, "other": 1}, minute).elsewhere == {"bot": 1}
    assert count_calls(session, "b", {"bot": 2}, minute).elsewhere == {"bot": 7, "other": 1}
    assert count_calls(session, "c", {}, minute).elsewhere == {"bot": 9, "other": 1}
