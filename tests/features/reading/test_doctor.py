"""`whatsapp-mcp doctor` on what reads files and what transcribes speech."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.features.reading.whisper_folder import make_whisper_model
from whatsapp_mcp import settings
from whatsapp_mcp.features.reading import doctor


@pytest.mark.parametrize(
    ("there", "told"), [(False, "need the extra `ocr`"), (True, "words in pictures are")]
)
def test_what_is_read_in_files_is_told_with_what_it_takes(
    there: bool, told: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "reads_words", lambda: there)
    finding = doctor.documents()
    assert finding.ok
    assert told in finding.detail
    assert sys.platform != "linux" or finding.detail.endswith(" MB")


@pytest.mark.parametrize(
    ("config", "ok", "told"),
    [
        ("", True, "it needs the model small."),
        ('[voice]\nengine = "off"\n', True, "off"),
        ('[voice]\nengine = "whisper"\n', False, "needs the model small"),
        ('[voice]\nengine = "pocketsphinx"\n', True, "transcribed here by pocketsphinx"),
        (
            '[voice]\nengine = "service"\nurl = "https://api.example/v1"\n',
            True,
            "The audio of your messages is sent to api.example to be transcribed",
        ),
    ],
)
def test_what_transcribes_speech_is_told_and_where_audio_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, ok: bool, told: str
):
    (tmp_path / "config.toml").write_text(config)
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))

    found = doctor.speech(settings.load())

    assert found.ok is ok
    assert told in found.detail


def test_a_damaged_model_of_speech_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = make_whisper_model(tmp_path)
    weights = model.folder / "model.bin"
    weights.write_bytes(bytes(weights.stat().st_size))
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))

    found = doctor.speech(settings.load())

    assert not found.ok
    assert found.action == "Run `whatsapp-mcp voice install small`."


def test_speech_that_is_not_transcribed_is_a_note_and_switched_off_it_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    assert doctor.speech(settings.load()).action == "Run `whatsapp-mcp voice install small`."

    (tmp_path / "config.toml").write_text('[voice]\nengine = "off"\n')
    assert doctor.speech(settings.load()).action is None
