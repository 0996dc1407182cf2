"""Speech: sound in pieces, recognisers that are real, and the process in which they run.

PocketSphinx is the real recogniser here: its English model is inside its package. Whisper runs with random
weights, so loading and running is shown, and nothing of what it would recognise.
"""

from __future__ import annotations

import io
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.reading.whisper_folder import make_whisper_model
from tests.media.footage import gif
from tests.media.speech_samples import (
    BRING_THE_KEYS,
    CARDS,
    GO_FORWARD,
    RECORDED,
    SECONDS,
    SOMETHING,
    VOICE_NOTE,
    Sample,
    encoded,
    samples_of,
    silence,
    spoken_video,
)
from tests.tables import for_each
from whatsapp_mcp.errors import Busy, TooLong, Unsupported, WhatsAppError
from whatsapp_mcp.features.reading.readers import Reader, ReaderOptions, open_reader
from whatsapp_mcp.features.reading.speech import sound
from whatsapp_mcp.features.reading.speech.languages import code_of
from whatsapp_mcp.features.reading.speech.models import Model
from whatsapp_mcp.features.reading.speech.options import SpeechOptions
from whatsapp_mcp.features.reading.speech.recogniser import (
    PIECE_SECONDS,
    RATE,
    Segment,
    Transcript,
    without_pauses,
)
from whatsapp_mcp.features.reading.speech.service import Service
from whatsapp_mcp.features.reading.speech.sound import opus_of, pieces_of
from whatsapp_mcp.features.reading.speech.sphinx import Sphinx
from whatsapp_mcp.features.reading.speech.whisper import Whisper
from whatsapp_mcp.media import Limits
from whatsapp_mcp.models import Passage, ReadingKind

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def sphinx() -> Sphinx:
    """The real recogniser."""
    return Sphinx()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """An installed Whisper model with random weights."""
    return make_whisper_model(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
async def reader() -> AsyncIterator[Reader]:
    """A reading process with PocketSphinx."""
    async with open_reader(ReaderOptions(speech=SpeechOptions("pocketsphinx"))) as opened:
        yield opened


def heard(recogniser: Sphinx | Whisper, content: bytes, language: str | None = None) -> Transcript:
    return recogniser.transcribe(pieces_of(io.BytesIO(content)), language)


def words(transcript: Transcript) -> str:
    return " ".join(segment.text for segment in transcript.segments)


# Sound.


def test_the_pieces_of_a_recording_are_all_of_its_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples_of(CARDS.content)
    monkeypatch.setattr(sound, "_PIECE_BYTES", RATE * 2)
    monkeypatch.setattr(sound, "_SEARCHED", RATE)
    pieces = list(pieces_of(io.BytesIO(CARDS.content)))
    assert b"".join(pieces) == whole
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= RATE * 2


def test_a_piece_ends_where_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "_PIECE_BYTES", 2 * RATE * 2)
    monkeypatch.setattr(sound, "_SEARCHED", RATE * 2)
    tone = (b"\x00\x40" * 20 + b"\x00\xc0" * 20) * 400
    assert len(tone) == RATE * 2
    loud, pause = tone + tone[: RATE // 2 // 80 * 80], silence(0.3)
    first, *_ = pieces_of(io.BytesIO(encoded(loud + pause + tone, "wav", "pcm_s16le")))
    assert len(loud) <= len(first) <= len(loud + pause)


def test_what_claims_to_be_longer_than_four_hours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "LONGEST_RECORDING", 1)
    with pytest.raises(TooLong, match="hours"):
        list(pieces_of(io.BytesIO(VOICE_NOTE)))


def test_what_is_longer_than_it_claims_is_refused_when_that_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "LONGEST_RECORDING", 1)
    monkeypatch.setattr(sound.recordings, "duration", lambda _container: None)  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(TooLong, match="hours"):
        list(pieces_of(io.BytesIO(VOICE_NOTE)))


def test_a_piece_for_a_service_is_opus_of_the_same_length() -> None:
    piece = samples_of(GO_FORWARD.content)
    note = opus_of(piece)
    assert note.startswith(b"OggS")
    assert len(note) < len(piece) // 5
    assert abs(len(samples_of(note)) - len(piece)) < RATE * 2 // 10


# Engines.


@pytest.mark.parametrize("sample", [*RECORDED, BRING_THE_KEYS], ids=lambda sample: sample.name)
def test_pocketsphinx_recognises_a_voice_note(sphinx: Sphinx, sample: Sample) -> None:
    transcript = heard(sphinx, sample.content)
    assert (words(transcript), transcript.language) == (sample.recognised, "en")


@pytest.mark.parametrize("container", [("wav", "pcm_s16le"), ("mp3", "mp3"), ("flac", "flac")])
def test_it_recognises_the_same_in_another_format(sphinx: Sphinx, container: tuple[str, str]) -> None:
    assert words(heard(sphinx, encoded(samples_of(GO_FORWARD.content), *container))) == GO_FORWARD.recognised


def test_what_is_said_has_its_times(sphinx: Sphinx) -> None:
    spoken = samples_of(GO_FORWARD.content), samples_of(SOMETHING.content)
    recording = encoded(silence(5) + spoken[0] + silence(4) + spoken[1] + silence(3))
    first, second = heard(sphinx, recording).segments
    assert (first.text, second.text) == (GO_FORWARD.recognised, SOMETHING.recognised)
    assert 5 < first.start < 6 < first.end < 8.5
    assert 11 < second.start < 12.8 < second.end < 16


def test_what_was_heard_before_changes_nothing(sphinx: Sphinx) -> None:
    assert heard(sphinx, CARDS.content) == heard(sphinx, CARDS.content)


def test_long_speech_without_a_pause_is_decoded_in_parts(
    sphinx: Sphinx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.features.reading.speech.sphinx._UTTERANCE_BYTES", RATE * 2)
    segments = heard(sphinx, CARDS.content).segments
    assert len(segments) >= 2
    assert [one.start for one in segments] == sorted(one.start for one in segments)


def test_another_language_is_refused_by_pocketsphinx(sphinx: Sphinx) -> None:
    with pytest.raises(Unsupported, match="English only"):
        heard(sphinx, VOICE_NOTE, "de")


def test_whisper_loads_a_folder_and_runs(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    # Samples of a model with random weights are now and then none at all.
    monkeypatch.setattr("whatsapp_mcp.features.reading.speech.whisper._TEMPERATURES", (0.0,))
    whisper = Whisper(model)
    assert whisper.name == "whisper small"
    assert whisper.working_bytes == model.weights_bytes
    transcript = heard(whisper, CARDS.content, "de")
    assert transcript.segments  # of noise: the weights are random
    assert transcript.language == "de"
    assert all(0 <= start <= end for start, end, _ in transcript.segments)


def test_whisper_finds_nothing_where_nobody_speaks(model: Model) -> None:
    assert heard(Whisper(model), encoded(silence(4))) == Transcript(None, ())


def test_whisper_refuses_a_language_that_it_does_not_know(model: Model) -> None:
    with pytest.raises(Unsupported, match="language"):
        heard(Whisper(model), VOICE_NOTE, "xx")


def test_a_model_with_a_changed_byte_is_not_loaded(tmp_path: Path) -> None:
    model = make_whisper_model(tmp_path)
    weights = bytearray((model.folder / "model.bin").read_bytes())
    weights[-1] ^= 1
    (model.folder / "model.bin").write_bytes(weights)
    with pytest.raises(Unsupported, match=r"model\.bin is damaged") as caught:
        Whisper(model)
    assert "voice install small" in caught.value.action


def test_a_model_without_its_tokeniser_is_not_loaded(tmp_path: Path) -> None:
    model = make_whisper_model(tmp_path)
    (model.folder / "tokenizer.json").unlink()
    with pytest.raises(Unsupported, match=r"tokenizer\.json"):
        Whisper(model)


def test_loading_and_running_a_model_opens_no_connection(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("something opened a connection")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert heard(Whisper(model), encoded(silence(1))) == Transcript(None, ())


# Passages.


def segments_of(*spoken: tuple[float, float]) -> list[Segment]:
    return [Segment(start, end, str(number)) for number, (start, end) in enumerate(spoken)]


def test_segments_without_a_pause_are_one_passage() -> None:
    spoken = segments_of((0, 2), (2.5, 4), (5.5, 6))
    assert without_pauses(spoken) == [Segment(0, 4, "0 1"), Segment(5.5, 6, "2")]


def test_a_passage_is_half_a_minute_at_most() -> None:
    assert [one.text for one in without_pauses(segments_of((0, 20), (20, 30), (30, 31)))] == ["0 1", "2"]


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 40), st.text(" ab\n", max_size=4)), max_size=30))
def test_joining_segments_keeps_all_words_in_order(spoken: Iterable[tuple[float, float, str]]) -> None:
    at = 0.0
    segments: list[Segment] = []
    for pause, length, text in spoken:
        segments.append(Segment(at + pause, at + pause + length, text))
        at += pause + length
    joined = without_pauses(segments)
    assert " ".join(one.text for one in joined).split() == " ".join(one.text for one in segments).split()
    assert [one.start for one in joined] == sorted(one.start for one in joined)


@for_each(
    ("said", "code"),
    [
        ("de", "de"),
        ("German", "de"),
        ("haitian creole", "ht"),
        ("jw", "jv"),
        ("xx", None),
        (None, None),
        (3, None),
    ],
)
def test_a_language_is_known_by_its_code_and_its_english_name(said: object, code: str | None) -> None:
    assert code_of(said) == code


# Hostile files.


def claiming(rate: int, channels: int, samples: bytes) -> bytes:
    """A WAV file with this rate and so many channels, of bytes."""
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels % 2**32, channels, 8)
    data = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(data)) + b"WAVE" + data


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """A file in which bytes are changed, and of which the end may be missing."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 40)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.choice([len(changed), chance.randrange(1, len(changed))])])


async def sounds_of(files: list[bytes]) -> list[str]:
    """What becomes of files: `sound`, or the code of the error.

    None of them ends the reading process, but one that needs more memory than the process may have.
    """
    service = SpeechOptions("service", service=Service("http://127.0.0.1:1/", "none"))
    ends: list[str] = []
    pids: set[int | None] = set()
    async with open_reader(ReaderOptions(speech=service)) as reader:
        for content in files:
            try:
                await reader._worker.run("sound_in_pieces", content, {}, Limits(20, 20, 64_000_000))
            except WhatsAppError as error:
                ends.append(error.code)
                if error.code == TooLong.code:
                    pids.clear()
                    continue
            else:
                ends.append("sound")
            pids.add(reader.pid)
    assert len(pids) == 1
    return ends


async def test_spoiled_recordings_are_read_or_refused_and_end_no_process() -> None:
    chance = random.Random(1)
    whole = samples_of(GO_FORWARD.content)
    kinds = (
        GO_FORWARD.content,
        spoken_video(whole),
        encoded(whole, "wav", "pcm_s16le"),
        encoded(whole, "mp3", "mp3"),
    )
    files = [spoiled(content, chance) for content in kinds for _ in range(20)]
    ends = await sounds_of(files)
    assert set(ends) <= {"sound", "UNSUPPORTED", "TOO_LONG"}
    assert "sound" in ends


async def test_sound_that_claims_absurd_rates_is_refused_at_once() -> None:
    files = [
        claiming(rate, channels, bytes(200_000))
        for rate in (0, 1, 7, 4_000_000_000)
        for channels in (0, 1, 8, 60_000)
    ]
    assert set(await sounds_of(files)) <= {"UNSUPPORTED", "TOO_LONG"}


# The process.


def limits_of(pid: int | None) -> tuple[str, int]:
    """The limits of a process, and the bytes that it has mapped."""
    process = Path(f"/proc/{pid}")
    return (process / "limits").read_text(), int((process / "statm").read_text().split()[0]) * 4096


async def test_a_voice_note_is_transcribed_in_the_confined_process(reader: Reader) -> None:
    read = await reader.recording(VOICE_NOTE, duration=SECONDS)
    [passage] = read.passages
    assert (read.kind, read.engine, read.language) == (ReadingKind.TRANSCRIPT, "pocketsphinx", "en")
    assert passage.text == BRING_THE_KEYS.recognised
    assert passage.start is not None
    assert passage.start < 1


async def test_the_sound_of_a_video_is_transcribed(reader: Reader) -> None:
    read = await reader.recording(spoken_video(samples_of(GO_FORWARD.content)))
    assert [passage.text for passage in read.passages] == [GO_FORWARD.recognised]


async def test_a_silent_recording_has_an_empty_transcript(reader: Reader) -> None:
    assert (await reader.recording(encoded(silence(3)))).passages == ()


async def test_a_video_without_sound_is_refused(reader: Reader, tmp_path: Path) -> None:
    gif(tmp_path / "a.gif", 2)
    with pytest.raises(Unsupported):
        await reader.recording((tmp_path / "a.gif").read_bytes())


async def test_documents_are_read_beside_speech(reader: Reader) -> None:
    assert (await reader.document(b"Words", "text/plain", "a.txt")).passages == (Passage("Words"),)


async def test_whisper_runs_in_the_confined_process(model: Model) -> None:
    options = ReaderOptions(speech=SpeechOptions("whisper", model.folder, language="de"))
    async with open_reader(options) as reader:
        read = await reader.recording(CARDS.content)
        silent = await reader.recording(encoded(silence(2)))
        pid = reader.pid
        again = await reader.recording(CARDS.content)
        assert reader.pid == pid
    assert read.engine == again.engine == "whisper small"
    assert {read.language, again.language} <= {"de", None}
    assert (silent.passages, silent.language) == ((), None)


async def test_whisper_takes_a_full_piece_within_the_memory_of_its_process(model: Model) -> None:
    options = ReaderOptions(speech=SpeechOptions("whisper", model.folder, language="en"))
    noise = samples_of(CARDS.content)
    recording = encoded((noise * (PIECE_SECONDS * RATE * 2 // len(noise) + 1)), "wav", "pcm_s16le")
    async with open_reader(options) as reader:
        read = await reader.recording(recording)
    assert read.engine == "whisper small"


async def test_a_damaged_model_is_told_and_documents_are_read_all_the_same(tmp_path: Path) -> None:
    model = make_whisper_model(tmp_path)
    (model.folder / "model.bin").write_bytes(b"nothing")
    async with open_reader(ReaderOptions(speech=SpeechOptions("whisper", model.folder))) as reader:
        # No fault of the file, which can be read once the model is repaired.
        with pytest.raises(Busy, match=r"model\.bin"):
            await reader.recording(VOICE_NOTE)
        assert (await reader.document(b"Words", "text/plain", "a.txt")).passages


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_memory_of_a_loaded_model_is_limited(model: Model) -> None:
    options = ReaderOptions(speech=SpeechOptions("whisper", model.folder))
    async with open_reader(options) as reader:
        await reader.recording(encoded(silence(1)))
        limits, mapped = limits_of(reader.pid)
    [limit] = [line.split()[3] for line in limits.splitlines() if line.startswith("Max address space")]
    assert mapped < int(limit) <= mapped + 640 * 2**20 + model.weights_bytes
