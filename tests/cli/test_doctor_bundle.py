"""`whatsapp-mcp doctor --bundle`: a report that says nothing about anybody."""

from __future__ import annotations

import getpass
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.tables import for_each
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.doctor import Finding, bundle, examination
from whatsapp_mcp.cli.doctor.bundle import Redactor
from whatsapp_mcp.system import make_private_file

USER = "annamueller"
NUMBER = "+4915112345678"
JID = "4915112345678@s.whatsapp.net"
TOKEN = "kQ3vX9mZ2pL7wR4tY8uB1nC6sD5fG0hJ"
PASSWORD = "hunter2Wolke7"
PERSON = "Hannelore Gräfin O'Brien"
ACCOUNT = "hannelore"
SENTENCE = "meet me behind the old mill at nine"
FIXED = (
    USER,
    NUMBER,
    NUMBER[1:],
    JID,
    TOKEN,
    PASSWORD,
    PERSON,
    "Hannelore",
    ACCOUNT,
    SENTENCE,
    "nas.mueller.example",
)
"""What is planted everywhere, and must be nowhere in a report."""

CONFIG = """
[network]
proxy = "socks5://{user}:{password}@nas.mueller.example:1080"
[encryption]
key_file = "{folder}/{user}/{token}.key"
[policy]
chats = [
    {{ name = "{person}", send = "allow" }},
    {{ number = "{number}", read = "deny" }},
    {{ jid = "{jid}", read = "deny" }},
]
[accounts.hannelore-typo.network]
proxy = "http://{password}.example:1080"
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of a person with a name, in which everything that may hold a secret holds one."""
    user_home = tmp_path / USER
    folder = user_home / "whatsapp"
    account = folder / "accounts" / ACCOUNT
    account.mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(user_home))
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(folder))
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setattr(socket, "gethostname", lambda: "mueller-nas")
    values = {
        "user": USER,
        "password": PASSWORD,
        "token": TOKEN,
        "person": PERSON,
        "number": NUMBER,
        "jid": JID,
    }
    (folder / "config.toml").write_text(CONFIG.format(folder=user_home, **values), encoding="utf-8")
    (folder / "http-token").write_text(TOKEN)
    for name in ("client.log", "link.json", "encryption.json", "client.db", "archive.db", "raw.db.damaged"):
        make_private_file(account / name)
        (account / name).write_text(f"{PERSON} {NUMBER} {JID} {TOKEN} {SENTENCE}", encoding="utf-8")
    (folder / "http-token").chmod(0o644)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the checks that start processes: they know nothing of a home folder."""
    monkeypatch.setattr(examination, "program_checks", lambda: ())


def without(secrets: tuple[str, ...], text: str) -> None:
    folded = text.casefold()
    assert [secret for secret in secrets if secret.casefold() in folded] == []


@pytest.mark.usefixtures("quick")
def test_nothing_that_is_planted_everywhere_is_in_the_report(planted: Path):
    found = list(examination.examine())
    shown = " ".join(finding.detail for finding in found)
    assert any(secret in shown for secret in FIXED), "nothing was planted where a check looks"

    without((*FIXED, str(planted), "mueller"), bundle.report(found))


@pytest.mark.usefixtures("quick")
def test_nothing_of_settings_that_cannot_be_read_is_in_the_report(planted: Path):
    for wrong in (f'"{PERSON}" = 1', f'[policy]\nmode = "{SENTENCE}"', f"{ACCOUNT} = {TOKEN}"):
        (planted / "config.toml").write_text(wrong, encoding="utf-8")

        text = bundle.report(list(examination.examine()))

        without((*FIXED, str(planted)), text)
        assert "FAIL" in text


@pytest.mark.usefixtures("quick")
def test_the_report_is_shown_and_then_written_for_the_owner_alone(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    done = CliRunner().invoke(app, ["doctor", "--bundle"], input="y\n")

    [written] = (tmp_path / "here").iterdir()
    text = written.read_text(encoding="utf-8")
    assert done.stdout.startswith(text)
    assert "FAIL  permissions" in text
    assert os.name != "posix" or stat.S_IMODE(written.stat().st_mode) == 0o600
    assert done.exit_code == 1
    without(FIXED, text)


@pytest.mark.usefixtures("quick", "planted")
@pytest.mark.parametrize(("options", "files"), [(["--bundle"], 0), (["--bundle", "--yes"], 1)])
def test_without_an_answer_the_report_is_written_with_yes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], files: int
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    CliRunner().invoke(app, ["doctor", *options], input="")

    assert len(list((tmp_path / "here").iterdir())) == files


def test_the_report_cannot_be_json():
    assert CliRunner().invoke(app, ["doctor", "--bundle", "--json"]).exit_code == 2


DIGITS = st.text("0123456789", min_size=8, max_size=15)
WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=24, max_size=64)
NAME = st.text("abcdefghijklmnopqrstuvwxyzäöüABC", min_size=4, max_size=12)
AROUND = st.sampled_from(["{}", "at {}", "({})", "{}: denied", "cannot open {}, it is in use", "x={};"])
OURS = st.lists(st.sampled_from(["the server's own", "client.db", "3 MB free", "it's"]), max_size=3)
FORMS = ("number", "spaced", "jid", "mail", "path", "windows", "url", "token", "quoted")


@st.composite
def secret_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A secret, and a sentence that holds it in one of the forms that have one."""
    kind = draw(st.sampled_from(FORMS))
    digits, word, name = draw(DIGITS), draw(WORD), draw(NAME)
    secret, form = {
        "number": (digits, f"+{digits}"),
        "spaced": (digits[3:], f"+{digits[:3]} {digits[3:]}"),
        "jid": (digits, f"{digits}:7@s.whatsapp.net"),
        "mail": (name, f"{name}@example.org"),
        "path": (name, f"/srv/{name}/key"),
        "windows": (name, f"C:\\Users\\{name}\\key"),
        "url": (name, f"https://{name}:pw@proxy.example/{name}"),
        "token": (word, word),
        "quoted": (name, repr(f"{name} O'Brien")),
    }[kind]
    return secret, draw(AROUND).format(form)


@given(secret_texts(), OURS)
def test_whatever_has_the_form_of_a_secret_is_taken_out(planted_text: tuple[str, str], around: list[str]):
    secret, text = planted_text
    said = " ".join([*around, text, *around])

    report = bundle.report([Finding("disk", True, said)], Redactor())

    assert secret not in report.splitlines()[-1].replace("disk", "", 1)


@given(st.lists(NAME, min_size=1, max_size=4, unique=True))
def test_accounts_are_told_apart_without_their_names(names: list[str]):
    redactor = Redactor(accounts=tuple(names))
    found = [Finding("leader", True, f"{name} is led", account=name) for name in names]

    lines = bundle.report(found, redactor).splitlines()[4:]

    assert [line.split()[2:4] for line in lines] == [["[account", f"{n}]"] for n in range(1, len(names) + 1)]


@for_each(
    "said",
    [
        "SQLite 3.46.1 with full-text search",
        "Python 3.11.7, mcp 2.3.0, neonize 0.5.2",
        "released 2026-01-01 from aaaaaaaaaaaa; the client library is of 2025-12-01",
        "process 4194304 leads; online; restarted tasks: archive 2",
        "12000 GB free",
        "archive.db, raw.db, inbox.db, ledger.db, client.db whole",
    ],
)
def test_what_helps_stays(said: str):
    assert Redactor().redacted(said) == said
