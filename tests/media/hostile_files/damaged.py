"""Sound files in which a few bytes are changed, repeated or missing."""

from __future__ import annotations

import io
import random
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.media import document_files as make
from tests.media.footage import gif, video
from tests.media.hostile_files.hostile_file import HostileFile, Kind
from tests.media.hostile_files.pictures import saved
from tests.media.hostile_files.recordings import MP3_FRAME, tone
from whatsapp_mcp.media import recordings

_MIME_TYPES = {"CSV": "text/csv"}


def files(samples: Mapping[str, tuple[Kind, bytes]], each: int, seed: int = 1) -> Iterator[HostileFile]:
    """So many damaged files of each family of these."""
    for family, (kind, content) in samples.items():
        for number in range(each):
            chance = random.Random(f"{seed} {family} {number}")
            is_inside = content.startswith(b"PK") and chance.random() < 0.7
            made = damaged_inside(content, chance) if is_inside else damaged(content, chance)
            name = f"damaged, number {number} of seed {seed}"
            yield HostileFile(kind, family, name, lambda made=made: made, _MIME_TYPES.get(family, ""))


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, pieces repeated or taken out, and sometimes cut."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)))
            case 2:
                changed[at:at] = changed[at : at + chance.randint(1, 200)] * chance.randint(1, 20)
            case _:
                del changed[at : at + chance.randint(1, 50)]
        if len(changed) < 2:
            break
    # What is cut is often refused for that alone.
    end = chance.randint(len(changed) // 2, len(changed)) if chance.random() < 0.25 else len(changed)
    return bytes(changed[:end] or b"\0")


def damaged_inside(content: bytes, chance: random.Random) -> bytes:
    """A package that is whole, with a part that is not."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts: dict[str, str | bytes] = {name: package.read(name) for name in package.namelist()}
        name = chance.choice(package.namelist())
        return make.zipped({**parts, name: damaged(package.read(name), chance)})


@cache
def samples() -> Mapping[str, tuple[Kind, bytes]]:
    """A small picture or recording of each family."""
    pictures = {family: saved(family.upper()) for family in ("PNG", "JPEG", "WebP", "AVIF", "TIFF")}
    with tempfile.TemporaryDirectory() as folder:
        gif(Path(folder, "a.gif"), frames=3)
        video(Path(folder, "a.mp4"), seconds=2)
        pictures["GIF"], film = (Path(folder, name).read_bytes() for name in ("a.gif", "a.mp4"))
    _, note = recordings.voice_note(io.BytesIO(film), {})
    sounds = {"MP4": film, "Ogg": note, "WAV": tone(1), "MP3": MP3_FRAME * 20}
    return {
        **{family: (Kind.PICTURE, content) for family, content in pictures.items()},
        **{family: (Kind.RECORDING, content) for family, content in sounds.items()},
    }
