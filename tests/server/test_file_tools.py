"""Files: where they may come from, what they are taken for, and how they come back."""

from __future__ import annotations

import base64
import io
import math
import os
import struct
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import AudioContent, BlobResourceContents, EmbeddedResource, ImageContent, ResourceLink

from tests.media.footage import BLUE, RED, gif, heic, is_jpeg, near, pixel, png, size, video, webp
from tests.media.workers import WITHOUT_PYAV, kept
from tests.server.conftest import BOB, incoming
from tests.server.fakes import FENCE, NOON, FakeDevice, FakeSource, ledger_in, text_of
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp import media
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.media import pictures
from whatsapp_mcp.models import FileContent, FileReading, Passage, ReadingKind
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def sound(seconds: float = 1.0) -> bytes:
    """A tone as WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        values = (int(9000 * math.sin(n / 3)) for n in range(int(8000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", value) for value in values))
    return buffer.getvalue()


def read(path: str) -> bytes:
    """What is in a file."""
    return Path(path).read_bytes()


def content_of(device: FakeDevice) -> FileContent:
    """The file that was sent."""
    content = device.sends[0].content
    assert isinstance(content, FileContent)
    return content


async def test_the_kind_is_judged_by_content(client: Client, device: FakeDevice) -> None:
    await answer(
        client,
        "send_file",
        chat="Bob",
        data=base64.b64encode(PNG).decode(),
        file_name="x.pdf",
        caption="Look",
    )
    content = content_of(device)
    assert (content.kind, content.mime_type, content.caption) == ("image", "image/jpeg", "Look")
    assert is_jpeg(read(content.path))
    assert device.sends[0].chat == BOB


def encoded(content: bytes) -> str:
    """As an agent passes it."""
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(("hd", "width"), [(False, 1600), (True, 4096)])
async def test_a_photo_is_sent_at_the_usual_size_or_in_hd(
    client: Client, device: FakeDevice, hd: bool, width: int
) -> None:
    await answer(client, "send_file", chat="Bob", data=encoded(png(5000, 1000, RED)), hd=hd)
    content = content_of(device)
    assert (content.width, content.height) == (width, round(width / 5))
    assert size(read(content.path))[0] == width
    assert content.thumbnail is not None
    assert max(size(base64.b64decode(content.thumbnail))) <= 96


async def test_without_pyav_pictures_are_read_and_what_moves_is_a_document(
    client: Client,
    device: FakeDevice,
    source: FakeSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gif(tmp_path / "a.gif", 3)
    animation = encoded(read(str(tmp_path / "a.gif")))
    monkeypatch.setitem(sys.modules, "av", None)
    async with kept(WITHOUT_PYAV) as source.worker:
        text, _ = await answer(client, "send_file", chat="Bob", data=animation)
        assert text.endswith("To play as a GIF it needs the extra `media` of this server.")
        await answer(client, "send_file", chat="Bob", data=animation, kind="image")
        await answer(client, "send_file", chat="Bob", data=animation, kind="sticker")
        await answer(client, "send_file", chat="Bob", data=encoded(PNG))
        for data, kind in ((animation, "gif"), (encoded(sound()), "voice")):
            error = await refusal(client, "send_file", chat="Bob", data=data, kind=kind)
            assert error["code"] == "UNSUPPORTED"
            assert "extra `media`" in error["action"]
    kinds = [request.content for request in device.sends]
    assert [(each.kind, getattr(each, "mime_type", "")) for each in kinds] == [
        ("document", "image/gif"),
        ("image", "image/jpeg"),
        ("sticker", "image/webp"),
        ("image", "image/jpeg"),
    ]


@pytest.mark.parametrize("kind", [None, "image", "gif", "voice", "video", "audio", "sticker"])
async def test_a_list_of_other_files_is_sent_as_a_document_or_not_at_all(
    client: Client, device: FakeDevice, tmp_path: Path, kind: str | None
) -> None:
    (tmp_path / "secret.wav").write_bytes(sound())
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.wav\n".encode()
    (tmp_path / "accounts" / "default" / "media" / "a.m3u8").write_bytes(playlist)
    if kind is None:
        await answer(client, "send_file", chat="Bob", path="a.m3u8")
        assert (content_of(device).kind, read(content_of(device).path)) == ("document", playlist)
        return
    error = await refusal(client, "send_file", chat="Bob", path="a.m3u8", kind=kind)
    assert (error["code"], device.sends) == ("INVALID_ARGUMENT", [])
    assert error["message"] == f"The content is an M3U playlist, which cannot be sent as {kind}."


async def test_what_is_no_picture_though_it_says_so_is_not_shown(
    client: Client, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "got.png").write_bytes(f"#EXTM3U\n{tmp_path}/secret.png\n".encode())
    ref = await received_image(client, archive)
    device.file = str(tmp_path / "got.png")
    shown = await client.call_tool("download_media", {"message": ref})
    assert "image" not in [block.type for block in shown.content]
    (link,) = [block for block in shown.content if isinstance(block, ResourceLink)]
    assert not str(link.mime_type).startswith("image/")


async def test_a_picture_is_shown_fitted_to_a_limit(
    client: Client, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "got.png").write_bytes(png(3000, 1500, RED))
    ref = await received_image(client, archive)
    device.file = str(tmp_path / "got.png")
    shown = (await client.call_tool("download_media", {"message": ref})).content[0]
    assert isinstance(shown, ImageContent)
    assert size(base64.b64decode(shown.data)) == (1024, 512)


async def test_over_http_it_is_said_that_no_other_computer_can_open_the_file(
    client: Client, source: FakeSource, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "got.png").write_bytes(png(8, 8, RED))
    ref = await received_image(client, archive)
    device.file = str(tmp_path / "got.png")
    here = text_of((await client.call_tool("download_media", {"message": ref})).content)
    async with remote_client(source) as remote:
        there = text_of((await remote.call_tool("download_media", {"message": ref})).content)
    assert there == f"{here} That is a file of the computer that runs this server: no other one can open it."


@asynccontextmanager
async def remote_client(source: FakeSource) -> AsyncIterator[Client]:
    """A client over HTTP, as it may run on another computer."""
    application = create(source)
    app = application.streamable_http_app(stateless_http=True)
    async with (
        application.session_manager.run(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http,
        Client(streamable_http_client("http://127.0.0.1:8808/mcp", http_client=http)) as remote,
    ):
        yield remote


async def received_image(client: Client, archive: Archive) -> str:
    """The ref of a new message from Bob with a picture in it."""
    return await received_file(client, archive, "imageMessage", "image/png")


async def received_file(
    client: Client, archive: Archive, kind: str, mime_type: str, thumbnail: bytes = b""
) -> str:
    """The ref of a new message from Bob with a file in it."""
    event = incoming(30, BOB, BOB, "", NOON + timedelta(days=1))
    message = Neonize.Message.FromString(event.payload)
    message.Message.Clear()
    file = getattr(message.Message, kind)
    file.URL, file.mediaKey, file.mimetype = "https://mmg.whatsapp.net/i", bytes(32), mime_type
    if thumbnail:
        file.JPEGThumbnail = thumbnail
    if kind == "audioMessage":
        file.PTT = True
    await archive.ingest([replace(event, payload=message.SerializePartialToString())])
    _, data = await answer(client, "list_messages", chat="Bob", limit=1)
    return data["messages"][0]["ref"]


async def test_an_iphones_photo_is_sent_as_one_that_every_phone_shows(
    client: Client, device: FakeDevice
) -> None:
    await answer(client, "send_file", chat="Bob", data=encoded(heic(60, 30, RED, BLUE)))
    content = content_of(device)
    assert (content.kind, content.mime_type) == ("image", "image/jpeg")
    assert size(read(content.path)) == (60, 30)


async def test_a_document_goes_as_it_is(client: Client, device: FakeDevice) -> None:
    await answer(client, "send_file", chat="Bob", data=encoded(PNG), kind="document", file_name="x.png")
    content = content_of(device)
    assert (content.kind, content.mime_type, content.file_name) == ("document", "image/png", "x.png")
    assert read(content.path) == PNG


async def test_an_animated_gif_becomes_a_looping_video(
    client: Client, device: FakeDevice, tmp_path: Path
) -> None:
    for frames, kind, mime_type in ((3, "gif", "video/mp4"), (1, "image", "image/jpeg")):
        device.sends.clear()
        gif(tmp_path / "a.gif", frames)
        await answer(client, "send_file", chat="Bob", data=encoded(read(str(tmp_path / "a.gif"))))
        content = content_of(device)
        assert (content.kind, content.mime_type) == (kind, mime_type)
        made = media.format_of(read(content.path))
        assert made is not None
        assert made.mime_type == mime_type
        assert content.thumbnail is not None


async def test_a_video_is_told_with_length_size_and_preview(
    client: Client, device: FakeDevice, tmp_path: Path
) -> None:
    video(tmp_path / "a.mp4", seconds=3)
    clip = read(str(tmp_path / "a.mp4"))
    await answer(client, "send_file", chat="Bob", data=encoded(clip))
    content = content_of(device)
    assert (content.kind, content.duration, content.width, content.height) == ("video", 3, 64, 48)
    assert content.thumbnail is not None
    assert read(content.path) == clip
    await answer(client, "send_file", chat="Bob", data=encoded(clip), kind="gif")
    silent = device.sends[1].content
    assert isinstance(silent, FileContent)
    assert (silent.kind, silent.mime_type) == ("gif", "video/mp4")


async def test_a_voice_note_that_is_opus_already_goes_as_it_is_with_its_waveform(
    client: Client, device: FakeDevice
) -> None:
    await answer(client, "send_file", chat="Bob", data=encoded(sound()), kind="voice")
    made = read(content_of(device).path)
    await answer(client, "send_file", chat="Bob", data=encoded(made), kind="voice")
    again = device.sends[1].content
    assert isinstance(again, FileContent)
    assert read(again.path) == made
    assert again.duration == 1
    assert again.waveform is not None
    assert max(base64.b64decode(again.waveform)) == 100


async def test_a_voice_note_is_opus_with_duration_and_waveform(client: Client, device: FakeDevice) -> None:
    await answer(client, "send_file", chat="Bob", data=base64.b64encode(sound()).decode(), kind="voice")
    content = content_of(device)
    assert b"OpusHead" in read(content.path)[:64]
    assert (content.duration, content.mime_type) == (1, "audio/ogg; codecs=opus")
    assert content.waveform is not None
    bars = base64.b64decode(content.waveform)
    assert len(bars) == 64
    assert max(bars) == 100


async def test_a_path_must_lie_in_an_allowed_folder(
    client: Client, device: FakeDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    inside = tmp_path / "accounts" / "default" / "media"
    (inside / "link").symlink_to(secret)
    for path in (secret, inside / ".." / ".." / ".." / "secret.txt", inside / "link", tmp_path / "none"):
        error = await refusal(client, "send_file", chat="Bob", path=str(path))
        assert error["code"] == "FILE_NOT_ALLOWED", path
    (inside / "fine.txt").write_text("fine")
    await answer(client, "send_file", chat="Bob", path=str(inside / "fine.txt"))
    assert content_of(device).kind == "document"
    assert content_of(device).file_name == "fine.txt"
    await answer(client, "send_file", chat="Bob", path="fine.txt")
    assert (await refusal(client, "send_file", chat="Bob", path="../../secret.txt"))[
        "code"
    ] == "FILE_NOT_ALLOWED"


async def test_where_there_is_no_such_file_those_of_the_folder_are_named(
    client: Client, device: FakeDevice, tmp_path: Path
) -> None:
    inside = tmp_path / "accounts" / "default" / "media"
    for age, name in enumerate(("new.pdf", "old.pdf")):
        (inside / name).write_text("x")
        os.utime(inside / name, (0, 1_000 - age))
    for path in (inside, inside / "newest.pdf"):
        error = await refusal(client, "send_file", chat="Bob", path=str(path))
        assert error["code"] == "INVALID_ARGUMENT"
        assert error["candidates"] == [str(inside / "new.pdf"), str(inside / "old.pdf")]
    error = await refusal(client, "send_file", chat="Bob", path=str(tmp_path))
    assert error["code"] == "FILE_NOT_ALLOWED"
    assert "candidates" not in error
    assert device.sends == []


@for_each(
    "arguments, code",
    [
        ({}, "INVALID_ARGUMENT"),
        ({"data": "!!"}, "INVALID_ARGUMENT"),
        ({"data": ""}, "INVALID_ARGUMENT"),
        ({"data": "eA==", "path": "/x"}, "INVALID_ARGUMENT"),
        ({"data": "eA==", "kind": "image"}, "INVALID_ARGUMENT"),
        ({"data": "eA==", "kind": "smell"}, "INVALID_ARGUMENT"),
        ({"url": "file:///etc/passwd"}, "INVALID_ARGUMENT"),
        ({"url": "http://127.0.0.1:1/x"}, "FILE_NOT_ALLOWED"),
        ({"url": "http://[::1]/x"}, "FILE_NOT_ALLOWED"),
        ({"url": "http://localhost/x"}, "FILE_NOT_ALLOWED"),
        ({"url": "http://169.254.169.254/latest"}, "FILE_NOT_ALLOWED"),
        ({"url": "http://[::ffff:127.0.0.1]/x"}, "FILE_NOT_ALLOWED"),
        ({"url": "http://user@192.0.2.1/"}, "INVALID_ARGUMENT"),
    ],
)
async def test_bad_files_are_refused_and_nothing_is_sent(
    client: Client, device: FakeDevice, arguments: dict[str, Any], code: str
) -> None:
    assert (await refusal(client, "send_file", chat="Bob", **arguments))["code"] == code
    assert device.sends == []


async def test_a_file_over_the_limit_is_not_fetched(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    event = incoming(20, BOB, BOB, "", NOON + timedelta(days=1))
    message = Neonize.Message.FromString(event.payload)
    message.Message.Clear()
    video = message.Message.videoMessage
    video.URL, video.mediaKey, video.fileLength = "https://mmg.whatsapp.net/v", bytes(32), 101_000_000
    await archive.ingest([replace(event, payload=message.SerializePartialToString())])
    _, data = await answer(client, "list_messages", chat="Bob", limit=1)

    error = await refusal(client, "download_media", message=data["messages"][0]["ref"])

    assert (error["code"], "101 MB" in error["message"]) == ("TOO_LONG", True)
    assert device.asked == []


async def downloaded(client: Client, device: FakeDevice, ref: str, path: Path, content: bytes) -> list[Any]:
    """What download_media answers when the file has this content."""
    await anyio.Path(path).write_bytes(content)
    device.file = str(path)
    return list((await client.call_tool("download_media", {"message": ref})).content)


@pytest.mark.parametrize(
    ("name", "content"), [("a.heic", heic(60, 30, RED, BLUE)), ("a.webp", webp(3, RED, BLUE))]
)
async def test_iphone_pictures_and_moving_stickers_are_shown(
    client: Client, device: FakeDevice, archive: Archive, tmp_path: Path, name: str, content: bytes
) -> None:
    ref = await received_image(client, archive)
    shown, _ = await downloaded(client, device, ref, tmp_path / name, content)
    picture = base64.b64decode(shown.data)
    assert is_jpeg(picture)
    assert near(pixel(picture, 5, 5), RED)


async def test_a_video_is_shown_as_three_stills_and_a_link(
    client: Client, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    video(tmp_path / "made.mp4", seconds=20, width=640, height=480)
    ref = await received_file(client, archive, "videoMessage", "video/mp4")
    content = read(str(tmp_path / "made.mp4"))
    *stills, link, text = await downloaded(client, device, ref, tmp_path / "a.mp4", content)
    assert [size(base64.b64decode(still.data)) for still in stills] == [(512, 384)] * 3
    assert (link.type, link.mime_type) == ("resource_link", "video/mp4")
    assert "Stills of it at 0:02, 0:10, 0:18." in text.text


@pytest.mark.parametrize(("pixels", "is_near"), [(10_000, True), (100_000, False)])
async def test_over_http_a_small_document_comes_along_and_a_large_one_as_a_link(
    client: Client,
    source: FakeSource,
    device: FakeDevice,
    archive: Archive,
    tmp_path: Path,
    pixels: int,
    is_near: bool,
) -> None:
    content = b"%PDF-1.7" + bytes(pixels)
    ref = await received_file(client, archive, "documentMessage", "application/pdf")
    async with remote_client(source) as remote:
        block, _ = await downloaded(remote, device, ref, tmp_path / "a.pdf", content)
        uri = f"whatsapp://media/{ref.removeprefix('#')}"
        if is_near:
            assert isinstance(block, EmbeddedResource)
            resource = block.resource
            assert isinstance(resource, BlobResourceContents)
            assert (resource.uri, resource.mime_type) == (uri, "application/pdf")
            assert base64.b64decode(resource.blob) == content
            return
        assert isinstance(block, ResourceLink)
        assert (block.uri, block.size) == (uri, len(content))
        (whole,) = (await remote.read_resource(block.uri)).contents
    assert isinstance(whole, BlobResourceContents)
    assert base64.b64decode(whole.blob) == content


async def test_over_http_a_document_that_comes_along_taints(
    client: Client, source: FakeSource, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    ref = await received_file(client, archive, "documentMessage", "application/pdf")
    source.policy = Policy.in_mode("standard")
    async with remote_client(source) as remote:
        await downloaded(remote, device, ref, tmp_path / "a.pdf", b"%PDF-1.7")
    assert ledger_in(tmp_path).tainted()


async def test_over_http_a_short_voice_note_comes_along_as_sound(
    client: Client, source: FakeSource, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    ref = await received_file(client, archive, "audioMessage", "audio/wav")
    async with remote_client(source) as remote:
        block, _ = await downloaded(remote, device, ref, tmp_path / "a.wav", sound(0.5))
    assert isinstance(block, AudioContent)
    assert (block.mime_type, base64.b64decode(block.data)) == ("audio/wav", sound(0.5))


async def test_here_a_document_is_a_link_to_its_path(
    client: Client, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    ref = await received_file(client, archive, "documentMessage", "application/pdf")
    block, _ = await downloaded(client, device, ref, tmp_path / "a.pdf", b"%PDF-1.7")
    assert isinstance(block, ResourceLink)
    assert block.uri == (tmp_path / "a.pdf").as_uri()


async def test_a_voice_note_comes_with_its_transcript_between_the_tags(
    client: Client, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    ref = await received_file(client, archive, "audioMessage", "audio/ogg")
    *_, text = await downloaded(client, device, ref, tmp_path / "a.wav", sound(0.5))
    assert text.text.endswith("What is said in it: read_file.")
    spoken = (Passage("See you at six", start=0.0), Passage("Bring the keys", start=65.0))
    await archive.write(
        recording.record_reading, int(ref[1:]), FileReading(ReadingKind.TRANSCRIPT, spoken, "test", "en")
    )
    *_, text = await downloaded(client, device, ref, tmp_path / "a.wav", sound(0.5))
    assert text.text.splitlines()[1:] == [
        FENCE[0],
        "0:00: See you at six",
        "1:05: Bring the keys",
        FENCE[1],
    ]


async def test_of_a_file_that_is_gone_the_thumbnail_is_shown(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    device.fails = MediaUnavailable("WhatsApp's servers do not have this file.")
    small = pictures.picture(io.BytesIO(png(90, 60, RED)), {"largest": 96})[1]
    ref = await received_file(client, archive, "imageMessage", "image/jpeg", small)
    shown, text = (await client.call_tool("download_media", {"message": ref})).content
    assert isinstance(shown, ImageContent)
    assert size(base64.b64decode(shown.data)) == (90, 60)
    assert "WhatsApp's servers do not have this file. Its thumbnail is shown." in text_of([text])


@pytest.mark.parametrize("thumbnail", [b"", b"no picture"])
async def test_of_a_file_that_is_gone_without_thumbnail_that_is_said(
    client: Client, device: FakeDevice, archive: Archive, thumbnail: bytes
) -> None:
    device.fails = MediaUnavailable("WhatsApp's servers do not have this file.")
    ref = await received_file(client, archive, "imageMessage", "image/jpeg", thumbnail)
    assert (await refusal(client, "download_media", message=ref))["code"] == "MEDIA_UNAVAILABLE"
