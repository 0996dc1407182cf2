"""`whatsapp-mcp logs`: the client's log as a person reads it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from whatsapp_mcp.cli.connection import logs
from whatsapp_mcp.errors import NotLinked

ENTRY = "2026-11-24 12:00:00,123 WARNING whatsapp_mcp.client.process: journal: it is slow"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    folder = tmp_path / "accounts" / "default"
    folder.mkdir(parents=True, mode=0o700)
    return folder / "client.log"


def printed(lines: int) -> list[str]:
    out = io.StringIO()
    logs.show_log("default", lines, follow=False, out=out)
    return out.getvalue().splitlines()


def test_the_last_lines_come_from_the_full_log_and_from_the_one_after_it(log: Path):
    log.with_name("client.log.1").write_text("one\ntwo\n", encoding="utf-8")
    log.write_text("three\nfour\n", encoding="utf-8")

    assert printed(3) == ["two", "three", "four"]
    assert printed(0) == []


def test_the_logs_of_the_servers_and_of_the_client_are_shown_as_one_in_the_order_of_time(log: Path):
    at, server = "2026-11-24 12:00:0{},000 INFO x: {}\n", log.parents[2] / "server.log"
    log.write_text(f"{at.format(1, 'one')}of the library\n{at.format(4, 'four')}")
    server.write_text(at.format(2, "two") + at.format(3, "three"))

    assert [line.split()[-1] for line in printed(10)] == ["one", "library", "two", "three", "four"]
    assert [line.split()[-1] for line in printed(2)] == ["three", "four"]


def test_what_both_write_meanwhile_is_shown_in_the_order_of_time(log: Path):
    at, server = "2026-11-24 12:00:0{},000 INFO x: {}\n", log.parents[2] / "server.log"

    def sleep(_: float) -> None:
        log.write_text(at.format(2, "two"))
        server.write_text(at.format(1, "one"))

    coming = logs.new_lines([log, server], sleep)

    assert [next(coming).split()[-1] for _ in range(2)] == ["one", "two"]


def test_an_entry_is_printed_whole_however_long(log: Path):
    log.write_text(f"{ENTRY}{'x' * 500}\n", encoding="utf-8")

    (line,) = printed(1)
    assert line.split() == f"{ENTRY}{'x' * 500}".split()


def test_an_account_that_has_no_log_yet_has_no_lines(log: Path):
    assert printed(10) == []


def test_an_account_that_is_not_here_is_refused(log: Path):
    with pytest.raises(NotLinked):
        logs.show_log("work", 10, follow=False, out=io.StringIO())


def test_a_level_has_its_colour_on_a_terminal():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, highlight=False, color_system="standard")

    console.print(logs.painted(ENTRY))

    assert "\x1b[33mWARNING" in out.getvalue()


def test_nothing_in_a_line_moves_the_cursor():
    assert "\x1b" not in logs.painted("Login \x1b[2J event").plain
    assert "\x1b" not in logs.painted(f"{ENTRY}\x1b]0;title\x07").plain


def test_what_is_written_meanwhile_comes_also_from_the_file_that_follows_a_full_one(log: Path):
    log.write_text("before\n", encoding="utf-8")
    steps = iter(
        [
            lambda: log.write_bytes("before\nfirst\nhalf é".encode()[:-1]),
            lambda: log.write_text("before\nfirst\nhalf é of it\n", encoding="utf-8"),
            lambda: log.replace(log.with_name("client.log.1")),
            lambda: log.write_text("new\n", encoding="utf-8"),
        ]
    )

    def sleep(_: float) -> None:
        next(steps)()

    coming = logs.new_lines([log], sleep)

    assert [next(coming) for _ in range(3)] == ["first", "half é of it", "new"]
