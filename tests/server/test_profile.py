"""The own account, from an MCP client to WhatsApp and back."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.media.footage import video
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.linked import LIMIT, Linked, png
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp.models import MessageFilter, MessageKind
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio


async def done(linked: Linked, tool: str, **arguments: Any) -> None:
    """Have the tool do this as soon as the library has what the phone hands over."""
    with anyio.fail_after(LIMIT):
        while (await linked.client.call_tool(tool, arguments)).is_error:  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def save_in_address_book(linked: Linked, person: Person, name: str) -> None:
    """Save somebody on the phone, which has shared its key as it does once it is linked."""
    linked.wa.me.app_state.share_key()
    linked.wa.me.app_state.name_contact(person, name)
    await linked.wa.me.app_state.synced()


async def test_the_about_text_is_changed(linked: Linked) -> None:
    text, _ = await answer(linked.client, "update_profile", about="At sea")
    assert text == "Changed about."
    assert linked.wa.me.about == "At sea"


async def test_the_name_is_changed_once_the_phone_has_shared_its_key(linked: Linked) -> None:
    linked.wa.me.app_state.share_key()
    await done(linked, "update_profile", name=" Captain ")
    assert linked.wa.me.name == "Captain"


async def test_a_photo_is_made_a_small_jpeg(linked: Linked) -> None:
    picture = linked.media / "me.png"
    await anyio.Path(picture).write_bytes(png(900, 700))
    await answer(linked.client, "update_profile", photo=str(picture))
    shown = linked.wa.me.picture
    assert shown is not None
    assert shown.data.startswith(b"\xff\xd8\xff")


async def test_what_is_no_image_becomes_no_photo(linked: Linked) -> None:
    note = linked.media / "note.txt"
    await anyio.Path(note).write_text("no image")
    error = await refusal(linked.client, "update_profile", photo=str(note))
    assert error["code"] == "INVALID_ARGUMENT"
    error = await refusal(linked.client, "update_profile", photo="/etc/hostname")
    assert error["code"] == "FILE_NOT_ALLOWED"


async def test_privacy_is_told_and_changed(linked: Linked) -> None:
    text, data = await answer(linked.client, "privacy_settings")
    assert data["settings"]["last_seen"] == "all"
    assert "last_seen: all" in text
    _, data = await answer(linked.client, "update_privacy", setting="last_seen", value="none")
    assert data["settings"]["last_seen"] == "none"
    assert linked.wa.me.privacy["last"] == "none"
    _, data = await answer(linked.client, "update_privacy", setting="online", value="match_last_seen")
    assert data["settings"]["online"] == "match_last_seen"


async def test_the_account_is_shown_online_only_when_asked(linked: Linked) -> None:
    companion = await linked.wa.me.online()
    assert not companion.available
    linked.wa.me.app_state.set_push_name("Me")
    linked.wa.me.app_state.share_key()
    await done(linked, "set_presence", available=True)
    with anyio.fail_after(LIMIT):
        await linked.wa.network.until(lambda: companion.available, LIMIT)
    await answer(linked.client, "set_presence", available=False)
    await linked.wa.network.until(lambda: not companion.available, LIMIT)


async def test_a_call_is_listed_and_turned_down(linked: Linked) -> None:
    await linked.ann.says("Can you talk?")
    await linked.archived(lambda chat: chat.last_message.text == "Can you talk?", str(linked.ann.pn))
    call = linked.ann.calls()
    with anyio.fail_after(LIMIT):
        seen = 0
        while not (await linked.archive.messages(MessageFilter(kinds=(MessageKind.CALL,)))).items:
            seen = await linked.archive.wait_change(seen, 1.0)
    text, data = await answer(linked.client, "list_calls")
    assert "Ann" in text
    ref = data["messages"][0]["ref"]
    await answer(linked.client, "reject_call", message=ref)
    await linked.wa.network.until(lambda: call in linked.ann.ended_calls, LIMIT)


async def test_a_status_is_posted_to_contacts(linked: Linked) -> None:
    await answer(linked.client, "save_contact", contact="Ben", name="Ben")
    await save_in_address_book(linked, linked.cleo, "Cleo")
    _, data = await answer(linked.client, "post_status", text="Ship ahoy")
    assert data["chat"] == "status@broadcast"
    assert (await linked.cleo.receives()).text == "Ship ahoy"
    assert linked.ben.inbox == []


@pytest.mark.parametrize("kind", ["image", "video"])
async def test_a_picture_or_a_video_is_posted_to_contacts(linked: Linked, kind: str) -> None:
    await save_in_address_book(linked, linked.cleo, "Cleo")
    if kind == "image":
        given = f"data:image/png;base64,{base64.b64encode(png(20, 10)).decode()}"
    else:
        video(linked.media / "waves.mp4", seconds=1)
        given = "waves.mp4"
    text, data = await answer(linked.client, "post_status", text="Ship ahoy", file=given)
    assert data["chat"] == "status@broadcast"
    assert f" {kind} " in text
    message = (await linked.cleo.receives()).message
    shown = message.imageMessage if kind == "image" else message.videoMessage
    assert shown.caption == "Ship ahoy"
    assert linked.wa.media.open(message)
    assert linked.ben.inbox == []


@for_each(
    "tool, arguments, code",
    [
        ("update_profile", {}, "INVALID_ARGUMENT"),
        ("update_profile", {"name": " "}, "INVALID_ARGUMENT"),
        ("update_profile", {"name": "x" * 26}, "TOO_LONG"),
        ("update_profile", {"about": "x" * 140}, "TOO_LONG"),
        ("update_privacy", {"setting": "online", "value": "contacts"}, "INVALID_ARGUMENT"),
        ("update_privacy", {"setting": "shoes", "value": "all"}, "INVALID_ARGUMENT"),
        ("set_presence", {}, "INVALID_ARGUMENT"),
        ("post_status", {"text": " "}, "INVALID_ARGUMENT"),
        ("post_status", {"text": "x" * 701}, "TOO_LONG"),
        ("post_status", {}, "INVALID_ARGUMENT"),
        ("post_status", {"file": "data:text/plain;base64,QUFB"}, "INVALID_ARGUMENT"),
        ("post_status", {"file": "/etc/hostname"}, "FILE_NOT_ALLOWED"),
        ("reject_call", {"message": "M1"}, "INVALID_ARGUMENT"),
        ("reject_call", {"message": "#99999"}, "MESSAGE_NOT_FOUND"),
    ],
)
async def test_what_is_wrong_or_too_long_reaches_no_device(
    client: Client, device: FakeDevice, tool: str, arguments: dict[str, Any], code: str
) -> None:
    error = await refusal(client, tool, **arguments)
    assert error["code"] == code
    assert device.asked == []


async def test_a_read_only_account_changes_nothing_of_itself(source: FakeSource) -> None:
    source.policy = Policy.in_mode("read_only")
    acts = {spec_of(each).name for each in toolsets.load_tools("profile") if not spec_of(each).reads}
    assert len(acts) == 7
    async with Client(create(source, "profile", structured=True)) as client:
        assert (await refusal(client, "set_presence", available=True))["code"] == "DENIED"
        assert (await answer(client, "list_calls"))[1]["messages"] == []
