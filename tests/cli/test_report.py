"""How linking is told to a program and to a person."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import segno
from rich.console import Console

from whatsapp_mcp.cli.connection.report import JsonReport, TerminalReport, draw_qr
from whatsapp_mcp.errors import NotLinked
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, HistoryProgress, QrCode

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
QR = QrCode("2@abcdefghijklmnopqrstuvwxyz,key,identity,secret", NOON)
HALF = HistoryProgress(50, 12345, done=False)
STATUS = ConnectionStatus(ConnectionState.ONLINE, NOON, "default", number="+15550001111", name="Ada")


REAL = QrCode(
    # As long as those of WhatsApp: 257 characters, which make 57 rows of modules and 4 around them.
    f"https://wa.me/settings/linked_devices#2@{'r' * 80}==,{('k' * 43 + '=,') * 3}6",
    NOON,
    "/home/ada/.local/share/whatsapp-mcp/accounts/default/link.png",
)
URL = "http://127.0.0.1:65535/login?code=abcdefghijklmnopqrstuv"


def terminal(height: int = 60) -> tuple[TerminalReport, io.StringIO]:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, height=height, highlight=False)
    return TerminalReport(console), screen


def window(lines: int, columns: int = 80) -> tuple[TerminalReport, Console, io.StringIO]:
    """A report in a window whose size can change."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=columns, height=lines, highlight=False)
    return TerminalReport(console), console, screen


def test_json_is_one_object_a_line_with_the_promised_keys():
    out = io.StringIO()
    report = JsonReport(out)

    report.qr(QR)
    report.code("ABCD-EFGH", NOON)
    report.linked(STATUS)
    report.history(HALF)
    report.synced(12345, 1)
    report.failed(NotLinked("The codes ran out.", "Run it again."))

    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "qr", "text": QR.text, "expires_at": "2026-01-02T12:00:00+00:00"},
        {"event": "code", "code": "ABCD-EFGH", "expires_at": "2026-01-02T12:00:00+00:00"},
        {"event": "linked", "account": "default", "number": "+15550001111", "name": "Ada"},
        {"event": "history", "percent": 50, "messages": 12345},
        {"event": "synced", "messages": 12345, "chats": 1},
        {"event": "failed", "reason": "The codes ran out.", "code": "NOT_LINKED", "action": "Run it again."},
    ]


def test_a_phone_that_was_linked_before_is_said_to_be():
    report, screen = terminal()
    with report:
        report.linked(STATUS, already=True)

    assert "Linked already: Ada +15550001111." in screen.getvalue()


def test_the_drawn_qr_code_has_exactly_the_modules_of_the_real_one():
    real = [
        [bool(module) for module in row] for row in segno.make_qr(QR.text, error="l").matrix_iter(border=2)
    ]

    drawn: list[list[bool]] = []
    for line in draw_qr(QR.text).plain.splitlines():
        drawn.append([character in "▀█" for character in line])
        drawn.append([character in "▄█" for character in line])

    assert drawn[: len(real)] == real
    assert not any(any(row) for row in drawn[len(real) :])


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_the_qr_code_is_black_on_white_even_where_colours_are_unwanted(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    report, screen = terminal()

    report.qr(QR)

    drawn = [f"\x1b[30;107m{line}\x1b[0m" for line in draw_qr(QR.text).plain.splitlines()]
    assert "\n".join(drawn) in screen.getvalue()


def test_a_terminal_without_escape_codes_gets_the_light_modules_drawn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "dumb")
    real = [[bool(one) for one in row] for row in segno.make_qr(QR.text, error="l").matrix_iter(border=2)]
    report, screen = terminal()

    report.qr(QR)

    assert "\x1b" not in screen.getvalue()
    dark: list[list[bool]] = []
    for line in screen.getvalue().splitlines()[-(len(real) + 1) // 2 - 1 : -1]:
        dark.append([character not in "▀█" for character in line])
        dark.append([character not in "▄█" for character in line])
    assert dark[: len(real)] == real


def test_a_rotated_qr_code_replaces_the_one_before():
    report, screen = terminal()

    report.qr(QR)
    before = screen.tell()
    report.qr(QrCode(QR.text + "2", NOON))

    assert "\x1b[2J" not in screen.getvalue()
    rows = len(draw_qr(QR.text + "2").plain.splitlines())
    erased = screen.getvalue()[before:].partition("█")[0]
    assert erased.count("\x1b[1A\x1b[2K") > rows


def test_the_seconds_that_are_left_are_redrawn_in_place():
    screen, clock = io.StringIO(), iter([57, 3, -1])
    console = Console(file=screen, force_terminal=True, width=100, height=60, highlight=False)
    report = TerminalReport(console, now=lambda: NOON - timedelta(seconds=next(clock)))

    report.qr(QR)
    told = [screen.getvalue()]
    for _ in range(2):
        before = screen.tell()
        report.tick()
        told.append(screen.getvalue()[before:])

    assert "Valid for 57 s" in told[0]
    assert "Valid for 3 s" in told[1]
    assert "The next one comes" in told[2]


def test_a_code_to_type_is_shown_with_the_minutes_that_are_left():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, height=60, highlight=False)
    report = TerminalReport(console, now=lambda: NOON - timedelta(seconds=125))

    report.code("ABCD-EFGH", NOON)

    assert "ABCD-EFGH" in screen.getvalue()
    assert "Valid for 2:05." in screen.getvalue()


@pytest.mark.parametrize("is_linked", [True, False])
def test_what_was_drawn_is_erased_when_nobody_waits_for_the_phone_any_longer(is_linked: bool):
    report, screen = terminal()
    rows = len(draw_qr(QR.text).plain.splitlines())

    with report:
        report.qr(QR)
        before = screen.tell()
        if is_linked:
            report.linked(STATUS)
        else:
            report.interrupted()

    assert screen.getvalue()[before:].count("\x1b[1A\x1b[2K") > rows


def test_the_bar_counts_the_messages_and_the_end_says_how_many_have_come():
    report, screen = terminal()

    with report:
        report.linked(STATUS)
        report.history(HALF)
        report.synced(12345, 1)

    assert "12,345 messages" in screen.getvalue()
    assert "50%" in screen.getvalue()
    assert "Ready: 12,345 messages in 1 chat. Connect an application" in screen.getvalue()


def plain(is_terminal: bool) -> tuple[TerminalReport, io.StringIO]:
    """A report to what cannot be redrawn: a dumb terminal, or none."""
    screen = io.StringIO()
    return TerminalReport(
        Console(file=screen, force_terminal=is_terminal, width=100, highlight=False)
    ), screen


@pytest.mark.parametrize("is_terminal", [True, False])
def test_where_nothing_can_be_redrawn_lines_only_follow_lines(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TERM", "dumb")
    report, screen = plain(is_terminal)

    with report:
        report.begin()
        report.qr(QR)
        report.qr(QrCode(QR.text + "2", NOON))
        report.linked(STATUS)
        report.history(HALF)
        report.synced(12345, 1)

    said = screen.getvalue()
    assert [char for char in said if not (char.isprintable() or char == "\n")] == []
    assert said.count("no longer valid") == 1
    assert said.index("Linked: Ada") < said.index("Waiting for your history.") < said.index("Ready:")


def test_stopping_where_nothing_can_be_redrawn_says_that_the_phone_is_linked():
    report, screen = plain(is_terminal=False)

    with report:
        report.linked(STATUS)
        report.interrupted()

    assert "The phone is linked" in screen.getvalue()


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_who_listens_to_a_screen_reader_is_told_of_the_other_way_before_each_picture(
    term: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TERM", term)
    report, screen = terminal()

    for text in (QR.text, QR.text + "2"):
        before = screen.tell()
        report.qr(QrCode(text, NOON))
        said = screen.getvalue()[before:]
        assert said.index("link --phone NUMBER") < said.index("█")


def test_a_window_of_24_lines_gets_whole_ways_to_link_and_no_part_of_the_code():
    report, _, screen = window(24)

    report.qr(REAL)
    assert report.lacks_room
    report.page(URL)

    said = screen.getvalue()
    assert not set("▀▄█") & set(said)
    assert "needs 35 lines of 61 characters, and this window has 24 of 80" in said.replace("\n", " ")
    assert "whatsapp-mcp link --phone NUMBER" in said
    assert f"open and scan {REAL.file}\n" in said
    assert f"  {URL}\n" in said
    assert "Settings (iPhone) or the ⋮ menu (Android)" in said
    assert len(said.splitlines()) < 24


def test_the_next_code_is_told_of_in_a_small_window_without_the_ways_again():
    report, _, screen = window(24)

    report.qr(REAL)
    before = screen.tell()
    report.qr(QrCode(f"{REAL.text}7", NOON, REAL.file))

    assert "Valid for" in screen.getvalue()[before:] or "The next one comes" in screen.getvalue()[before:]
    assert "link.png" not in screen.getvalue()[before:]


@pytest.mark.parametrize(("lines", "columns"), [(34, 80), (35, 60)])
def test_the_code_is_drawn_once_the_window_has_room_for_all_of_it(lines: int, columns: int):
    report, console, screen = window(lines, columns)
    report.qr(REAL)
    assert report.lacks_room

    console.size = 80, 35
    report.tick()

    assert not report.lacks_room
    for line in draw_qr(REAL.text).plain.splitlines():
        assert line in screen.getvalue()


def test_a_window_that_is_made_too_small_gets_the_other_ways_with_the_page_it_had():
    report, console, screen = window(24)
    report.qr(REAL)
    report.page(URL)
    console.size = 80, 40
    report.tick()
    before = screen.tell()

    console.size = 80, 24
    report.tick()

    assert f"open and scan {REAL.file}\n" in screen.getvalue()[before:]
    assert f"  {URL}\n" in screen.getvalue()[before:]


def test_where_nothing_can_be_redrawn_the_path_of_the_picture_is_told_once():
    report, screen = plain(is_terminal=False)

    report.qr(REAL)
    report.qr(REAL)

    assert screen.getvalue().count(f"open and scan {REAL.file}\n") == 1


def test_the_end_says_how_the_pages_are_opened():
    report, screen = terminal()

    with report:
        report.linked(STATUS)
        report.synced(12345, 1)

    assert "`whatsapp-mcp serve --transport http`, then `whatsapp-mcp page`" in screen.getvalue()


def test_a_person_is_told_the_risk_of_an_unofficial_client_first():
    report, screen = terminal()

    with report:
        report.begin()
        report.qr(QR)

    assert "\x1b[2J" not in screen.getvalue()
    assert screen.getvalue().index("unofficial client") < screen.getvalue().index("Linked devices")


def test_stopping_after_the_phone_has_linked_says_that_it_is_linked():
    report, screen = terminal()

    with report:
        report.linked(STATUS)
        report.history(HALF)
        report.interrupted()

    assert "The phone is linked" in screen.getvalue()
