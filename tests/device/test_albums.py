"""An album is one accepted act: its message, then each of its files, none of them twice."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.device.outbox_rig import ANN, Rig, Wire, rig
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.guard.facts import file_digests, words_of
from whatsapp_mcp.device.guard.questions import lines_of
from whatsapp_mcp.errors import InvalidArgument, KeyReused, MediaUnavailable, NotConnected, WhatsAppError
from whatsapp_mcp.models import Album, AlbumContent, FileContent, SendRequest, SendStatus, TextContent
from whatsapp_mcp.protobufs import E2E, Neonize
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


class Uploads:
    """The client's uploads: of which files, and what becomes of them."""

    def __init__(self) -> None:
        self.failing: dict[str, WhatsAppError] = {}
        self.done: list[str] = []

    async def __call__(self, method: str, params: dict[str, Any]) -> str:
        assert method == "upload"
        if (error := self.failing.get(params["path"])) is not None:
            raise error
        self.done.append(params["path"])
        uploaded = Neonize.UploadResponse(
            url="https://mmg.whatsapp.net/x",
            DirectPath="/v/x",
            Handle="",
            MediaKey=b"k",
            FileEncSHA256=b"e",
            FileSHA256=b"s",
            FileLength=1,
        )
        return b64encode(uploaded.SerializeToString()).decode()


class Recording(Wire):
    """A wire that keeps what was handed over."""

    messages: list[E2E.Message]

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        answer = await super().hand_over(chat, message, handed_to, deadline)
        self.messages = [*getattr(self, "messages", []), E2E.Message.FromString(b64decode(message))]
        return answer


def picture(name: str, caption: str = "") -> FileContent:
    return FileContent("image", f"/media/{name}.jpg", "image/jpeg", caption)


def album(*names: str, key: str | None = None, wait: float = 5.0) -> SendRequest:
    files = tuple(picture(name, "At the lake" if name == "a" else "") for name in names)
    return SendRequest(ANN, AlbumContent(files), idempotency_key=key, wait=wait)


async def shown(archive: Archive, message_id: str | None) -> Album | None:
    assert message_id is not None
    return (await archive.message(message_id)).album


async def test_an_album_goes_out_before_its_files_which_name_it(folder: AccountFolder) -> None:
    wire = Recording()
    async with rig(folder, wire, call=Uploads()) as it:
        result = await it.outbox.submit(album("a", "b"))
        assert (result.status, result.reason) == (SendStatus.SENT, None)
        first, *files = wire.messages
        assert first.albumMessage.expectedImageCount == 2
        parents = [each.messageContextInfo.messageAssociation.parentMessageKey for each in files]
        assert [(key.ID, key.fromMe, key.remoteJID) for key in parents] == [
            (result.message_id, True, ANN)
        ] * 2
        assert [each.imageMessage.caption for each in files] == ["At the lake", ""]
        found = await shown(it.archive, result.message_id)
        assert found is not None
        assert (found.expected, len(found.files)) == (2, 2)


async def test_the_same_key_sends_no_album_and_no_file_twice(folder: AccountFolder) -> None:
    async with rig(folder, call=Uploads()) as it:
        first = await it.outbox.submit(album("a", "b", key="k"))
        again = await it.outbox.submit(album("a", "b", key="k"))
        assert again == first
        assert len(it.wire.handed_over) == 3
        with pytest.raises(KeyReused):
            await it.outbox.submit(album("a", "c", key="k"))


async def test_the_next_server_sends_what_is_missing_and_nothing_else(folder: AccountFolder) -> None:
    uploads, wire = Uploads(), Wire()
    uploads.failing["/media/b.jpg"] = NotConnected("It is down.")
    async with rig(folder, wire, call=uploads) as it:
        result = await it.outbox.submit(album("a", "b", key="k", wait=0.0))
        await until_sent(it, 2)
        assert result.status in {SendStatus.SENDING, SendStatus.QUEUED}
    assert len(wire.handed_over) == 2
    async with rig(folder, wire, call=Uploads()) as it:
        await until_sent(it, 3)
        assert (await it.outbox.submit(album("a", "b", key="k"))).status is SendStatus.SENT
        assert len(wire.handed_over) == 3


async def until_sent(it: Rig, send_id: int) -> None:
    for each in range(1, send_id + 1):  # the files are there once the album is
        await it.until(each, SendStatus.SENT)


async def test_what_of_an_album_was_not_sent_is_said_and_the_key_sends_it(folder: AccountFolder) -> None:
    uploads = Uploads()
    uploads.failing["/media/b.jpg"] = MediaUnavailable("WhatsApp's servers do not take it.")
    async with rig(folder, call=uploads) as it:
        result = await it.outbox.submit(album("a", "b", "c", key="k"))
        assert result.status is SendStatus.FAILED
        assert result.reason == (
            "1 of 3 files were not sent: MEDIA_UNAVAILABLE: WhatsApp's servers do not take it."
        )
        assert (await it.archive.send_report(result.message_id or "")).result == result
        uploads.failing.clear()
        assert (await it.outbox.submit(album("a", "b", "c", key="k"))).status is SendStatus.SENT
        assert len(it.wire.handed_over) == 4


async def test_a_file_that_waits_is_no_reason_to_call_an_album_sent(folder: AccountFolder) -> None:
    uploads = Uploads()
    uploads.failing["/media/b.jpg"] = NotConnected("It is down.")
    async with rig(folder, call=uploads) as it:
        await it.outbox.submit(album("a", "b", wait=0.0))
        await until_sent(it, 2)
        result = await it.outbox.outcome(1, 0.0)
        assert (result.status, result.reason) == (SendStatus.QUEUED, "1 of 2 files are on their way.")


async def test_no_caller_takes_the_key_of_an_albums_file(folder: AccountFolder) -> None:
    async with rig(folder) as it:
        with pytest.raises(InvalidArgument, match="album:"):
            await it.outbox.submit(SendRequest(ANN, TextContent("hi"), idempotency_key="album:1:0"))


async def test_a_person_is_asked_once_about_all_files_by_name_and_by_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    files = tuple(
        FileContent("image", str(tmp_path / f"{name}.jpg"), "image/jpeg", caption=f"c {name}", file_name=name)
        for name in ("a", "b")
    )
    request = SendRequest(ANN, AlbumContent(files))
    lines = lines_of("send", {"request": request}, [])
    assert lines == (
        "Send 2 files as an album:",
        *(
            "Send this image, named “a”",
            "It is from the call itself: it cannot be read",
            "with the caption: “c a”",
        ),
        *(
            "Send this image, named “b”",
            "It is from the call itself: it cannot be read",
            "with the caption: “c b”",
        ),
    )
    before = await file_digests({"request": request})
    assert sorted(before) == [file.path for file in files]
    (tmp_path / "b.jpg").write_bytes(b"another")
    assert await file_digests({"request": request}) != before
    assert words_of(request.content) == ["c a", "a", "c b", "b"]
