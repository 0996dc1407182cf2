"""Text on terminals: every script, on every console."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.cli.fakes import status_of
from tests.tables import for_each
from whatsapp_mcp.cli.connection.status import to_text
from whatsapp_mcp.cli.outcome import aligned, isolated, print_error, shown
from whatsapp_mcp.errors import NotLinked
from whatsapp_mcp.models import ConnectionState

NAMES = ["Ann", "张伟", "ｶﾅ", "Jose\u0301", "👩‍👩‍👧 Fam", "👍🏽", "🇩🇪", "❤️", "דנה", "نور"]
ISOLATES = ("\u2068", "\u2069")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_stand_below_each_other_whatever_script_a_name_has():
    rows = [(name, f"{number}", "end") for number, name in enumerate(NAMES)]
    for line, (_, number, _) in zip(aligned(rows).splitlines(), rows, strict=True):
        assert cell_len(line[: line.index(f"  {number}  end")].rstrip()) <= 8
        assert cell_len(line) == cell_len("👩‍👩‍👧 Fam") + len("  0  end")


def test_no_row_ends_in_spaces_and_rows_may_be_of_different_lengths():
    assert aligned([("a",), ("bcd", "e"), ("f", "")]) == "a\nbcd  e\nf"


@for_each(
    ("text", "expected"),
    [
        ("Ann +1555", "Ann +1555"),
        ("דנה +1555", "⟨דנה⟩ +1555"),
        ("name  דנה כהן (+1555)", "name  ⟨דנה כהן⟩ (+1555)"),
        ("نُور.", "⟨نُور⟩."),
        ("נוֹ", "⟨נוֹ⟩"),
        ("דנה and נור", "⟨דנה⟩ and ⟨נור⟩"),
        ("דנה\nנור", "⟨דנה⟩\n⟨נור⟩"),
        ("\u202eדנה\u2069 x", "⟨דנה⟩ x"),
    ],
)
def test_right_to_left_words_are_isolated_from_what_stands_beside_them(text: str, expected: str):
    assert isolated(text) == expected.translate({ord("⟨"): ISOLATES[0], ord("⟩"): ISOLATES[1]})


@given(st.text(alphabet=st.sampled_from("aZ1 .\n漢אבنُ\u202e\u2066\u2068\u2069\u064e")))
def test_nothing_is_lost_and_every_isolate_is_closed_on_its_line(text: str):
    kept = "".join(
        char for char in text if not ("\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069")
    )
    got = isolated(text)
    assert "".join(char for char in got if char not in ISOLATES) == kept
    for line in got.splitlines():
        assert [char for char in line if char in ISOLATES] == [*ISOLATES] * (line.count(ISOLATES[0]))


def test_what_is_no_terminal_gets_the_text_as_it_is():
    assert shown("דנה +1555", io.StringIO()) == "דנה +1555"
    assert shown("דנה +1555", Terminal()) != "דנה +1555"


def test_an_error_about_a_name_keeps_its_order_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    print_error(NotLinked("Linked as דנה (+1555)."))
    assert f"{ISOLATES[0]}דנה{ISOLATES[1]} (+1555)" in screen.getvalue()


def test_the_values_of_a_status_stand_in_one_column():
    lines = to_text(status_of(ConnectionState.ONLINE, "+15550001111"), "/home/张伟").splitlines()
    rows = [line for line in lines if "  " in line]
    assert {len(row) - len(row.split("  ", 1)[1].lstrip()) for row in rows} == {len("account  ")}


CONSOLES = {
    "C": {"LANG": "C", "LC_ALL": "C"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "code page": {"PYTHONIOENCODING": "cp1252"},
    "strict": {"PYTHONIOENCODING": "cp437:strict"},
}


@pytest.mark.parametrize("console", CONSOLES)
def test_the_program_writes_utf8_whatever_the_console_is_said_to_be(console: str, tmp_path: Path):
    home = tmp_path / "张伟 דנה 👍"
    home.mkdir()
    (home / "config.toml").write_text("nonsense = 1\n", encoding="utf-8")
    environment = {**os.environ, **CONSOLES[console], "WHATSAPP_MCP_HOME": str(home)}
    failed = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "status"],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert str(home) in failed.stderr.decode()
    assert failed.returncode == 2
    (home / "config.toml").unlink()
    told = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "status", "--json"],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert str(home) in told.stdout.decode()


def test_what_is_no_unicode_at_all_does_not_end_the_program(tmp_path: Path):
    if sys.platform in ("win32", "darwin"):
        pytest.skip("names of files are Unicode there")
    home = os.fsencode(tmp_path) + b"/caf\xe9"
    told = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "status"],
        env={**os.environb, b"WHATSAPP_MCP_HOME": home},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"caf\\udce9" in told.stdout
    assert told.returncode == 1
