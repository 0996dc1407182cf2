"""`accounts move`: what becomes of the folder, the settings and the tokens of this computer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.stored import DEVICE, stored
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet import settings
from whatsapp_fleet.cli import moving
from whatsapp_fleet.cli.app import app
from whatsapp_fleet.database import Database
from whatsapp_mcp.cli import account_changes
from whatsapp_mcp.device.leader import LeaderLock
from whatsapp_mcp.server.transports import Tokens

CONFIG = """\
log_level = "info"

[policy]
mode = "lockdown"

[accounts.club.policy]
mode = "read_only"

# What work may do.
[accounts.work.policy]
mode = "open"

[[accounts.work.policy.chats]]
jid = "15550002222@s.whatsapp.net"
send = "ask"
"""


@pytest.fixture
def url(postgres: PostgresServer, database: str) -> str:
    return leaders_url(postgres, database)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two accounts; a token for each."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    anyio.run(stored, settings.load().account_folder("work"), "one", "two")
    settings.load().account_folder("club").create()
    (home / "config.toml").write_text(CONFIG)
    Tokens(home).create("both", ["read"], ["work", "club"])
    Tokens(home).create("one", ["read"], ["work"])
    return home


def move(*options: str) -> Result:
    done = CliRunner().invoke(app, ["accounts", "move", *options, "--allow-asynchronous"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_an_account_goes_with_its_settings_and_comes_back_with_them(home: Path, url: str) -> None:
    before = settings.load().for_account("work").policy
    assert move("work", "--to", url).exit_code == 0
    assert settings.load().accounts() == ["club"]
    assert settings.load().accounts_with_settings == {"club"}
    assert [each.accounts for each in Tokens(home).all()] == [{"club"}, frozenset()]
    [left] = (home / "moved").iterdir()
    assert (left / "archive.db").exists()
    assert not list(left.rglob("client.db*"))

    assert move("work", "--from", url).exit_code == 0
    loaded = settings.load()
    assert loaded.accounts() == ["club", "work"]
    assert loaded.for_account("work").policy == before
    assert loaded.for_account("club").policy.mode == "read_only"
    assert loaded.policy.mode == "lockdown"
    with closing(sqlite3.connect(home / "accounts" / "work" / "client" / "client.db")) as db:
        assert db.execute("SELECT * FROM whatsmeow_device").fetchall() == [DEVICE]
    assert move("work", "--from", url).exit_code == 2  # it is here


def test_what_comes_before_and_after_the_database_goes_on_after_a_kill(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("remove_keys", "forget_name", "move_folder"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(moving, step, killed)
            anyio.run(moving.move_to, settings.load(), "work", _at(url))
        assert not LeaderLock(settings.load().account_folder("work")).lost
        assert (home / "accounts" / "work" / "moved.json").exists()
    assert move("work", "--to", url).exit_code == 0
    assert settings.load().accounts() == ["club"]

    for step in ("_take_settings", "sync_folder", "forget_there"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(moving, step, killed)
            anyio.run(moving.move_from, settings.load(), "work", _at(url))
    assert move("work", "--from", url).exit_code == 0
    assert settings.load().accounts() == ["club", "work"]
    assert settings.load().for_account("work").policy.mode == "open"
    assert not list(home.rglob("arrival.json"))
    assert account_changes.finish(settings.load()) == []


def _at(url: str) -> Database:
    return moving.database_at(url, "", allow_asynchronous=True)


def test_a_server_that_starts_on_an_account_that_is_elsewhere_says_so(home: Path) -> None:
    folder = settings.load().account_folder("work")
    folder.moved.write_text("{}")
    with pytest.raises(account_changes.InvalidArgument, match="was moved into a database"):
        folder.create()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "either --to URL or --from URL"),
        (["--to", "postgres://x", "--from", "postgres://x"], "either --to URL or --from URL"),
        (["--to", "mysql://x"], "begins with postgres://"),
    ],
)
def test_a_move_to_nowhere_is_refused(home: Path, options: list[str], said: str) -> None:
    refused = move("work", *options)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_nothing_is_moved_while_a_server_leads(home: Path, url: str) -> None:
    lock = LeaderLock(settings.load().account_folder("work"))
    assert lock.acquire()
    try:
        refused = move("work", "--to", url)
    finally:
        lock.release()
    assert refused.exit_code == 1
    assert "A server of work is running" in refused.stderr


def test_an_account_that_the_database_does_not_have_is_named(home: Path, url: str) -> None:
    refused = move("office", "--from", url)
    assert refused.exit_code == 2
    assert "The database has no account office" in refused.stderr
