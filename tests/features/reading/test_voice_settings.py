"""The section `[voice]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables import for_each
from tests.test_settings import load_text
from whatsapp_mcp.errors import InvalidArgument


@for_each(
    "url",
    [
        "https://api.example/v1/audio/transcriptions",
        "http://127.0.0.1:9000/v1/audio/transcriptions",
        "http://localhost/v1",
        "http://192.168.1.5:8000/v1",
        "http://[::1]/v1",
    ],
)
def test_speech_may_be_sent_to_https_and_to_what_is_near(tmp_path: Path, url: str) -> None:
    assert load_text(tmp_path, f'[voice]\nengine = "service"\nurl = "{url}"\n').voice.url == url


@for_each(
    "url",
    [
        "http://api.example/v1",
        "http://8.8.8.8/v1",
        "http://198.51.100.7/v1",
        "ftp://127.0.0.1/",
        "https:///v1",
        "https://me:secret@api.example/v1",
        "https://api.example/v1?key=secret",
        "https://api.example/a b",
        "https://[/",
        "",
    ],
)
def test_speech_is_sent_nowhere_else(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        load_text(tmp_path, f'[voice]\nengine = "service"\nurl = "{url}"\n')
    assert "secret" not in str(caught.value)


def test_a_service_of_transcription_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="needs url"):
        load_text(tmp_path, '[voice]\nengine = "service"\n')


def test_the_settings_of_speech_are_read_from_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_VOICE__ENGINE", "off")
    with pytest.raises(InvalidArgument, match="cannot be set by environment"):
        load_text(tmp_path, "")
