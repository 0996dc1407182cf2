"""The decoding process (`python -m whatsapp_mcp.media.jobs`): its jobs, by name.

What they need is imported with them: once the process is confined nothing can be loaded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Final

from whatsapp_mcp.media import pictures, recordings
from whatsapp_mcp.media.child import run
from whatsapp_mcp.media.job import Job, done


def _jobs() -> dict[str, Job]:
    """The jobs, those of features among them."""
    from whatsapp_mcp.features.imports.exports.jobs import EXPORT_JOBS

    jobs: dict[str, Job] = {
        "listen": recordings.listen,
        "look_at_picture": pictures.look_at_picture,
        "look_at_recording": recordings.look_at_recording,
        "looping_video": recordings.looping_video,
        "picture": pictures.picture,
        "sticker": pictures.sticker,
        "stills": recordings.stills,
        "voice_note": recordings.voice_note,
    }
    jobs |= EXPORT_JOBS
    return jobs


JOBS: Final[Mapping[str, Job]] = _jobs()

# A GIF of 16 pixels a side, and 10 ms of silence as WAV.
_PICTURE: Final = bytes.fromhex(
    "47494638396110001000800000ffffff00000021f90400000000002c0000000010001000000210848fa9cbed0fa39cb4da8bb3de3c0500"
)
_SOUND: Final = b"".join(
    (
        b"RIFF" + struct.pack("<I", 36 + 960) + b"WAVE",
        b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 48_000, 96_000, 2, 16),
        b"data" + struct.pack("<I", 960) + bytes(960),
    )
)


def rehearse() -> None:
    """Do each job once: libraries load parts of themselves at first use. What fails here fails later, too."""
    for job in (pictures.look_at_picture, pictures.picture, pictures.sticker):
        done(job, io.BytesIO(_PICTURE), {"largest": 8})
    _, clip = done(recordings.looping_video, io.BytesIO(_PICTURE), {})
    done(recordings.look_at_recording, io.BytesIO(clip), {})
    done(recordings.stills, io.BytesIO(clip), {"largest": 8})
    _, note = done(recordings.voice_note, io.BytesIO(_SOUND), {})
    done(recordings.listen, io.BytesIO(note), {})


def main() -> None:
    """Do each job once, then serve."""
    rehearse()
    run(JOBS)


if __name__ == "__main__":
    main()
