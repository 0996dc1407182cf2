"""`whatsapp-mcp archive import`: what it asks of the leader, what it tells, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner, Result

from tests.cli.fakes import NOON
from tests.devices import ByName
from whatsapp_mcp import settings
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.command_line import _ProgressLine
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, ImportStep, UnknownVersion
from whatsapp_mcp.models import ExportMatch, ImportReport, ImportSource, ImportState, Unreadable

ANN = "15550000001@s.whatsapp.net"
REPORT = ImportReport(1200, 30, names=2, unreadable={Unreadable.NO_TIME: 3}, first=NOON, last=NOON)
DONE = ImportProgress(
    7,
    "msgstore.db",
    ImportState.DONE,
    NOON,
    numbers=(4,),
    source=ImportSource.ANDROID,
    ended=NOON,
    report=REPORT,
)


@dataclass
class Leader(ByName):
    """A leader that answers as a test says.

    Attributes:
        answers: What `imports` tells, one after the other; the last one stays.
        asked: What it was asked.
    """

    answers: list[ImportProgress]
    matches: tuple[ExportMatch, ...] = ()
    asked: list[Any] = field(default_factory=list[Any])

    async def begin_import(self, request: ImportRequest) -> int:
        self.asked.append(request)
        return 7

    async def imports(self, ticket: int = 0) -> tuple[ImportProgress, ...]:
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0],)

    async def cancel_import(self, ticket: int) -> None:
        self.asked.append(f"cancel {ticket}")

    async def undo_import(self, number: int) -> int:
        self.asked.append(f"undo {number}")
        return 7

    async def match_exports(self, path: str) -> tuple[ExportMatch, ...]:
        return self.matches

    @asynccontextmanager
    async def use(self, deadline: float | None = None) -> AsyncIterator[Device]:
        yield self


@dataclass
class Known:
    """An archive that knows Ann."""

    jid: str = ANN
    name: str = "Ann"

    async def resolve_chat(self, text: str, limit: int = 10) -> list[Any]:
        raise InvalidArgument(f"{text} is nobody.")

    async def chat(self, jid: str) -> Known:
        return self


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an account."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    settings.load().account_folder().create()
    return tmp_path


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Leader]:
    """Lets a leader answer the command."""

    def lead(*answers: ImportProgress, **facts: Any) -> Leader:
        leader = Leader([*answers], **facts)

        def with_device(_: str, use: Callable[..., Any]) -> Any:
            return anyio.run(use, leader, Known())

        for name in ("with_device", "with_known_device"):
            monkeypatch.setattr(f"whatsapp_mcp.cli.connection.{name}", with_device)
        return leader

    return lead


def run(*arguments: str, answer: str | None = None) -> Result:
    done = CliRunner().invoke(app, ["archive", "import", *arguments], input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def backup(tmp_path: Path) -> str:
    (tmp_path / "msgstore.db").write_bytes(b"SQLite format 3\0")
    return str(tmp_path / "msgstore.db")


def test_what_came_of_it_is_told_and_how_to_undo_it(leads: Callable[..., Leader], backup: str) -> None:
    leads(replace(DONE, ended=None, state=ImportState.RUNNING), DONE)
    done = run(backup)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"1,200 new messages, 30 known already, 2 names; from {NOON:%Y-%m-%d} to {NOON:%Y-%m-%d}.",
        "Not taken over: 3 without a possible time.",
        "Undo: `whatsapp-mcp archive import --undo 4`",
    ]


def test_all_that_is_given_reaches_the_leader_with_whole_paths(
    leads: Callable[..., Leader], backup: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = leads(DONE)
    monkeypatch.chdir(home)
    (home / "Media").mkdir()
    (home / "key").write_bytes(b"k")
    (home / "wa.db").write_bytes(b"w")
    given = ["--key-file", "key", "--media", "Media", "--names", "wa.db", "--dry-run", "--me", "Max"]
    run("msgstore.db", *given)
    assert leader.asked == [
        ImportRequest(
            backup,
            me="Max",
            key_file=str(home / "key"),
            media=str(home / "Media"),
            names=str(home / "wa.db"),
            dry_run=True,
        )
    ]


def test_a_key_is_read_from_standard_input_and_never_printed(
    leads: Callable[..., Leader], backup: str
) -> None:
    leader = leads(DONE)
    done = run(backup, "--key", "-", answer="hunter2\n")
    assert leader.asked[0].key == "hunter2"
    assert "hunter2" not in done.output + repr(leader.asked)


def test_an_import_that_fails_ends_with_1_and_says_why(leads: Callable[..., Leader], backup: str) -> None:
    leads(replace(DONE, state=ImportState.FAILED, error="It is damaged. Give another."))
    done = run(backup)
    assert (done.exit_code, "Error: It is damaged. Give another." in done.stderr) == (1, True)


def test_of_a_version_that_is_not_known_it_prints_what_can_be_reported(
    leads: Callable[..., Leader], backup: str
) -> None:
    unknown = UnknownVersion(1234, (("message", ("_id", "text_data")), ("jid", ("_id",))))
    leads(replace(DONE, state=ImportState.FAILED, error="It is not known.", unknown=unknown, source=None))
    done = run(backup)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-4:] == [
        "To report it, copy these lines:",
        "user_version 1234",
        "message(_id, text_data)",
        "jid(_id)",
    ]


def test_a_program_gets_everything_as_json(leads: Callable[..., Leader], backup: str) -> None:
    leads(DONE)
    told = json.loads(run(backup, "--json").stdout)
    assert (told["numbers"], told["state"], told["source"]) == ([4], "done", "android")
    assert told["report"]["unreadable"] == {"no_time": 3}
    assert told["ended"].startswith(f"{NOON:%Y-%m-%dT%H:%M}")


def test_an_import_is_undone_after_a_yes(leads: Callable[..., Leader]) -> None:
    undone = replace(DONE, state=ImportState.UNDONE, step=ImportStep.UNDOING, done=1200)
    leader = leads(undone)
    assert run("--undo", "4", answer="n\n").exit_code == 1
    assert leader.asked == []
    done = run("--undo", "4", answer="y\n")
    assert (done.exit_code, leader.asked) == (0, ["undo 4"])
    assert "Import 4 is undone: what only it brought is removed." in done.stdout
    assert run("--undo", "4", "--yes").exit_code == 0


def test_nobody_is_asked_about_an_import_that_is_not_there(leads: Callable[..., Leader]) -> None:
    leader = leads(DONE)
    done = run("--undo", "9", answer="y\n")
    assert (done.exit_code, leader.asked) == (2, [])
    assert "There is no import 9." in done.stderr
    assert "Remove what" not in done.stderr


def test_before_anything_is_linked_no_import_is_listed(home: Path) -> None:
    shutil.rmtree(home / "home" / "accounts")
    assert json.loads(run("--list", "--json").stdout) == []
    assert run("--list").exit_code == 0
    assert not (home / "home" / "accounts").exists()


def test_imports_are_listed(leads: Callable[..., Leader]) -> None:
    leads(replace(DONE, file="msgstore\x1b[31m.db"))
    done = run("--list")
    assert done.stdout.split()[0] == "4"
    assert "done" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("given", [[], ["--undo", "1", "--list"], ["FILE", "--list"]])
def test_it_does_one_thing_at_a_time(backup: str, given: list[str]) -> None:
    assert run(*(backup if one == "FILE" else one for one in given)).exit_code == 2


def test_exports_that_are_not_certain_are_listed_where_nobody_is_asked(
    leads: Callable[..., Leader], home: Path
) -> None:
    asks = (ExportMatch("Chat with A.zip", None, (ANN,)),)
    leader = leads(replace(DONE, asks=asks), matches=asks)
    done = run(str(home))
    assert "give each with --chat:\n  Chat with A.zip" in done.stdout
    assert leader.asked == [ImportRequest(str(home))]


def test_at_a_terminal_the_person_says_which_chat_an_export_is(
    leads: Callable[..., Leader], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = (ExportMatch("a.zip", ANN), ExportMatch("b.zip", None, (ANN,)), ExportMatch("c.zip"))
    leader = leads(DONE, matches=matches)
    monkeypatch.setattr("whatsapp_mcp.features.imports.command_line._is_at_terminal", lambda: True)
    done = run(str(home), answer="1\n\n")
    assert leader.asked[0].chats == (("b.zip", ANN),)
    assert "Which chat is b.zip?\n  1  Ann (15550000001@s.whatsapp.net)" in done.stderr


def test_how_far_it_is_stays_in_one_line_of_a_narrow_terminal() -> None:
    running = replace(DONE, state=ImportState.RUNNING, file="日本" * 20, done=5, total=10)
    leader, follower = pty.openpty()
    try:
        termios.tcsetwinsize(follower, (24, 30))
        with os.fdopen(follower, "w", encoding="utf-8") as out:
            _ProgressLine(out).show(running)
            line = os.read(leader, 1000).decode()
    finally:
        os.close(leader)
    assert line == f"\r{'日本' * 7}\x1b[K"


SCRIPT = """
import sys
from tests.features.imports.cli.test_imports import DONE, Leader, Known
from dataclasses import replace
from whatsapp_mcp.cli import connection
from whatsapp_mcp.cli.connection import device as real
from whatsapp_mcp.models import (ImportState)
from whatsapp_mcp.features.imports.requests import (ImportStep)
import anyio

class Waits(Leader):
    async def cancel_import(self, ticket):
        self.answers = [replace(DONE, state=ImportState.CANCELLED)]

running = replace(DONE, state=ImportState.RUNNING, ended=None, step=ImportStep.MESSAGES, done=5, total=10)
connection.with_device = lambda account, use: anyio.run(use, Waits([running]), Known())
sys.argv = ["whatsapp-mcp", "archive", "import", sys.argv[1]]
from whatsapp_mcp.cli import main
main()
"""


def test_ctrl_c_cancels_in_order_and_says_that_it_goes_on(backup: str) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, backup]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, text=True)
    try:
        os.close(follower)
        seen = b""
        while b"5 of 10 messages (50 %)" not in seen:
            seen += os.read(leader, 1000)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=30)
        rest = os.read(leader, 10_000)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert process.returncode == 130
    assert b"Cancelled. What was imported stays. The same command goes on where it was." in rest
    assert told.startswith("1,200 new messages")
