"""The calls of a client process against a simulated WhatsApp, in their good case and in their refusals."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from tests.client.client_process import ClientUnderTest
from tests.client.conftest import sending
from tests.tables import for_each
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.errors import (
    FileNotAllowed,
    InvalidArgument,
    NotConnected,
    NotLinked,
    NotOnWhatsApp,
    Rejected,
    TooLong,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.processes.child_process import RECEIVED
from whatsapp_mcp.protobufs import E2E, Neonize
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

MISSING_CLIENT_ABORTS: list[tuple[str, dict[str, Any]]] = [
    ("me", {}),
    ("get_lid_from_pn", {"jid": "15550009999@s.whatsapp.net"}),
    ("get_chat_settings", {"chat": "15550009999@s.whatsapp.net"}),
    ("get_all_contacts", {}),
]
"""Calls that the library answers by aborting the process when the client or its device is not there."""


def encoded(message: Message) -> str:
    return b64encode(message.SerializeToString()).decode()


def text(words: str) -> str:
    return encoded(E2E.Message(conversation=words))


async def all_refused(client: ClientUnderTest, error: type[WhatsAppError]) -> None:
    for method, params in MISSING_CLIENT_ABORTS:
        with pytest.raises(error):
            await client.call(method, **params)
    assert client.process.returncode is None


async def test_calls_that_would_abort_are_refused_before_connecting(client: ClientUnderTest) -> None:
    await all_refused(client, NotConnected)


async def test_calls_that_would_abort_are_refused_while_a_qr_is_shown(client: ClientUnderTest) -> None:
    await client.call("connect")
    await client.hear("qr")
    await all_refused(client, NotConnected)


async def test_calls_that_would_abort_are_refused_after_logging_out(linked: ClientUnderTest) -> None:
    await linked.call("logout")
    await all_refused(linked, NotLinked)


async def test_calls_that_would_abort_are_refused_after_the_phone_unlinked_us(
    wa: WhatsApp, linked: ClientUnderTest
) -> None:
    await wa.device_removed()
    await linked.hear_state(EventCode.LOGGED_OUT)
    await all_refused(linked, NotLinked)


async def test_calls_that_would_abort_survive_a_disconnect(linked: ClientUnderTest) -> None:
    await linked.call("disconnect")
    for method, params in MISSING_CLIENT_ABORTS:
        try:
            await linked.call(method, **params)
        except WhatsAppError:
            assert not linked.peer.closed
    assert linked.process.returncode is None


async def test_calls_that_would_abort_answer_when_online(wa: WhatsApp, linked: ClientUnderTest) -> None:
    me = Neonize.Device.FromString(b64decode(await linked.call("me")))
    assert me.JID.User == wa.me.pn.user
    assert isinstance(await linked.call("get_all_contacts"), list)
    settings = await linked.call("get_chat_settings", chat="15550009999@s.whatsapp.net")
    Neonize.LocalChatSettings.FromString(b64decode(settings))


async def test_a_text_reaches_the_person_with_the_id_that_is_answered(
    wa: WhatsApp, linked: ClientUnderTest
) -> None:
    ann = wa.person("Ann")
    sent = await linked.call("send_message", to=str(ann.pn), message=text("héllo"))
    received = await ann.receives()
    assert received.message.conversation == "héllo"
    assert (sent["id"], sent["timestamp"]) == (received.id, received.timestamp)
    assert "bot" not in str(received.stanza), "it would be shown as written by a business bot"


async def test_a_probe_is_answered(linked: ClientUnderTest) -> None:
    assert await linked.call("probe") is None


async def test_who_is_on_whatsapp(wa: WhatsApp, linked: ClientUnderTest) -> None:
    ann = wa.person("Ann")
    answers = await linked.call("is_on_whatsapp", numbers=[f"+{ann.pn.user}", "+15550000000"])
    people = [Neonize.IsOnWhatsAppResponse.FromString(b64decode(answer)) for answer in answers]
    assert [person.Query for person in people if person.IsIn] == [f"+{ann.pn.user}"]


async def test_the_two_addresses_of_a_person_are_known_after_a_message(
    wa: WhatsApp, linked: ClientUnderTest
) -> None:
    ann = wa.person("Ann")
    await linked.call("send_message", to=str(ann.pn), message=text("hi"))
    lid = await linked.call("get_lid_from_pn", jid=str(ann.pn))
    assert lid == str(ann.lid)
    assert await linked.call("get_pn_from_lid", jid=lid) == str(ann.pn)


async def test_a_message_is_marked_read(wa: WhatsApp, linked: ClientUnderTest) -> None:
    ann = wa.person("Ann")
    message_id = await ann.says("read me")
    await ann.receipt(message_id, "inactive")
    await linked.call("mark_read", chat=str(ann.lid), sender=str(ann.lid), ids=[message_id])
    await ann.receipt(message_id, "read")


async def test_whatsapps_refusal_of_a_message_is_told_with_its_code(
    wa: WhatsApp, linked: ClientUnderTest
) -> None:
    wa.ack_error(479)
    ann = wa.person("Ann")
    with pytest.raises(Rejected, match="479"):
        await linked.call("send_message", to=str(ann.pn), message=text("no"))


async def test_a_number_without_whatsapp_is_told(linked: ClientUnderTest) -> None:
    with pytest.raises(NotOnWhatsApp):
        await linked.call("send_message", to="15550000000@s.whatsapp.net", message=text("anyone?"))


async def test_a_send_while_the_link_is_down_fails_at_once(wa: WhatsApp, linked: ClientUnderTest) -> None:
    ann = wa.person("Ann")
    await wa.refuse()
    await linked.hear_state(EventCode.DISCONNECTED)
    with pytest.raises(NotConnected):
        await linked.call("send_message", to=str(ann.pn), message=text("down"))


async def test_an_unknown_call_is_unsupported(linked: ClientUnderTest) -> None:
    with pytest.raises(Unsupported):
        await linked.call("get_rich_quick")


@for_each(
    "method, params",
    [
        ("send_message", {}),
        ("send_message", {"to": "nobody", "message": ""}),
        ("send_message", {"to": "1@s.whatsapp.net", "message": "not base64"}),
        ("send_message", {"to": "1@s.whatsapp.net", "message": b64encode(b"\xff\xff").decode()}),
        ("send_chat_presence", {"chat": "1@s.whatsapp.net", "state": "dancing"}),
        ("is_on_whatsapp", {"numbers": [1]}),
        ("upload", {"file": "../media/boat.jpg", "kind": "image"}),
        ("download", {"file": "/tmp/boat.jpg", "message": "", "most": 1}),
    ],
)
async def test_bad_parameters_are_refused(
    linked: ClientUnderTest, method: str, params: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument):
        await linked.call(method, **params)


async def test_a_file_goes_up_and_comes_down_again(
    wa: WhatsApp, linked: ClientUnderTest, tmp_path: Path
) -> None:
    source, target = sending(tmp_path) / "up", tmp_path / RECEIVED / "down"
    source.write_bytes(bytes(range(256)) * 100)
    answer = await linked.call("upload", file="up", kind="document")
    uploaded = Neonize.UploadResponse.FromString(b64decode(answer))
    document = E2E.DocumentMessage(
        URL=uploaded.url,
        directPath=uploaded.DirectPath,
        mediaKey=uploaded.MediaKey,
        fileEncSHA256=uploaded.FileEncSHA256,
        fileSHA256=uploaded.FileSHA256,
        fileLength=uploaded.FileLength,
        mimetype="application/octet-stream",
    )
    message = encoded(E2E.Message(documentMessage=document))
    size = await linked.call("download", message=message, file="down", most=25_600)
    assert size == {"size": source.stat().st_size}
    assert target.read_bytes() == source.read_bytes()
    target.unlink()
    with pytest.raises(TooLong):
        await linked.call("download", message=message, file="down", most=25_599)
    assert not target.exists()


async def test_a_file_that_is_not_there_is_told(linked: ClientUnderTest) -> None:
    with pytest.raises(FileNotAllowed):
        await linked.call("upload", file="missing", kind="image")


async def test_a_group_is_made_and_looked_up(wa: WhatsApp, linked: ClientUnderTest) -> None:
    ann, ben = wa.person("Ann"), wa.person("Ben")
    answer = await linked.call("create_group", name="Saturday", members=[str(ann.pn)])
    made = Neonize.GroupInfo.FromString(b64decode(answer))
    group = f"{made.JID.User}@{made.JID.Server}"
    await linked.call("update_group_participants", group=group, members=[str(ben.pn)], action="add")
    await linked.call("set_group_name", group=group, name="Sunday")
    found = Neonize.GroupInfo.FromString(b64decode(await linked.call("get_group_info", group=group)))
    assert (found.GroupName.Name, len(found.Participants)) == ("Sunday", 3)
    assert len(await linked.call("get_joined_groups")) == 1
    await linked.call("send_message", to=group, message=text("hello all"))
    assert (await ben.receives()).message.conversation == "hello all"
    await linked.call("leave_group", group=group)
    assert await linked.call("get_joined_groups") == []


async def test_what_whatsapp_cannot_do_is_a_refusal_not_a_hang(wa: WhatsApp, linked: ClientUnderTest) -> None:
    with pytest.raises(Rejected):
        await linked.call("get_group_info", group="120363000000000000@g.us")


async def test_a_privacy_setting_is_changed(wa: WhatsApp, linked: ClientUnderTest) -> None:
    answer = await linked.call("set_privacy_setting", name="last", value="none")
    Neonize.PrivacySettings.FromString(b64decode(answer))
