"""`whatsapp-mcp fleet`: what operators do with the database of a fleet, at the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fleet.keys.taken import leaders_url
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.cli.app import app, lead_accounts
from whatsapp_mcp.errors import Unsupported

PAGE = (Path(__file__).parents[2] / "docs" / "fleet" / "tenancy.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"<!-- run by [^>]+ -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
Run = Callable[..., str]


@pytest.fixture
def run(postgres: PostgresServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of a fleet whose database has no table yet, and answers what it printed."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    monkeypatch.setenv("WHATSAPP_MCP_DATABASE", leaders_url(postgres, database))
    monkeypatch.setenv("WHATSAPP_MCP_NODE__ALLOW_ASYNCHRONOUS", "true")

    def done(line: str, code: int = 0, **given: Any) -> str:
        result = CliRunner().invoke(app, shlex.split(line), **given)
        assert result.exit_code == code, f"{line}: {result.output}"
        return result.output

    return done


def test_the_commands_of_the_page_make_an_account_and_let_its_tenant_in(run: Run) -> None:
    assert len(LINES) == 5
    printed = [run(line.removeprefix("whatsapp-mcp-fleet ")) for line in LINES]
    assert printed[1].startswith("wamcp_")
    assert "tokens of the issuer" in printed[2]
    found = json.loads(run("fleet principals --json"))["principals"]
    assert {one["name"]: (one["accounts"], one["scopes"], one["calls_per_minute"]) for one in found} == {
        "acme-bot": (["acme-7"], ["read", "send"], 120),
        "oauth:3f1c9a52": (["acme-7"], ["read"], None),
        "operator": (None, ["admin"], None),
    }


def test_an_account_is_stopped_given_settings_released_and_forgotten(run: Run, tmp_path: Path) -> None:
    run("fleet create acme-7 --settings -", input='[policy]\nmode = "read_only"\n')

    def account() -> Any:
        [found] = json.loads(run("fleet accounts --json"))["accounts"]
        return found

    assert account()["settings"] == '[policy]\nmode = "read_only"\n'
    run("fleet quarantine acme-7 'spam reports'")
    assert (account()["state"], account()["reason"]) == ("quarantined", "spam reports")
    assert "spam reports" in run("fleet accounts")
    run("fleet drain acme-7")
    run("fleet release acme-7")
    assert account()["state"] == "active"

    (tmp_path / "own.toml").write_text("[policy]\nmoed = 1\n")
    assert "line 2" in run(f"fleet settings acme-7 {tmp_path / 'own.toml'}", 2)
    run("fleet settings acme-7 -", input="[retention]\ndays = 7\n")
    assert account()["settings"] == "[retention]\ndays = 7\n"

    run("fleet admit bot --accounts acme-7")
    run("fleet limit bot --accounts acme-7 --calls-per-minute 5")
    run("fleet revoke bot")
    run("fleet forget acme-7 --yes")
    assert json.loads(run("fleet accounts --json")) == {"accounts": []}
    assert "was forgotten" in run("fleet create acme-7", 2)


def test_what_is_not_there_is_said(run: Run) -> None:
    assert "No node nowhere" in run("fleet drain-node nowhere", 2)
    assert "no account nobody" in run("fleet forget nobody --yes", 2)
    assert json.loads(run("fleet nodes --json")) == {"nodes": []}


@pytest.mark.parametrize(
    ("part", "other", "says"),
    [
        (r":[^:@/]+@", ":wrong@", "the password is wrong"),
        (r":\d+/", ":9/", "nobody listens at its address"),
        (r"@[^:/]+", "@db.invalid", "the name of its host is not known"),
        (r"/[^/?]+(?=\?|$)", "/nothing", "there is no such database"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_to_be_so_in_words(
    run: Run, monkeypatch: pytest.MonkeyPatch, part: str, other: str, says: str
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_DATABASE", re.sub(part, other, os.environ["WHATSAPP_MCP_DATABASE"]))
    assert says in run("fleet accounts", 1)


def test_without_a_database_it_says_which_setting_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHATSAPP_MCP_DATABASE")
    assert "`database`" in run("fleet accounts", 2)


def test_a_node_says_where_it_runs() -> None:
    with pytest.raises(Unsupported, match="Linux alone"):
        lead_accounts("darwin")


def test_what_to_do_next_names_the_commands_of_this_program(tmp_path: Path) -> None:
    started = subprocess.run(
        [
            sys.executable,
            "-c",
            "from whatsapp_fleet.cli import main; main()",
            "status",
            "--account",
            "acme-7",
        ],
        env={**os.environ, "WHATSAPP_MCP_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Run `whatsapp-mcp-fleet link --account acme-7`." in started.stdout
