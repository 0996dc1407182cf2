"""`policy` as a person types it: what would happen, and whether it is what they expect."""

from __future__ import annotations

import json
import re
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from tests.archive import events as ev
from tests.archive.events import ANA, journal
from tests.tables import for_each
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.ledger import Exposure, open_ledger
from whatsapp_mcp.models import ContactUpdate
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
def filled(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the usual policy, in whose archive Ana stands in the address book."""
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    (home / "config.toml").write_text("", encoding="utf-8")

    async def fill() -> None:
        async with open_archive(Settings(home=home).account_folder(), write=True) as archive:
            await archive.ingest(journal([ev.message("A1", name="Ana")]))
            await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])

    anyio.run(fill)
    return home


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments])


def table(folder: Path, text: str) -> str:
    file = folder / "expected.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def documented(language: str, start: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if block.startswith(start))


@pytest.mark.usefixtures("filled")
def test_the_page_shows_what_is_really_explained() -> None:
    command = documented("sh", "whatsapp-mcp policy explain")
    assert policy(*command.split()[2:]).output == documented("text", "ask: the recipient")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ("send_mesage", "There is no tool 'send_mesage'. Did you mean send_message"),
        ("x", "There is no tool 'x'. Give its name as applications that use this server list it."),
    ],
)
def test_a_tool_that_is_not_there_is_answered_without_a_file_that_only_a_checkout_has(
    tool: str, told: str
) -> None:
    done = policy("explain", "--tool", tool)

    assert done.exit_code == 2
    assert told in done.stderr
    assert "docs/" not in done.stderr


def test_the_table_on_the_page_is_as_expected(filled: Path) -> None:
    done = policy("test", table(filled, documented("toml", "[[expect]]")))
    assert (done.exit_code, done.output) == (0, "All 3 as expected.\n")


def test_what_differs_is_told_and_fails(filled: Path) -> None:
    expected = """
    [[expect]]
    tool = "send_message"
    chat = "Ana"
    verdict = "allow"
    [[expect]]
    tool = "send_message"
    chat = "Ana"
    tainted = true
    verdict = "deny"
    """
    done = policy("test", table(filled, expected))
    assert done.exit_code == 1
    heading, line = done.output.splitlines()
    assert heading.split() == ["EXPECTED", "IS", "TOOL", "CHAT", "BECAUSE"]
    assert line.split()[:4] == ["deny", "ask", "send_message", "Ana"]
    assert 'mode = "standard"' in line
    rows = json.loads(policy("test", table(filled, expected), "--json").stdout)
    assert [(row["expected"], row["verdict"]) for row in rows] == [("allow", "allow"), ("deny", "ask")]


def test_the_rule_that_decides_is_named_as_it_was_written(filled: Path) -> None:
    (filled / "config.toml").write_text('[[policy.chats]]\nname = "Ana"\nsend = "deny"\n', encoding="utf-8")
    told = json.loads(policy("explain", "--tool", "send_message", "--chat", "Ana", "--json").stdout)
    assert (told["verdict"], told["rule"], told["chats"]) == ("deny", 'name = "Ana", send = "deny"', [ANA])


def test_a_principal_is_tainted_if_strangers_words_were_handed_out_to_it(filled: Path) -> None:
    async def expose() -> None:
        async with open_ledger(Settings(home=filled).account_folder()) as ledger:
            await ledger.expose("stdio:agent", Exposure.STRANGER)

    anyio.run(expose)
    arguments = ("explain", "--tool", "send_message", "--chat", "Ana", "--json", "--principal")
    assert json.loads(policy(*arguments, "stdio:agent").stdout)["verdict"] == "ask"
    assert json.loads(policy(*arguments, "stdio:another").stdout)["verdict"] == "allow"
    assert json.loads(policy(*arguments, "person").stdout)["verdict"] == "allow"

    listed = CliRunner().invoke(app, ["exposures"])
    assert listed.output == "stdio:agent: strangers' words\n"
    assert CliRunner().invoke(app, ["exposures", "--clear", "stdio:another"]).exit_code == 2
    cleared = CliRunner().invoke(app, ["exposures", "--clear", "stdio:agent"])
    assert (cleared.exit_code, cleared.output) == (0, "Nothing is remembered.\n")
    assert json.loads(policy(*arguments, "stdio:agent").stdout)["verdict"] == "allow"


@for_each(
    ("text", "says"),
    [
        ("[[expect]]\n", "expect.0.tool"),
        ('[[expect]]\ntool = "send_message"\nverdict = "maybe"\n', "expect.0.verdict"),
        ('[[expect]]\ntool = "send_mesage"\nverdict = "ask"\n', "send_mesage"),
        ('[[expect]]\ntool = "send_message"\nverdict = "ask"\nchat = "Nobody"\n', "Nobody"),
        ("[[expect]\n", "not valid TOML"),
        ("", "expect"),
    ],
)
def test_a_mistake_in_a_table_is_named(filled: Path, text: str, says: str) -> None:
    done = policy("test", table(filled, text))
    assert done.exit_code in {1, 2}
    assert says in done.stderr
