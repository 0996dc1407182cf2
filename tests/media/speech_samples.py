"""Speech that PocketSphinx recognises, as voice notes; where it is from says `speech/LICENSE.txt`.

`VOICE_NOTE` is what other tests take: it is short, and every word of it is recognised.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import av

_FOLDER: Final = Path(__file__).parent / "speech"
_RATE: Final = 16_000


class Sample(NamedTuple):
    """A voice note (Opus in Ogg), and what PocketSphinx makes of it."""

    name: str
    recognised: str

    @property
    def content(self) -> bytes:
        """The file."""
        return (_FOLDER / f"{self.name}.ogg").read_bytes()


GO_FORWARD: Final = Sample("go_forward", "go forward ten meters")
CARDS: Final = Sample("cards", "eight of spades four of clubs seven of hearts")
SOMETHING: Final = Sample("something", "go somewhere and do something")
NOVEL: Final = Sample(
    "sense_and_sensibility",
    "had he married a more amiable woman he might have been made still more respectable many watts",
)
"""Read aloud from a novel; the last words are "than he was"."""
BRING_THE_KEYS: Final = Sample("bring_the_keys", "please bring the keys tomorrow morning")
"""Made by eSpeak NG (`espeak-ng -v en-us -s 120 -p 40`)."""
RECORDED: Final = (GO_FORWARD, CARDS, SOMETHING, NOVEL)
"""People speaking."""

VOICE_NOTE: Final = BRING_THE_KEYS.content
WORDS: Final = BRING_THE_KEYS.recognised
"""What is said in `VOICE_NOTE`."""
SECONDS: Final = 3
"""How long `VOICE_NOTE` lasts, rounded."""


@cache
def samples_of(content: bytes) -> bytes:
    """The sound of a file: 16 kHz mono s16."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    sound = bytearray()
    with av.open(io.BytesIO(content), "r") as container:
        for frame in (*container.decode(audio=0), None):
            for part in resampler.resample(frame):
                sound += bytes(part.planes[0])[: part.samples * 2]
    return bytes(sound)


def silence(seconds: float) -> bytes:
    """So much silence: 16 kHz mono s16."""
    return bytes(2 * round(_RATE * seconds))


def encoded(sound: bytes, container: str = "ogg", codec: str = "libopus") -> bytes:
    """Sound (16 kHz mono s16) as a file of another format."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        _write(output, output.add_stream(codec, rate=_RATE, layout="mono"), sound)
    return buffer.getvalue()


def spoken_video(sound: bytes) -> bytes:
    """An MP4 with one picture and this sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        pictures: Any = output.add_stream("libx264", rate=1)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        voice: Any = output.add_stream("aac", rate=_RATE, layout="mono")
        frame: Any = av.VideoFrame(64, 48, "yuv420p")
        frame.pts = 0
        output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
        _write(output, voice, sound)
    return buffer.getvalue()


def _write(output: Any, stream: Any, sound: bytes) -> None:
    resampler = av.AudioResampler(
        format=stream.codec_context.format,
        layout="mono",
        rate=stream.codec_context.sample_rate,
        frame_size=960,
    )
    whole: Any = av.AudioFrame(format="s16", layout="mono", samples=len(sound) // 2)
    whole.planes[0].update(sound.ljust(whole.planes[0].buffer_size, b"\0"))
    whole.sample_rate, whole.pts = _RATE, 0
    for part in (*resampler.resample(whole), *resampler.resample(None)):
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))
