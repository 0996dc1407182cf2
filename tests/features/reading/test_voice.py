"""`whatsapp-mcp voice`: nothing is fetched but by `install`, after a yes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.features.reading.model_hub import REVISION, ModelHub, running_hub
from tests.features.reading.whisper_folder import make_whisper_files, make_whisper_model
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.speech.models import installed as installed_model
from whatsapp_mcp.features.reading.speech.options import speech_options, why_no_speech
from whatsapp_mcp.features.reading.voice import commands
from whatsapp_mcp.settings import load


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    make_whisper_files(tmp_path / "repository")
    files = {path.name: path.read_bytes() for path in sorted((tmp_path / "repository").iterdir())}
    with running_hub(files) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def voice(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["voice", *arguments], input=answer)


def error_of(result: Result) -> str:
    return result.stderr.strip().splitlines()[-1]


def test_install_shows_the_size_and_fetches_after_a_yes(
    home: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_is_asked", lambda: True)
    done = voice("install", answer="y\n")
    assert done.exit_code == ExitCode.OK, done.output
    assert "The model small has 1 MB: Systran/faster-whisper-small at 127.0.0.1" in done.stderr
    assert f"revision {REVISION[:12]}" in done.stderr
    assert "Download it?" in done.stderr
    assert "Running servers use it within a minute." in done.stderr
    assert installed_model(home, "small") is not None


def test_after_a_no_nothing_is_fetched(home: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_is_asked", lambda: True)
    assert voice("install", answer="n\n").exit_code == ExitCode.FAILED
    assert not any("/resolve/" in path for path, _ in hub.asked)
    assert not home.exists()


def test_where_nobody_can_be_asked_it_needs_a_yes(home: Path, hub: ModelHub) -> None:
    done = voice("install")
    assert (done.exit_code, "--yes" in error_of(done)) == (ExitCode.USAGE, True)
    assert not home.exists()


def test_a_program_gets_the_size_the_progress_and_the_record(home: Path, hub: ModelHub) -> None:
    done = voice("install", "tiny", "--yes", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    total = sum(map(len, hub.files.values()))
    assert lines[0] == {
        "event": "offer",
        "model": "tiny",
        "bytes": total,
        "hub": hub.address,
        "repository": "Systran/faster-whisper-tiny",
        "revision": REVISION,
    }
    assert {line["event"] for line in lines[1:-1]} == {"progress"}
    assert lines[-2] == {"event": "progress", "bytes": total, "total": total}
    assert (lines[-1]["event"], set(lines[-1]["files"])) == ("installed", set(hub.files))
    assert done.stderr == ""


def test_a_model_that_is_there_is_not_fetched_again(home: Path, hub: ModelHub) -> None:
    voice("install", "--yes")
    hub.asked.clear()
    assert voice("install", "--yes").exit_code == ExitCode.OK
    assert not any("/resolve/" in path for path, _ in hub.asked)


def test_a_damaged_model_is_fetched_again(home: Path, hub: ModelHub) -> None:
    voice("install", "--yes")
    model = installed_model(home, "small")
    assert model is not None
    (model.folder / "model.bin").write_bytes(b"damaged")
    assert voice("install", "--yes").exit_code == ExitCode.OK
    assert model.is_whole()


def test_a_model_that_the_settings_do_not_name_is_told(home: Path, hub: ModelHub) -> None:
    assert 'Write `model = "tiny"` into the [voice] section' in voice("install", "tiny", "--yes").stderr


def test_a_killed_install_goes_on_where_it_ended(home: Path, hub: ModelHub) -> None:
    hub.files["model.bin"] += bytes(3_000_000)
    hub.breaks_after["model.bin"] = 1_000_000
    hub.released.clear()
    command = [sys.executable, "-m", "whatsapp_mcp", "voice", "install", "--yes", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["bytes"] > 500_000 and '"progress"' in line:
                break
        process.kill()
    hub.released.set()
    assert installed_model(home, "small") is None
    hub.asked.clear()
    assert voice("install", "--yes").exit_code == ExitCode.OK
    model = installed_model(home, "small")
    assert model is not None
    assert model.is_whole()
    [given] = [given for path, given in hub.asked if path.endswith("/model.bin")]
    assert given is not None
    assert int(given.removeprefix("bytes=").removesuffix("-")) > 400_000


def test_a_failure_is_one_line(home: Path, hub: ModelHub) -> None:
    hub.status = 404
    done = voice("install", "--yes")
    assert done.exit_code == ExitCode.FAILED
    assert error_of(done) == "Error: The hub has no such model (404). Check the hub's address."


@pytest.mark.parametrize("command", [("install", "huge", "--yes"), ("remove", "huge")])
def test_a_model_of_another_name_is_a_mistake(home: Path, hub: ModelHub, command: tuple[str, ...]) -> None:
    done = voice(*command)
    assert done.exit_code == ExitCode.USAGE
    assert "There are: tiny, base, small, medium, large-v3" in error_of(done)


def test_installed_models_are_listed_and_removed(home: Path) -> None:
    assert voice("list").stdout == "No model is installed.\n"
    make_whisper_model(home)
    assert voice("list").stdout.split() == ["MODEL", "SIZE", "REVISION", "small", "1", "MB", "a" * 12, "used"]
    [listed] = json.loads(voice("list", "--json").stdout)["models"]
    assert (listed["name"], listed["revision"]) == ("small", "a" * 40)
    assert voice("remove", "small").exit_code == ExitCode.OK
    assert voice("remove", "small").exit_code == ExitCode.USAGE


def test_without_a_model_nothing_is_fetched_and_the_command_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("something opened a connection")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    settings = load()
    assert speech_options(settings) is None
    missing = why_no_speech(settings)
    assert isinstance(missing, Unsupported)
    assert "the model small" in missing.message
    assert "`whatsapp-mcp voice install small`" in missing.action
    assert not home.exists()
