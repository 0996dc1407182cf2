"""The page about agents: its configurations load, its examples run, and its JSON is what a command gets."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import journal
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.device.agent import command
from whatsapp_mcp.device.agent.runs import AgentAnswer, answer_in
from whatsapp_mcp.device.agent.words import words_of
from whatsapp_mcp.models import SYSTEM, FileReading, HandOn, HandOnState, Passage, ReadingKind
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AgentSettings, Settings, load

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).parents[2] / "docs" / "agent.md").read_text(encoding="utf-8")
EXAMPLES: list[str] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
ANN = "15550001111@s.whatsapp.net"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
STAND_IN = """#!{python}
import json, sys
given = json.load(sys.stdin)
assert "material" in given and any("material" in each for each in sys.argv)
text = "You said: " + given["text"]
print(json.dumps({{"result": text, "total_cost_usd": 0.5}}) if "json" in sys.argv else text)
"""


def loaded(text: str, home: Path) -> AgentSettings:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return load(home).agent


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split('"')[1])
def test_each_configuration_is_one_that_loads(text: str, tmp_path: Path) -> None:
    assert loaded(text, tmp_path).is_on


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a first line")
@pytest.mark.parametrize("name", ["claude", "codex"])
async def test_each_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [each for each in EXAMPLES if f'"{name}"' in each]
    agent = loaded(text, tmp_path)
    program = tmp_path / name
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    given = json.dumps({"text": "hi", "material": []}).encode()
    ended = await command.run(agent, given, command.environment_of(agent, SYSTEM), tmp_path)
    assert ended.output is not None, ended.reason
    cost = 0.5 if agent.output == "json" else 0.0
    assert answer_in(ended.output.strip(), agent.output) == AgentAnswer("You said: hi", cost)


def keys(value: Any) -> Any:
    """The names in JSON, at every depth."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    return [keys(each) for each in value] if isinstance(value, list) else None


async def test_a_voice_note_is_its_transcript(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    body = E2E.Message()
    body.audioMessage.PTT, body.audioMessage.mimetype = True, "audio/ogg; codecs=opus"
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(journal([ev.message("V1", body, chat=ANN, at=int(NOON.timestamp()))]))
        (message,) = (await archive.messages()).items
        found = HandOn(1, ANN, "command", (message.ref,), message.ref, NOON, NOON, HandOnState.WAITING)
        facts = await archive.chat_facts(ANN)
        unheard = await words_of(archive, found, facts, [message], UTC, ())
        spoken = (Passage("when do"), Passage("we sail?"))
        await archive.write(
            recording.record_reading, "V1", FileReading(ReadingKind.TRANSCRIPT, spoken, "test", "en")
        )
        heard = await words_of(archive, found, facts, [message], UTC, ())
    assert unheard.document["text"] == "[a voice note that was not transcribed]"
    assert heard.document["text"] == "when do we sail?"


async def test_a_command_gets_what_the_page_shows(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    passed_on = E2E.Message()
    passed_on.extendedTextMessage.text = "…"
    passed_on.extendedTextMessage.contextInfo.isForwarded = True
    async with open_archive(folder, write=True) as archive:
        at = int(NOON.timestamp())
        said = [ev.message("A1", passed_on, chat=ANN, at=at), ev.message("A2", "hi", chat=ANN, at=at + 9)]
        await archive.ingest(journal(said))
        messages = (await archive.messages(oldest_first=True)).items
        refs = tuple(one.ref for one in messages)
        found = HandOn(7, ANN, "command", refs, refs[-1], NOON, NOON, HandOnState.WAITING)
        facts = await archive.chat_facts(ANN)
        handed = await words_of(archive, found, facts, messages, UTC, ())
    assert keys(handed.document) == keys(json.loads(shown))
    assert handed.document["text"] == "hi"
