"""Albums, from an MCP client to what the other person's phone shows as one, and back."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.fixtures import call, link, mcp_client, until
from tests.server.conftest import BOB
from tests.server.fakes import NOON, FakeDevice, text_of
from tests.server.linked import Linked, png
from tests.server.test_core_tools import answer, refusal
from tests.server.test_file_tools import PNG
from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.errors import ApprovalRequired, TooLate
from whatsapp_mcp.media.web import Fetched
from whatsapp_mcp.models import AlbumContent, FileContent, RevokeContent, SendRequest
from whatsapp_mcp.server.arguments import file_intake
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 90


async def test_an_album_is_one_on_both_sides(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    media = home / "accounts" / "default" / "media"
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            media.mkdir(parents=True, exist_ok=True)
            (media / "a.png").write_bytes(PNG)
            arguments = {
                "chat": ann.number,
                "album": ["a.png", "data:image/png;base64," + base64.b64encode(PNG).decode()],
                "caption": "At the lake",
                "idempotency_key": "k1",
            }
            sent = await call(client, "send_file", **arguments)
            assert sent["status"] in {"sent", "delivered", "read"}
            assert (await call(client, "send_file", **arguments))["message_id"] == sent["message_id"]
            [(album, files)] = ann.albums().items()
            assert album == sent["message_id"]
            assert [file.message.imageMessage.caption for file in files] == ["At the lake", ""]
            assert all(whatsapp.media.open(file.message) for file in files)

            theirs = await ann.says_album([whatsapp.media.attach("image", PNG) for _ in range(3)])
            await until(
                client,
                lambda got: any(
                    each["message_id"] == theirs and len(each["album"]["files"]) == 3
                    for each in got["messages"]
                    if "album" in each
                ),
                "list_messages",
                chat=ann.number,
            )
            listed = await client.call_tool("list_messages", {"chat": ann.number})
            lines = [line for line in text_of(listed.content).splitlines() if "album" in line]
            assert [line.partition("[")[2] for line in lines] == [
                "album of 2: #2 #3]",
                "image 1 kB] At the lake",
                "album of 3: #5 #6 #7]",
            ]
            shown = await client.call_tool("download_media", {"message": "#5"})
            assert [block.type for block in shown.content] == ["image", "text"]


async def test_an_album_is_taken_back_with_each_of_its_files(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    media = home / "accounts" / "default" / "media"
    (home / "config.toml").write_text(
        '[server]\ntoolsets = "all"\n[policy]\nmode = "open"\n[policy.budgets]\ngap_seconds = 0\n'
    )
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            media.mkdir(parents=True, exist_ok=True)
            for name in ("a.png", "b.png"):
                (media / name).write_bytes(PNG)
            sent = await call(client, "send_file", chat=ann.number, album=["a.png", "b.png"])
            [(album, files)] = ann.albums().items()
            undone = await client.call_tool("delete_message", {"message": sent["ref"]})
            assert "2 of 2 files are gone. Files 1, 2: deleted for everyone." in text_of(undone.content)
            revoked: set[str] = set()
            while len(revoked) < 3:
                message = (await ann.receives()).message
                if message.HasField("protocolMessage"):
                    revoked.add(message.protocolMessage.key.ID)
            assert revoked == {album, *(file.id for file in files)}


async def test_of_an_album_that_is_taken_back_each_file_is_told_of(
    client: Client, archive: Archive, device: FakeDevice
) -> None:
    files = tuple(FileContent("image", f"/media/{name}.jpg", "image/jpeg") for name in "abcd")
    album, _ = await archive.write(outbox.add, SendRequest(BOB, AlbumContent(files)))
    await archive.outbox_sent(album.send_id, "3EB0AA", NOON)
    sent, failed, unknown, queued = await archive.outbox_album(album.send_id)
    await archive.outbox_sent(sent.send_id, "3EB0AB", NOON)
    await archive.write(outbox.withdrawn, failed.send_id, "It expired.")
    await archive.write(outbox.sending, unknown.send_id)
    await archive.write(outbox.unknown, unknown.send_id, "The client died.")
    text, _ = await answer(client, "delete_message", send_id=album.send_id)
    assert "3 of 4 files are gone." in text
    assert "File 1: deleted for everyone." in text
    assert "File 2: was never sent." in text
    assert "File 3: not taken back: It is not known yet whether it went out." in text
    assert "File 4: cancelled before it went out." in text
    assert [request.content for request in device.sends] == [RevokeContent("3EB0AB")]
    assert device.asked[0:2] == ["send", f"cancel_send {BOB} {queued.send_id}"]


async def album_without_files(archive: Archive) -> int:
    """An album that WhatsApp has, none of whose files was ever sent."""
    files = tuple(FileContent("image", f"/media/{name}.jpg", "image/jpeg") for name in "ab")
    album, _ = await archive.write(outbox.add, SendRequest(BOB, AlbumContent(files)))
    await archive.outbox_sent(album.send_id, "3EB0AA", NOON)
    for file in await archive.outbox_album(album.send_id):
        await archive.write(outbox.withdrawn, file.send_id, "It expired.")
    return album.send_id


async def test_what_keeps_the_first_message_of_an_album_is_told_with_what_is_gone(
    client: Client, archive: Archive, device: FakeDevice
) -> None:
    send_id = await album_without_files(archive)
    device.fails = TooLate("It is too old.")
    text, _ = await answer(client, "delete_message", send_id=send_id)
    assert "2 of 2 files are gone. Files 1, 2: was never sent." in text
    assert "Its first message: not taken back: It is too old." in text


async def test_a_question_about_the_first_message_of_an_album_says_what_is_gone(
    client: Client, archive: Archive, device: FakeDevice
) -> None:
    send_id = await album_without_files(archive)
    device.fails = ApprovalRequired("The user has to approve this first.", approval="abc123")
    error = await refusal(client, "delete_message", send_id=send_id)
    assert error["code"] == "APPROVAL_REQUIRED"
    assert "2 of 2 files are gone." in error["message"]
    assert error["message"].endswith("Its first message waits. The user has to approve this first.")


async def test_of_an_album_one_question_is_asked_at_a_time(
    client: Client, archive: Archive, device: FakeDevice
) -> None:
    files = tuple(FileContent("image", f"/media/{name}.jpg", "image/jpeg") for name in "ab")
    album, _ = await archive.write(outbox.add, SendRequest(BOB, AlbumContent(files)))
    await archive.outbox_sent(album.send_id, "3EB0AA", NOON)
    for number, file in enumerate(await archive.outbox_album(album.send_id)):
        await archive.outbox_sent(file.send_id, f"3EB0B{number}", NOON)
    device.fails = ApprovalRequired("The user has to approve this first.", approval="abc123")
    error = await refusal(client, "delete_message", send_id=album.send_id)
    assert error["code"] == "APPROVAL_REQUIRED"
    assert device.asked == ["send"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"album": ["a.png", "b.txt"]}, "file 2 is sent as document"),
        ({"album": ["a.png", "a.png"], "view_once": True}, "view_once"),
        ({"album": ["a.png", "a.png"], "data": "QUFB"}, "exactly one"),
        ({"album": ["a.png", ""]}, "not that of a file"),
        ({"album": ["a.png", "data:image/png;base64,!"]}, "not base64"),
        ({"album": ["a.png"] * 31}, "at most 30"),
    ],
)
async def test_what_no_album_can_hold_is_refused_before_anything_is_sent(
    client: Client, device: FakeDevice, tmp_path: Path, arguments: dict[str, Any], told: str
) -> None:
    media = tmp_path / "accounts" / "default" / "media"
    (media / "a.png").write_bytes(PNG)
    (media / "b.txt").write_bytes(b"words")
    error = await refusal(client, "send_file", chat="Bob", **arguments)
    assert error["code"] == "INVALID_ARGUMENT"
    assert told in error["message"] + error["action"]
    assert device.sends == []


async def test_the_files_of_an_album_come_from_folders_the_web_and_the_call_alike(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [png(width, 8) for width in (10, 20, 30)]
    (linked.media / "a.png").write_bytes(pictures[0])

    async def fetch(url: str, *_: Any, **__: Any) -> Fetched:
        return Fetched(url, pictures[1], "image/png")

    monkeypatch.setattr(file_intake, "fetch", fetch)
    data = f"data:image/png;base64,{base64.b64encode(pictures[2]).decode()}"
    album = ["a.png", "https://example.org/b.png", data]
    text, _ = await answer(linked.client, "send_file", chat="Ann", album=album, caption="At the lake")
    assert "album of 3 files “At the lake”" in text
    with anyio.fail_after(LIMIT):
        while len(linked.ann.inbox) < 4:
            await linked.ann.receives()
    [files] = linked.ann.albums().values()
    assert [file.message.imageMessage.width for file in files] == [10, 20, 30]


async def test_an_album_of_one_file_is_sent_as_a_file(client: Client, device: FakeDevice) -> None:
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    text, _ = await answer(client, "send_file", chat="Bob", album=[data], caption="Alone")
    assert "image" in text
    [request] = device.sends
    assert request.content.kind == "image"


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("/etc/hostname", "FILE_NOT_ALLOWED"),
        ("http://127.0.0.1/b.png", "FILE_NOT_ALLOWED"),
        ("HTTP://localhost/b.png", "FILE_NOT_ALLOWED"),
        ("file:///etc/hostname", "INVALID_ARGUMENT"),
        ("huge.png", "TOO_LONG"),
    ],
)
async def test_what_is_no_file_to_send_is_none_in_an_album(
    client: Client, device: FakeDevice, tmp_path: Path, where: str, code: str
) -> None:
    media = tmp_path / "accounts" / "default" / "media"
    (media / "a.png").write_bytes(PNG)
    with (media / "huge.png").open("wb") as huge:
        huge.truncate(101_000_000)
    error = await refusal(client, "send_file", chat="Bob", album=["a.png", where])
    assert error["code"] == code
    assert device.sends == []
