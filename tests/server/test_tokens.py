"""Named tokens: created, listed, revoked and looked up, and the token of the file `http-token`."""

from __future__ import annotations

import hashlib
import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.server.transports.tokens import Tokens, load_or_make, make_default

NOON = 1_780_000_000.0
ALL = frozenset({"read", "send", "admin", "metrics"})


@dataclass
class Clock:
    """A clock that stands still."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(tmp_path: Path, clock: Clock) -> Tokens:
    return Tokens(tmp_path / "home", clock)


def named(name: str, token: str) -> str:
    """The principal of a token."""
    return f"token:{name}/{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def test_a_token_stands_for_its_name_and_scopes(tokens: Tokens) -> None:
    token = tokens.create("agent", ["read", "send"])

    assert tokens.principal(token) == Principal(named("agent", token), frozenset({"read", "send"}))
    assert tokens.principal(f"{token}x") is None


def test_a_token_may_be_for_some_accounts_alone(tokens: Tokens) -> None:
    limited, free = tokens.create("agent", ["read"], ["work"]), tokens.create("other", ["read"])

    assert tokens.principal(limited) == Principal(
        named("agent", limited), frozenset({"read"}), frozenset({"work"})
    )
    assert tokens.principal(free) == Principal(named("other", free), frozenset({"read"}), None)


def test_the_accounts_of_limited_tokens_can_change_and_of_others_not(tokens: Tokens, clock: Clock) -> None:
    limited, free = tokens.create("agent", ["read"], ["work", "club"]), tokens.create("other", ["read"])
    tokens.principal(limited)
    clock.now += 500

    tokens.change_accounts(lambda names: names - {"work"})

    assert [(each.name, each.accounts) for each in tokens.all()] == [
        ("agent", frozenset({"club"})),
        ("other", None),
    ]
    assert [each.last_used.timestamp() for each in tokens.all() if each.last_used] == [NOON]
    changed, unchanged = tokens.principal(limited), tokens.principal(free)
    assert changed is not None
    assert changed.accounts == {"club"}
    assert unchanged is not None


def test_a_token_whose_accounts_cannot_be_read_is_none(tokens: Tokens) -> None:
    token = tokens.create("agent", ["read"], ["work"])
    [file] = (tokens.home / "tokens").iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"accounts": None}))

    assert tokens.principal(token) is None


def test_what_is_stored_does_not_hold_the_token(tokens: Tokens) -> None:
    token = tokens.create("agent", ["read"])

    [file] = (tokens.home / "tokens").iterdir()
    assert token not in file.read_text() + file.name
    assert token.removeprefix("wamcp_") not in file.read_text() + file.name


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_only_the_owner_may_read_the_files(tokens: Tokens) -> None:
    tokens.create("agent", ["read"])

    [file] = (tokens.home / "tokens").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_revoked_token_is_refused_at_once_by_another_server(tokens: Tokens) -> None:
    other = Tokens(tokens.home)
    token = tokens.create("agent", ["read"])
    assert other.principal(token) is not None

    tokens.revoke("agent")

    assert other.principal(token) is None
    assert tokens.all() == []


def test_a_name_is_given_once_and_free_again_after_revoking(tokens: Tokens) -> None:
    tokens.create("agent", ["read"])
    with pytest.raises(InvalidArgument, match="already"):
        tokens.create("agent", ["send"])
    tokens.revoke("agent")

    assert tokens.create("agent", ["send"])


@pytest.mark.parametrize("name", ["agent", "default"])
def test_a_new_token_under_a_revoked_ones_name_is_another_principal(tokens: Tokens, name: str) -> None:
    def made() -> str:
        return load_or_make(tokens.home) if name == "default" else tokens.create(name, ["read"])

    former = tokens.principal(made())
    tokens.revoke(name)
    token = made()
    found = tokens.principal(token)
    assert former is not None
    assert found is not None
    assert former.name.startswith(f"token:{name}/")
    assert found.name.startswith(f"token:{name}/")
    assert found.name != former.name
    assert token not in found.name
    assert Tokens(tokens.home).principal(token) == found


@for_each("name", ["", "../x", "a b", ".hidden", "x" * 65, "a\n", "default"])
def test_a_name_that_cannot_be_one_is_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(InvalidArgument):
        tokens.create(name, ["read"])


def test_a_token_that_is_not_there_cannot_be_revoked(tokens: Tokens) -> None:
    with pytest.raises(InvalidArgument, match="no token ghost"):
        tokens.revoke("ghost")


def test_the_list_says_when_a_token_was_created_and_last_used(tokens: Tokens, clock: Clock) -> None:
    token = tokens.create("agent", ["read"])
    [listed] = tokens.all()
    assert listed.created is not None
    assert (listed.created.timestamp(), listed.last_used) == (NOON, None)

    clock.now += 100
    tokens.principal(token)
    clock.now += 30
    tokens.principal(token)

    [listed] = tokens.all()
    assert listed.last_used is not None
    assert listed.last_used.timestamp() == NOON + 100


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"name": "x"}', '{"name": "x", "scopes": 1, "created": 1}']
)
def test_a_file_that_is_no_token_is_ignored(tokens: Tokens, content: str) -> None:
    token = tokens.create("agent", ["read"])
    [file] = (tokens.home / "tokens").iterdir()
    file.write_text(content)

    assert tokens.principal(token) is None
    assert tokens.all() == []


def test_a_scope_that_does_not_exist_gives_nothing(tokens: Tokens) -> None:
    token = tokens.create("agent", ["read"])
    [file] = (tokens.home / "tokens").iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "scopes": ["read", "everything"]}))

    assert tokens.principal(token) == Principal(named("agent", token), frozenset({"read"}))


def test_the_token_of_the_file_may_do_everything_and_is_called_default(tokens: Tokens) -> None:
    token = load_or_make(tokens.home)

    assert tokens.principal(token) == Principal(named("default", token), ALL)
    assert [(each.name, each.scopes) for each in tokens.all()] == [("default", ALL)]


def test_a_revoked_default_token_does_not_come_back_while_there_is_another(tokens: Tokens) -> None:
    token = load_or_make(tokens.home)
    tokens.create("agent", ["read"])
    tokens.revoke("default")

    assert tokens.principal(token) is None
    assert make_default(tokens.home) is None
    tokens.revoke("agent")
    assert make_default(tokens.home) == tokens.home / "http-token"


@for_each("given", ["", "short", "x" * 10_000, "\udcff" * 3, "é" * 40])
def test_what_cannot_be_a_token_is_none(tokens: Tokens, given: str) -> None:
    load_or_make(tokens.home)

    assert tokens.principal(given) is None


def test_the_token_is_made_once_and_is_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    token = load_or_make(home)
    assert load_or_make(home) == token
    assert len(token) >= 40
    assert stat.S_IMODE((home / "http-token").stat().st_mode) == 0o600
    assert [entry.name for entry in home.iterdir()] == ["http-token"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_made_private_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    token = load_or_make(tmp_path)
    file = tmp_path / "http-token"
    file.chmod(mode)
    assert load_or_make(tmp_path) == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{file} could be read by other users (mode {mode:04o})" in caplog.text
    assert token not in caplog.text
    caplog.clear()
    assert load_or_make(tmp_path) == token
    assert not caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_a_token_that_others_can_read_is_refused_when_it_cannot_be_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_make(tmp_path)
    (tmp_path / "http-token").chmod(0o644)

    def refused(_path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(Busy, match=r"other users \(mode 0644\)"):
        load_or_make(tmp_path)
