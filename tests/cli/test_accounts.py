"""`whatsapp-mcp accounts`: list, add, rename and remove, and what a kill in between leaves."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from tests.cli.fakes import NOON
from tests.tables import for_each
from whatsapp_mcp import settings
from whatsapp_mcp.cli import account_changes as changes
from whatsapp_mcp.cli import service
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.hosts import Launch
from whatsapp_mcp.device.connection import Accessor
from whatsapp_mcp.device.leader import LeaderLock, open_device
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.server.transports import Tokens

CONFIG = '[accounts.work.policy]\nmode = "read_only"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without an account; the user's own is elsewhere, and has no application."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def run(line: str) -> Result:
    done = CliRunner().invoke(app, line.split())
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def made(*names: str) -> None:
    for name in names:
        settings.load().account_folder(name).create()


def names() -> list[str]:
    return settings.load().accounts()


def test_an_account_is_added_and_listed(home: Path) -> None:
    added = run("accounts add work")
    assert added.exit_code == 0
    assert "`whatsapp-mcp link --account work`" in added.stderr
    listed = run("accounts list").stdout.splitlines()
    assert [line.split()[:3] for line in listed] == [["NAME", "NUMBER", "STATE"], ["work", "–", "unlinked"]]
    assert run("accounts").stdout.splitlines() == listed


def test_a_program_is_told_of_each_account(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("work", "club")
    (home / "accounts" / "work" / "archive.db").write_bytes(b"x" * 1000)

    def found(account: str, *, wait: bool) -> ConnectionStatus:
        assert not wait
        number = "+15550001111" if account == "work" else None
        return ConnectionStatus(ConnectionState.ONLINE, NOON, account, number=number, last_event_at=NOON)

    monkeypatch.setattr("whatsapp_mcp.cli.connection.find", found)
    club, work = json.loads(run("accounts list --json").stdout)["accounts"]
    assert work == {
        "name": "work",
        "number": "+15550001111",
        "state": "online",
        "size": 1000,
        "last_heard": NOON.isoformat(),
    }
    assert (club["name"], club["number"]) == ("club", None)


def test_without_an_account_the_list_says_what_to_do() -> None:
    assert "`whatsapp-mcp link`" in run("accounts").stdout
    assert json.loads(run("accounts --json").stdout) == {"accounts": []}


@for_each("name", ["Work", "-x", "a.b", "all", "x" * 33, "wörk", "a/b"])
def test_a_new_account_has_a_plain_name(name: str) -> None:
    made("default")
    for line in (f"accounts add -- {name}", f"accounts rename -- default {name}"):
        refused = run(line)
        assert refused.exit_code == 2
        assert "cannot be the name of a new account" in refused.stderr
    assert names() == ["default"]


@pytest.mark.parametrize("line", ["accounts add work", "accounts rename default work"])
def test_a_name_that_is_taken_is_refused(line: str) -> None:
    made("work", "default")
    refused = run(line)
    assert (refused.exit_code, names()) == (2, ["default", "work"])
    assert "There is an account work already" in refused.stderr


def test_a_rename_takes_settings_and_tokens_along(home: Path) -> None:
    made("work", "club")
    (home / "config.toml").write_text(CONFIG)
    (home / "accounts" / "work" / "archive.db").write_text("kept")
    Tokens(home).create("limited", ["read"], ["work", "club"])
    Tokens(home).create("free", ["read"])

    assert run("accounts rename work office").exit_code == 0

    loaded = settings.load()
    assert loaded.accounts() == ["club", "office"]
    assert loaded.for_account("office").policy.mode == "read_only"
    assert loaded.accounts_with_settings == {"office"}
    assert (home / "accounts" / "office" / "archive.db").read_text() == "kept"
    assert [each.accounts for each in Tokens(home).all()] == [None, {"office", "club"}]


def test_an_account_that_has_settings_already_is_no_new_name(home: Path) -> None:
    made("default")
    (home / "config.toml").write_text(CONFIG)
    refused = run("accounts rename default work")
    assert (refused.exit_code, names()) == (2, ["default"])
    assert "has settings of an account work already" in refused.stderr


@pytest.mark.parametrize("line", ["accounts rename work office", "accounts remove work --yes"])
def test_nothing_is_done_while_a_server_leads(line: str, home: Path) -> None:
    made("work")
    lock = LeaderLock(settings.load().account_folder("work"))
    assert lock.acquire()
    try:
        refused = run(line)
    finally:
        lock.release()
    assert (refused.exit_code, names()) == (1, ["work"])
    assert f"A server of work is running (process {os.getpid()})" in refused.stderr


async def reason_of(devices: Accessor[Device]) -> str:
    async with devices.use() as device:
        return (await device.do(control.status)).reason or ""


@pytest.mark.anyio
async def test_a_server_that_starts_during_a_rename_does_not_make_the_folder_again() -> None:
    made("work")
    loaded = settings.load()
    folder = loaded.account_folder("work")
    with changes.nobody_leads(folder) as lock:
        async with open_device(loaded, "work") as (devices, _, _):
            changes.move_folder(lock, folder.path, folder.path.with_name("office"))
            with anyio.fail_after(30):
                while "was renamed or removed" not in await reason_of(devices):  # noqa: ASYNC110  no event
                    await anyio.sleep(0.05)
    assert names() == ["office"]


@pytest.mark.parametrize("line", ["accounts rename work office", "accounts remove work --yes"])
def test_an_account_that_oauth_users_are_limited_to_stays_until_a_person_has_decided(
    line: str, home: Path
) -> None:
    made("work")
    (home / "config.toml").write_text(
        '[server.oauth]\nissuer = "https://a.example"\nsubjects = ["me"]\naccounts = {me = ["work"]}\n'
    )
    refused = run(line)
    assert (refused.exit_code, names()) == (2, ["work"])
    assert "server.oauth.accounts" in refused.stderr


def test_a_name_that_oauth_users_are_limited_to_is_no_new_name(home: Path) -> None:
    made("work")
    (home / "config.toml").write_text(
        '[server.oauth]\nissuer = "https://a.example"\nsubjects = ["me"]\naccounts = {me = ["office"]}\n'
    )
    refused = run("accounts rename work office")
    assert (refused.exit_code, names()) == (2, ["work"])
    assert "server.oauth.accounts in config.toml names office" in refused.stderr


def test_a_name_that_a_token_is_limited_to_is_no_new_name(home: Path) -> None:
    made("work")
    Tokens(home).create("leftover", ["read"], ["office"])
    refused = run("accounts rename work office")
    assert (refused.exit_code, names()) == (2, ["work"])
    assert "whatsapp-mcp token revoke leftover" in refused.stderr


def test_a_file_of_settings_that_cannot_be_edited_is_left_with_the_account(home: Path) -> None:
    made("work")
    text = '[accounts]\nwork = {policy = {mode = "read_only"}}\n'
    (home / "config.toml").write_text(text)
    refused = run("accounts rename work office")
    assert (refused.exit_code, names()) == (2, ["work"])
    assert "Edit the file by hand" in refused.stderr
    assert (home / "config.toml").read_text() == text


def test_a_removal_takes_settings_and_tokens_along(home: Path) -> None:
    made("work", "club")
    (home / "config.toml").write_text(f'{CONFIG}[policy]\nmode = "lockdown"\n')
    Tokens(home).create("limited", ["read"], ["work"])

    assert run("accounts remove work --yes").exit_code == 0

    assert names() == ["club"]
    assert settings.load().accounts_with_settings == frozenset()
    assert settings.load().policy.mode == "lockdown"
    assert [each.accounts for each in Tokens(home).all()] == [frozenset()]


def test_a_removal_asks_and_cannot_without_a_terminal() -> None:
    made("work")
    refused = run("accounts remove work")
    assert (refused.exit_code, names()) == (2, ["work"])
    assert "--yes" in refused.stderr


Found = Callable[[str], None]


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A phone is linked to every account; which ones were unlinked."""
    made("work")
    unlinked: list[str] = []

    def found(account: str, *, wait: bool) -> ConnectionStatus:
        return ConnectionStatus(ConnectionState.OFFLINE, NOON, account, number="+15550001111")

    def with_known_device(account: str, _: object) -> None:
        unlinked.append(account)

    monkeypatch.setattr("whatsapp_mcp.cli.connection.find", found)
    monkeypatch.setattr("whatsapp_mcp.cli.connection.with_known_device", with_known_device)
    return unlinked


def test_a_linked_account_is_unlinked_before_it_is_deleted(linked: list[str]) -> None:
    assert run("accounts remove work --yes").exit_code == 0
    assert (linked, names()) == (["work"], [])


def test_a_linked_account_may_be_deleted_as_it_is(linked: list[str]) -> None:
    done = run("accounts remove work --yes --keep-linked")
    assert (done.exit_code, linked, names()) == (0, [], [])
    assert "Linked devices" in done.stderr


def test_an_account_that_cannot_be_unlinked_is_kept(
    linked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise NotConnected("WhatsApp was not reached.")

    monkeypatch.setattr("whatsapp_mcp.cli.connection.with_known_device", fails)
    assert run("accounts remove work --yes").exit_code == 1
    assert names() == ["work"]


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs a privilege there")
def test_an_account_whose_folder_is_a_link_is_left_as_it_is(
    linked: list[str], home: Path, tmp_path: Path
) -> None:
    (home / "config.toml").write_text(CONFIG)
    Tokens(home).create("limited", ["read"], ["work"])
    (home / "accounts" / "work").rename(tmp_path / "disk")
    (home / "accounts" / "work").symlink_to(tmp_path / "disk")
    refused = run("accounts remove work --yes")
    assert (refused.exit_code, linked, names()) == (2, [], ["work"])
    assert "is a link" in refused.stderr
    assert settings.load().accounts_with_settings == {"work"}
    assert [each.accounts for each in Tokens(home).all()] == [{"work"}]
    assert run("accounts list").exit_code == 0


@pytest.mark.parametrize("line", ["rename nobody x", "remove nobody --yes"])
def test_an_account_that_is_not_here_is_named_with_those_that_are(line: str) -> None:
    made("work")
    refused = run(f"accounts {line}")
    assert refused.exit_code == 1
    assert "Accounts here: work." in refused.stderr


def test_what_still_starts_an_account_that_is_gone_is_named(tmp_path: Path) -> None:
    made("work")
    entry = {"command": "whatsapp-mcp", "args": ["--account", "work"]}
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": {"whatsapp-work": entry}}))
    said = run("accounts rename work office").stderr
    assert "Claude Code still starts work: change or remove whatsapp-work" in said


@pytest.mark.skipif(sys.platform != "linux", reason="of systemd")
def test_the_word_in_which_an_application_names_an_account_that_is_gone_may_be_one(tmp_path: Path) -> None:
    made("work")
    entry = {"command": "whatsapp-mcp", "args": ["--account=work"]}
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": {"whatsapp-work": entry}}))
    for account in ("work", "work-2"):
        unit = service.systemd_unit(f"whatsapp-mcp-{account}", Launch.here(account, "serve"))
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.content)
    said = run("accounts rename work office").stderr
    assert "Claude Code still starts work" in said
    assert "The service whatsapp-mcp-work still starts work" in said
    assert "whatsapp-mcp-work-2" not in said


def test_a_name_that_a_token_is_limited_to_is_not_added(home: Path) -> None:
    Tokens(home).create("leftover", ["read"], ["office"])
    refused = run("accounts add office")
    assert (refused.exit_code, names()) == (2, [])
    assert "whatsapp-mcp token revoke leftover" in refused.stderr


def test_two_processes_do_not_change_accounts_at_once(home: Path) -> None:
    made("work", "club")
    with changes.changing(home):
        for line in ("rename work office", "remove work --yes", "add third"):
            refused = run(f"accounts {line}")
            assert (refused.exit_code, names()) == (1, ["club", "work"])
            assert f"Process {os.getpid()} is changing accounts" in refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.parametrize("act", ["rename", "remove"])
def test_a_change_that_is_killed_at_any_step_is_completed_or_undone_by_the_next_command(
    act: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.account_kills", act, str(tmp_path / "kills")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def test_a_rename_that_goes_on_elsewhere_is_not_undone(home: Path) -> None:
    made("work")
    (home / "accounts" / ".renaming").write_text('["work", "office"]')
    lock = LeaderLock(settings.load().account_folder("work"))
    assert lock.acquire()
    try:
        assert run("accounts list").exit_code == 0
        assert (home / "accounts" / ".renaming").exists()
    finally:
        lock.release()
    assert "is undone now" in run("accounts list").stderr
    assert not (home / "accounts" / ".renaming").exists()


def killed_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename of work to office that ends just before the folder takes the new name."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", killed)
        changes.rename(settings.load(), "work", "office")


def test_an_account_that_took_the_new_name_of_an_interrupted_rename_gets_no_token_of_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("work")
    (home / "config.toml").write_text(CONFIG)
    Tokens(home).create("limited", ["read"], ["work"])
    killed_rename(monkeypatch)
    made("office")
    assert "is undone now" in run("accounts list").stderr
    assert names() == ["office", "work"]
    assert settings.load().accounts_with_settings == {"work"}
    assert [each.accounts for each in Tokens(home).all()] == [{"work"}]
    assert not list(home.rglob(".renaming"))


def test_an_interrupted_rename_of_a_folder_that_is_gone_is_undone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("work")
    (home / "config.toml").write_text(CONFIG)
    Tokens(home).create("limited", ["read"], ["work"])
    killed_rename(monkeypatch)
    shutil.rmtree(home / "accounts" / "work")
    listed = run("accounts list")
    assert (listed.exit_code, names()) == (0, [])
    assert "is undone now" in listed.stderr
    assert settings.load().accounts_with_settings == {"work"}
    assert [each.accounts for each in Tokens(home).all()] == [{"work"}]
    assert run("accounts list").stderr == ""


@pytest.mark.parametrize("text", ["", "5", '"ab"', '["work"]', '["work", 1]', '["work", "../x"]', "\xff"])
def test_a_marker_of_a_rename_that_names_no_accounts_is_taken_away(text: str, home: Path) -> None:
    made("work", "b")
    (home / "accounts" / ".renaming").write_text(text, encoding="latin-1")
    (home / "config.toml").write_text(CONFIG.replace("work", "b"))
    listed = run("accounts list")
    assert (listed.exit_code, names()) == (0, ["b", "work"])
    assert "A rename was interrupted, and is undone now" in listed.stderr
    assert settings.load().accounts_with_settings == {"b"}
    assert run("accounts list").stderr == ""


SEVERAL = [
    "link",
    "unlink --yes",
    "logs",
    "reconnect",
    "audit",
    "archive stats",
    "approve --list",
    "status --watch",
]


@for_each("line", SEVERAL)
def test_a_command_for_one_account_asks_which_where_several_are_here(line: str) -> None:
    made("work", "default")
    refused = run(line)
    assert refused.exit_code == 2
    assert "Accounts here: default, work. Name one of them with --account NAME." in refused.stderr


def test_where_one_account_is_here_it_is_meant_whatever_its_name(home: Path) -> None:
    made("work")
    with closing(sqlite3.connect(home / "accounts" / "work" / "client" / "client.db")):
        pass
    assert json.loads(run("status --json").stdout)["account"] == "work"
    assert run("logs").exit_code == run("logs --account work").exit_code


def test_the_status_shows_all_accounts_or_the_one_that_is_named() -> None:
    made("work", "default")
    assert [each["account"] for each in json.loads(run("status --json").stdout)] == ["default", "work"]
    assert json.loads(run("status --json --account work").stdout)["account"] == "work"
    told = run("status").stdout
    assert told.count("unlinked: ") == 2
