"""`webhooks` as a person types it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.features.webhooks.receiver import KEY, SECRET, Receiver, receiving
from tests.tables import for_each
from whatsapp_mcp import cli
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.ledger import FailedDelivery, Ledger
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    monkeypatch.setenv("HOOK", SECRET)
    Settings(home=tmp_path).account_folder().create()
    write(tmp_path, "http://127.0.0.1:9/secret-path")
    return tmp_path


def write(home: Path, url: str) -> None:
    text = f'[[webhooks]]\nname = "n8n"\nurl = "{url}"\nsecrets = ["env:HOOK"]\nprivate_network = true\n'
    (home / "config.toml").write_text(text, encoding="utf-8")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["whatsapp-mcp", "webhooks", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


async def prepare(home: Path) -> None:
    """A webhook that has delivered, given one event up and put the next off."""
    ledger = Ledger(Settings(home=home).account_folder())
    await ledger.webhooks.begin("n8n", 3)
    await ledger.webhooks.advance("n8n", 4, AT)
    await ledger.webhooks.give_up(FailedDelivery("n8n", 5, AT, "It answered 500."))
    await ledger.webhooks.put_off("n8n", 0, AT, "It cannot be reached (ConnectError).")
    ledger.close()


def test_a_webhook_that_never_ran_is_listed_without_its_path(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "list") == 0
    out = capsys.readouterr().out
    assert "http://127.0.0.1:9 " in out
    assert "has not begun" in out
    assert "secret-path" not in out


async def test_what_is_wrong_is_listed_and_what_failed_can_be_replayed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepare(home)

    def told(*arguments: str) -> str:
        import subprocess

        command = [sys.executable, "-m", "whatsapp_mcp", "webhooks", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    [listed] = json.loads(told("list", "--json"))
    assert (listed["failed"], listed["reason"]) == (1, "It cannot be reached (ConnectError).")
    [failed] = json.loads(told("failed", "n8n", "--json"))
    assert (failed["seq"], failed["reason"], failed["replay"]) == (5, "It answered 500.", False)
    told("replay", "n8n")
    [failed] = json.loads(told("failed", "n8n", "--json"))
    assert failed["replay"] is True
    [listed] = json.loads(told("list", "--json"))
    assert listed["retry_at"] is None


def test_a_test_event_is_posted_and_signed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as receiver:
        write(home, receiver.url)
        assert run(monkeypatch, "test", "n8n") == 0
    [request] = receiver.taken
    assert request.event["type"] == "test"
    assert request.is_signed_with(KEY)


def test_a_test_event_that_is_not_taken_ends_with_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving(Receiver(lambda _: 404)) as receiver:
        write(home, receiver.url)
        assert run(monkeypatch, "test", "n8n") == 1
    assert "It answered 404." in capsys.readouterr().err


def test_an_unknown_name_is_refused_with_those_that_are_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "replay", "zapier") == 2
    assert "Webhooks: n8n." in capsys.readouterr().err


def test_a_secret_is_printed_and_is_another_each_time(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "secret")
    run(monkeypatch, "secret")
    one, other = capsys.readouterr().out.split()
    assert one != other
    assert one.startswith("whsec_")


@for_each(("raised", "code"), [(KeyboardInterrupt(), 130), (NotConnected("It is down."), 1)])
def test_a_command_that_is_interrupted_or_fails_says_so(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: object) -> None:
        raise raised

    monkeypatch.setattr("whatsapp_mcp.features.webhooks.commands.known_account", failing)
    assert CliRunner().invoke(app, ["webhooks", "list"]).exit_code == code
