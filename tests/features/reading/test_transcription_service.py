"""Speech by a service on loopback: what it gets, what becomes of its answers, and when it is asked at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.features.reading.transcription_service import TranscriptionService, running_service
from tests.features.reading.whisper_folder import make_whisper_model
from tests.media.speech_samples import (
    CARDS,
    GO_FORWARD,
    SOMETHING,
    encoded,
    samples_of,
    silence,
    spoken_video,
)
from tests.tables import for_each
from whatsapp_mcp.errors import Busy, RateLimited, TooLong, Unsupported
from whatsapp_mcp.features.reading.readers import ReaderOptions, open_reader
from whatsapp_mcp.features.reading.speech import options
from whatsapp_mcp.features.reading.speech import service as service_module
from whatsapp_mcp.features.reading.speech.options import (
    SpeechOptions,
    sends_away,
    speech_options,
    why_no_speech,
)
from whatsapp_mcp.features.reading.speech.recogniser import PIECE_SECONDS, Segment, Transcript
from whatsapp_mcp.features.reading.speech.service import Service
from whatsapp_mcp.features.reading.speech.sphinx import Sphinx
from whatsapp_mcp.files.vault import KeySource
from whatsapp_mcp.models import FileReading
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def sphinx() -> Sphinx:
    """Who does the work of the service."""
    return Sphinx()


@pytest.fixture
def service(sphinx: Sphinx) -> Iterator[TranscriptionService]:
    with running_service(sphinx) as running:
        yield running


async def heard(
    service: TranscriptionService, *pieces: tuple[float, bytes], language: str | None = None
) -> Transcript:
    given = pieces or ((0.0, GO_FORWARD.content),)
    return await Service(service.url, "whisper-1", "key").transcribe(given, language)


async def read(service: TranscriptionService, content: bytes, language: str | None = None) -> FileReading:
    """A file read by a reading process that has this service."""
    asked = SpeechOptions("service", None, language, Service(service.url, "whisper-1"))
    async with open_reader(ReaderOptions(speech=asked)) as reader:
        return await reader.recording(content)


async def test_a_service_transcribes_with_times_and_language(service: TranscriptionService) -> None:
    reading = await read(
        service, encoded(samples_of(GO_FORWARD.content) + silence(4) + samples_of(SOMETHING.content))
    )
    assert [passage.text for passage in reading.passages] == [GO_FORWARD.recognised, SOMETHING.recognised]
    assert [
        passage.start is not None and passage.start > start
        for passage, start in zip(reading.passages, (0.2, 6.5), strict=True)
    ] == [True, True]
    assert (reading.language, reading.engine) == ("en", "whisper-1 at 127.0.0.1")


async def test_a_service_gets_the_sound_alone(service: TranscriptionService) -> None:
    await read(service, spoken_video(samples_of(GO_FORWARD.content)))
    [request] = service.requests
    assert request.content.startswith(b"OggS")
    assert (request.path, request.file_name) == ("/v1/audio/transcriptions", "sound.ogg")
    assert request.fields == {"model": "whisper-1", "response_format": "verbose_json"}
    assert set(request.headers) <= {
        "Host", "Accept", "Accept-Encoding", "Connection", "User-Agent", "Content-Length", "Content-Type",
    }  # fmt: skip


async def test_a_long_recording_is_sent_in_pieces_with_the_times_of_the_whole(
    service: TranscriptionService,
) -> None:
    transcript = await heard(service, (0.0, GO_FORWARD.content), (300.0, CARDS.content))
    assert [segment.text for segment in transcript.segments] == [GO_FORWARD.recognised, CARDS.recognised]
    assert transcript.segments[0].start < 1
    assert 300 < transcript.segments[1].start < 301
    assert len(service.requests) == 2


async def test_a_service_without_times_is_asked_for_the_text(service: TranscriptionService) -> None:
    service.has_times = False
    transcript = await heard(service, (600.0, GO_FORWARD.content))
    assert transcript == Transcript(None, (Segment(600.0, 600.0 + PIECE_SECONDS, GO_FORWARD.recognised),))
    assert [one.fields["response_format"] for one in service.requests] == ["verbose_json", "json"]


async def test_the_key_and_the_language_are_told(service: TranscriptionService) -> None:
    transcript = await heard(service, language="en")
    [request] = service.requests
    assert (request.headers["Authorization"], request.fields["language"]) == ("Bearer key", "en")
    assert transcript.language == "en"


async def test_nobody_speaking_is_an_empty_transcript(service: TranscriptionService) -> None:
    assert await heard(service, (0.0, encoded(silence(2)))) == Transcript(None, ())


@for_each(
    ("status", "error"),
    [
        (301, Unsupported),
        (307, Unsupported),
        (400, Unsupported),
        (401, Unsupported),
        (403, Unsupported),
        (404, Unsupported),
        (413, TooLong),
        (418, Unsupported),
        (429, RateLimited),
        (500, Busy),
        (503, Busy),
    ],
)
async def test_a_refusal_is_an_error_of_ours_without_the_words_of_the_service(
    service: TranscriptionService, status: int, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    service.status = status
    service.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
    with caplog.at_level(logging.INFO, logger="whatsapp_mcp"), pytest.raises(error) as caught:
        await heard(service)
    assert "words of a service" not in str(caught.value) + caplog.text
    assert len(service.requests) == (2 if status == 400 else 1)  # a redirect is not followed
    service.requests.clear()
    caplog.clear()


@for_each("body", [b"", b"<html>", b"[]", b"{}", b'{"text": 3}', b"[" * 100_000, b" " * 5_000_000])
async def test_what_is_no_transcript_is_refused(service: TranscriptionService, body: bytes) -> None:
    service.body = body
    with pytest.raises(Unsupported, match="something else"):
        await heard(service)


@for_each(
    "segments",
    [
        3,
        [],
        [3],
        [{"start": -1, "end": 2, "text": "x"}],
        [{"start": 3, "end": 2, "text": "x"}],
        [{"start": 0, "end": 1e9, "text": "x"}],
        [{"start": 0, "end": 2, "text": None}],
        [{"start": "0", "end": 2, "text": "x"}],
    ],
)
async def test_times_that_make_no_sense_leave_the_text(
    service: TranscriptionService, segments: object
) -> None:
    service.body = json.dumps({"text": "all of it", "segments": segments, "language": ["en"]}).encode()
    transcript = await heard(service)
    assert transcript == Transcript(None, (Segment(0.0, PIECE_SECONDS, "all of it"),))


async def test_what_a_service_answers_is_bounded_and_cleaned(service: TranscriptionService) -> None:
    text = "\x1b[2J\0 a\u202e" + "b" * 300_000
    service.body = json.dumps({"text": text, "segments": [{"start": 0, "end": 1, "text": text}]}).encode()
    reading = await read(service, GO_FORWARD.content)
    [passage] = reading.passages
    assert len(passage.text) <= 200_000
    assert "\x1b" not in passage.text


async def test_a_service_that_is_silent_is_left(
    service: TranscriptionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.released.clear()
    monkeypatch.setattr(service_module, "_SECONDS", 0.1)
    with pytest.raises(Busy, match="does not answer"):
        await heard(service)


async def test_a_service_that_is_not_there_is_told() -> None:
    with pytest.raises(Busy, match="does not answer"):
        await Service("http://127.0.0.1:1/", "m").transcribe([(0.0, b"x")], None)


async def test_a_piece_that_is_too_large_is_not_sent(
    service: TranscriptionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "_MOST_BYTES", 100)
    with pytest.raises(TooLong):
        await heard(service)
    assert service.requests == []


def test_the_key_is_shown_nowhere() -> None:
    shown = repr(SpeechOptions("service", service=Service("https://h/", "m", "secret", "http://u:secret@p")))
    assert "secret" not in shown


# What the settings mean.


def settings_of(home: Path, **voice: object) -> Settings:
    return Settings.model_validate({"home": home, "voice": voice})


AWAY = {"engine": "service", "url": "https://api.example/v1/audio/transcriptions"}


def test_an_address_alone_sends_nothing(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, url=AWAY["url"])
    assert speech_options(settings) is None
    assert sends_away(settings) is None


def test_a_service_is_used_and_told_where_it_is_chosen(tmp_path: Path) -> None:
    found = speech_options(settings_of(tmp_path, **AWAY, language="de", url_model="w"))
    assert found == SpeechOptions("service", None, "de", Service(AWAY["url"], "w"))
    assert sends_away(settings_of(tmp_path, **AWAY)) == (
        "The audio of your messages is sent to api.example to be transcribed."
    )


def test_the_key_is_that_of_the_variable_or_of_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stored(source: KeySource) -> bytes:
        return f"of {source.name}".encode()

    monkeypatch.setenv("THE_KEY", "of the variable")
    monkeypatch.setattr(KeySource, "read", stored)
    by_variable = speech_options(settings_of(tmp_path, **AWAY, key_variable="THE_KEY"))
    by_keyring = speech_options(settings_of(tmp_path, **AWAY, key_keyring=True))
    assert by_variable is not None
    assert by_keyring is not None
    assert by_variable.service == Service(AWAY["url"], "whisper-1", "of the variable")
    assert by_keyring.service == Service(AWAY["url"], "whisper-1", "of voice")


def test_a_missing_key_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THE_KEY", raising=False)
    missing = why_no_speech(settings_of(tmp_path, **AWAY, key_variable="THE_KEY"))
    assert missing is not None
    assert "voice.key_variable" in missing.message


def test_auto_is_whisper_where_its_model_is_installed(tmp_path: Path) -> None:
    assert speech_options(settings_of(tmp_path)) is None
    model = make_whisper_model(tmp_path, "base")
    assert speech_options(settings_of(tmp_path)) is None
    assert speech_options(settings_of(tmp_path, model="base")) == SpeechOptions("whisper", model.folder)


def test_a_model_of_which_a_part_is_missing_is_none(tmp_path: Path) -> None:
    model = make_whisper_model(tmp_path)
    (model.folder / "model.bin").write_bytes(b"")
    assert speech_options(settings_of(tmp_path)) is None


def test_auto_is_never_pocketsphinx(tmp_path: Path) -> None:
    assert speech_options(settings_of(tmp_path)) is None
    assert speech_options(settings_of(tmp_path, engine="pocketsphinx")) == SpeechOptions("pocketsphinx")


@for_each(
    ("voice", "absent", "said"),
    [
        ({"engine": "off"}, set[str](), "voice.engine is off"),
        ({}, {"av"}, "the extra `voice`"),
        ({"engine": "service", "url": "https://api.example/v1"}, {"av"}, "the extra `media`, which decodes"),
        ({"engine": "pocketsphinx"}, {"av"}, "the extra `pocketsphinx`"),
        ({}, {"faster_whisper"}, "the extra `voice`"),
        ({"engine": "whisper"}, {"faster_whisper"}, "the extra `voice`"),
        ({"engine": "pocketsphinx"}, {"pocketsphinx"}, "the extra `pocketsphinx`"),
        ({"model": "tiny"}, set[str](), "the model tiny"),
        ({"language": "xx"}, set[str](), "voice.language"),
        ({"engine": "pocketsphinx", "language": "de"}, set[str](), "another voice.engine"),
    ],
)
def test_why_nothing_recognises_speech_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voice: dict[str, object], absent: set[str], said: str
) -> None:
    monkeypatch.setattr(options, "_is_installed", lambda name: name not in absent)  # pyright: ignore[reportUnknownLambdaType]
    missing = why_no_speech(settings_of(tmp_path, **voice))
    assert missing is not None
    assert said in missing.message
    assert speech_options(settings_of(tmp_path, **voice)) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/", None),
        ("http://localhost:1/", None),
        ("https://api.example/", "http://proxy:1"),
    ],
)
async def test_the_proxy_is_used_but_for_this_computer(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str | None
) -> None:
    proxies: list[object] = []

    class Client(httpx2.AsyncClient):
        def __init__(self, **given: Any) -> None:
            proxies.append((given["proxy"], given["trust_env"]))
            super().__init__(
                transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json={"text": ""}))
            )

    monkeypatch.setattr(httpx2, "AsyncClient", Client)
    await Service(url, "m", None, "http://proxy:1").transcribe([(0.0, b"x")], None)
    assert proxies == [(expected, False)]
