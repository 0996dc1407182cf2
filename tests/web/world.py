"""An archive with one of everything that pages show, some of it by somebody who wants to break them."""

from __future__ import annotations

import wave
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw

from tests.archive import events as ev
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import (
    ContactUpdate,
    FileReading,
    FileStep,
    GroupUpdate,
    Passage,
    ReadingKind,
)
from whatsapp_mcp.protobufs import E2E

NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
_AT: Final = int(NOON.timestamp())
ME: Final = ev.ME
ANN: Final = "15550000001@s.whatsapp.net"
BEN: Final = "15550000002@s.whatsapp.net"
NOA: Final = "15550000004@s.whatsapp.net"
EVE: Final = "15550000666@s.whatsapp.net"
CLUB: Final = "120363000000000001@g.us"
HOSTILE: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\u202egnp.exe"
"""Breaks out of HTML, of an attribute and of a template, where it can, and turns the direction of text."""
HOSTILE_NAME: Final = "</title><svg onload=alert(3)>\u202eann"
"""A name that somebody gave themselves."""


_DRAWING: Final = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(6)'/>"


def picture(width: int = 320, height: int = 220) -> bytes:
    """A JPEG of a lake, more or less."""
    image = Image.new("RGB", (width, height), (126, 178, 214))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 6 // 10, width, height), fill=(38, 94, 112))
    draw.polygon(
        ((0, height * 6 // 10), (width // 3, height // 4), (width * 2 // 3, height * 6 // 10)), (70, 92, 80)
    )
    draw.ellipse((width * 3 // 4, height // 8, width * 3 // 4 + 36, height // 8 + 36), fill=(250, 226, 130))
    out = BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


def sound(seconds: float = 1.0) -> bytes:
    """A WAV of silence."""
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * int(8000 * seconds))
    return out.getvalue()


def _file(kind: str, mime_type: str, size: int, **fields: Any) -> Any:
    body: Any = E2E.Message()
    part = getattr(body, f"{kind}Message")
    part.mimetype, part.fileLength, part.directPath, part.mediaKey = mime_type, size, "/v/x", b"k" * 32
    for name, value in fields.items():
        setattr(part, name, value)
    return body


def _reply(text: str, to: str, of: str) -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = text
    body.extendedTextMessage.contextInfo.stanzaID = to
    body.extendedTextMessage.contextInfo.participant = of
    body.extendedTextMessage.contextInfo.quotedMessage.conversation = "Did you book the cabin?"
    return body


def _poll() -> Any:
    body: Any = E2E.Message()
    body.pollCreationMessageV3.name = "Which day?"
    for option in ("Saturday", "Sunday", HOSTILE):
        body.pollCreationMessageV3.options.add(optionName=option)
    return body


def _place() -> Any:
    body: Any = E2E.Message()
    body.locationMessage.degreesLatitude, body.locationMessage.degreesLongitude = 47.5596, 7.5886
    body.locationMessage.name = "Boat house"
    return body


def _forwarded(text: str) -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = text
    body.extendedTextMessage.contextInfo.isForwarded = True
    return body


def _says(wa_id: str, body: Any, minutes: int, **where: Any) -> ev.Raw:
    return ev.message(wa_id, body, at=_AT + minutes * 60, **where)


STORY: Final = (
    _says("A1", "Did you book the cabin?", -2900, chat=ANN),
    _says("A2", _reply("Yes! Two nights, the deposit is 90 euros.", "A1", ANN), -2890, chat=ANN, sender=None),
    ev.reaction("A2", "❤️", at=_AT - 2880 * 60, chat=ANN),
    _says(
        "A3",
        _file(
            "image",
            "image/jpeg",
            24_000,
            caption="The lake this morning",
            width=320,
            height=220,
            JPEGThumbnail=picture(48, 33),
        ),
        -2000,
        chat=ANN,
    ),
    _says("A4", _file("audio", "audio/ogg; codecs=opus", 16_000, PTT=True, seconds=42), -1900, chat=ANN),
    _says(
        "A5", _file("document", "application/pdf", 1_200_000, fileName="cabin-contract.pdf"), -1800, chat=ANN
    ),
    _says("A6", _place(), -1700, chat=ANN),
    _says("A7", "מתי מגיעים לבקתה? 🏕️ see you at 8", -60, chat=ANN),
    _says("A8", "Eigth o'clock", -50, chat=ANN, sender=None),
    ev.edit("A8", "Eight o'clock", at=_AT - 45 * 60, chat=ANN, sender=None),
    _says("A9", "secret", -40, chat=ANN),
    ev.revoke("A9", at=_AT - 39 * 60, chat=ANN),
    _says(
        "A10",
        _file("image", "image/jpeg", 340_000, width=1200, height=800, JPEGThumbnail=picture(48, 33)),
        -30,
        chat=ANN,
    ),
    _says(
        "A11",
        _file(
            "video", "video/mp4", 4_000_000, seconds=75, width=640, height=360, JPEGThumbnail=picture(64, 36)
        ),
        -25,
        chat=ANN,
    ),
    _says("G1", "Who has the key of the boat house?", -500, chat=CLUB, sender=ANN, name="Ann"),
    _says("G2", _poll(), -480, chat=CLUB, sender=BEN, name="Ben"),
    _says(
        "G3", _forwarded("Prize draw! Answer with your code."), -470, chat=CLUB, sender=EVE, name=HOSTILE_NAME
    ),
    _says("G4", "I do", -460, chat=CLUB, sender=None),
    ev.reaction("G4", "👍", at=_AT - 450 * 60, chat=CLUB, sender=ANN),
    ev.reaction("G4", "👍", at=_AT - 449 * 60, chat=CLUB, sender=BEN),
    _says("E1", HOSTILE, -20, chat=EVE, name=HOSTILE_NAME),
    _says(
        "E2",
        _file("document", "text/html", 90, fileName='"><script>alert(4)</script>.html'),
        -19,
        chat=EVE,
        name=HOSTILE_NAME,
    ),
    _says("E3", _file("image", "image/svg+xml", 90, caption="look"), -18, chat=EVE, name=HOSTILE_NAME),
    _says("B1", "Thanks for yesterday", -300, chat=BEN),
    _says("N1", "שלום, נפגשים מחר בתחנה?", -200, chat=NOA),
    ev.undecryptable("N2", chat=NOA, at=_AT - 190 * 60),
)


async def fill(archive: Archive) -> None:
    """Tell the story."""
    await archive.write(recording.set_own, ME, None, "Max Muster")
    names = {ANN: "Ann Lee", BEN: "Ben Okafor", NOA: "נועה לוי"}
    await archive.write(
        recording.record_contacts, [ContactUpdate(jid, saved_name=name) for jid, name in names.items()]
    )
    people = tuple((jid, None, jid == ANN, False) for jid in (ANN, BEN, EVE, ME))
    await archive.write(recording.record_groups, [GroupUpdate(CLUB, "Boat club ⛵", people)])
    await archive.ingest(ev.journal(STORY))
    media = archive.folder.media
    media.mkdir(parents=True, exist_ok=True)
    await _keep(archive, media, "A3", "lake.jpg", picture())
    await _keep(archive, media, "A4", "note.wav", sound())
    await _keep(archive, media, "A5", "contract.pdf", b"%PDF-1.7\n1 0 obj\n")
    await _keep(archive, media, "E2", "page.html", b"<!doctype html><script>alert(5)</script>")
    await _keep(
        archive, media, "E3", "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(6)'/>"
    )
    heard = (
        Passage("Hi, it is me. The key is under the third stone."),
        Passage("See you at eight.", start=21.0),
    )
    await archive.write(
        recording.record_reading, "A4", FileReading(ReadingKind.TRANSCRIPT, heard, "whisper small", "en")
    )
    pages = Passage("Contract of the cabin\nThe deposit is 90 euros."), Passage("Bring your own firewood.")
    await archive.write(recording.record_reading, "A5", FileReading(ReadingKind.DOCUMENT, pages, "pypdf"))
    await archive.write(
        recording.record_file_problem,
        "A10",
        FileStep.FETCH,
        "MEDIA_UNAVAILABLE",
        "WhatsApp no longer has this file.",
        final=True,
    )
    night = NOON - timedelta(hours=30)
    await archive.write(recording.record_gap, night, night + timedelta(hours=2), "this computer was off")


async def _keep(archive: Archive, media: Path, wa_id: str, name: str, content: bytes) -> None:
    (media / name).write_bytes(content)
    await archive.write(recording.record_media_path, wa_id, str(media / name))
