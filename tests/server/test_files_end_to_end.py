"""Files from an MCP client to the phone at the other end: what is in them and what is said about them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import av
import pytest

from tests.media.footage import BLUE, RED, gif, is_jpeg, near, pixel, png, size, video, with_orientation
from tests.server.linked import Linked
from tests.server.test_core_tools import answer
from tests.server.test_file_tools import sound
from whatsapp_mcp import media

pytestmark = pytest.mark.anyio


async def sent(linked: Linked, content: bytes, **arguments: Any) -> tuple[Any, bytes]:
    """The message that Ann gets of a file, and the file that she then fetches."""
    data = base64.b64encode(content).decode()
    _, told = await answer(linked.client, "send_file", chat="Ann", data=data, **arguments)
    got = await linked.ann.receives()
    assert got.id == told["message_id"]
    return got.message, linked.wa.media.open(got.message)


async def test_a_photo_arrives_upright_small_and_without_its_place(linked: Linked) -> None:
    photo = (await media.picture(linked.worker, png(2000, 1000, RED, BLUE), 2000)).content
    message, file = await sent(linked, with_orientation(photo, 6), caption="Look")
    image = message.imageMessage
    assert (image.mimetype, image.caption, image.width, image.height) == ("image/jpeg", "Look", 800, 1600)
    assert image.fileLength == len(file)
    assert size(file) == (800, 1600)
    assert b"Exif" not in file
    assert near(pixel(file, 400, 100), RED)
    assert near(pixel(file, 400, 1500), BLUE)
    assert size(image.JPEGThumbnail) == (48, 96)


async def test_hd_keeps_what_standard_makes_smaller(linked: Linked) -> None:
    message, file = await sent(linked, png(3000, 300, RED), hd=True)
    assert (message.imageMessage.width, size(file)[0]) == (3000, 3000)


async def test_a_video_arrives_with_preview_length_and_size(linked: Linked, tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", seconds=3)
    clip = (tmp_path / "a.mp4").read_bytes()
    message, file = await sent(linked, clip)
    shown = message.videoMessage
    assert (shown.mimetype, shown.seconds, shown.width, shown.height) == ("video/mp4", 3, 64, 48)
    assert not shown.gifPlayback
    assert is_jpeg(shown.JPEGThumbnail)
    assert file == clip


async def test_a_gif_plays_in_a_loop_at_the_other_end(linked: Linked, tmp_path: Path) -> None:
    gif(tmp_path / "a.gif", frames=5)
    message, file = await sent(linked, (tmp_path / "a.gif").read_bytes())
    shown = message.videoMessage
    assert (shown.mimetype, shown.gifPlayback, shown.width, shown.height) == ("video/mp4", True, 50, 30)
    assert is_jpeg(shown.JPEGThumbnail)
    with av.open(io.BytesIO(file)) as played:
        assert [(stream.type, stream.codec_context.name) for stream in played.streams] == [("video", "h264")]


async def test_a_voice_note_arrives_as_opus_with_length_and_waveform(linked: Linked) -> None:
    message, file = await sent(linked, sound(2.0), kind="voice")
    note = message.audioMessage
    assert (note.PTT, note.seconds, note.mimetype) == (True, 2, "audio/ogg; codecs=opus")
    assert (len(note.waveform), max(note.waveform)) == (64, 100)
    assert file.startswith(b"OggS")
    assert b"OpusHead" in file


async def test_an_image_as_sticker_is_made_one(linked: Linked) -> None:
    message, file = await sent(linked, png(300, 200, RED), kind="sticker")
    shown = message.stickerMessage
    assert (shown.mimetype, shown.width, shown.height) == ("image/webp", 512, 512)
    assert size(file) == (512, 512)


async def test_a_forwarded_file_keeps_its_size_and_length(linked: Linked, tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", seconds=3)
    message, file = await sent(linked, (tmp_path / "a.mp4").read_bytes())
    _, data = await answer(linked.client, "list_messages", chat="Ann", limit=1)
    await answer(linked.client, "forward_message", message=data["messages"][0]["ref"], chat="Ben")
    got = (await linked.ben.receives()).message
    original, copy = message.videoMessage, got.videoMessage
    assert copy.contextInfo.isForwarded
    assert (copy.width, copy.height, copy.seconds) == (original.width, original.height, original.seconds)
    assert linked.wa.media.open(got) == file


async def test_what_shall_be_seen_once_says_so(linked: Linked) -> None:
    message, _ = await sent(linked, png(40, 20, RED), view_once=True)
    assert message.viewOnceMessage.message.imageMessage.viewOnce


async def test_of_a_chat_that_is_deleted_no_file_of_the_account_holds_a_word(linked: Linked) -> None:
    folder, word = linked.media.parent, b"purplemonkey"

    def traces() -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {path.suffix for path in found if word in path.read_bytes()}

    await linked.cleo.says("purplemonkey for you")
    await linked.archived(lambda chat: "purplemonkey" in (chat.last_message.text), str(linked.cleo.pn))
    await answer(linked.client, "send_message", chat="Cleo", text="purplemonkey for her")
    data = base64.b64encode(b"in a file: purplemonkey").decode()
    await answer(linked.client, "send_file", chat="Cleo", data=data, kind="document", file_name="a.txt")
    await answer(linked.client, "export_chat", chat="Cleo")
    assert traces() >= {".txt", ""}
    await answer(linked.client, "delete_chat", chat="Cleo")
    assert traces() == set()
