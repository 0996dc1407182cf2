"""Every call of the table is answered, by a result or by an error of ours, and none ends the process."""

import ast
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from tests.client.client_process import ClientUnderTest
from tests.client.conftest import sending
from whatsapp_mcp.client import journal
from whatsapp_mcp.errors import DeadlineExceeded, WhatsAppError
from whatsapp_mcp.protobufs import E2E, Neonize
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


def encoded(message: Message) -> str:
    return b64encode(message.SerializePartialToString()).decode()


def fill(message: Message) -> None:
    """Set every required field to its empty value."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None and field.is_required:
            setattr(message, field.name, field.default_value)
        elif field.message_type is not None and field.is_required:
            fill(getattr(message, field.name))


def names_of_calls() -> set[str]:
    """The keys of `CALLS`, read and not imported: importing loads the library into this process."""
    tree = ast.parse((Path(journal.__file__).parent / "calls.py").read_text("utf-8"))
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "CALLS"
    )
    assert isinstance(table, ast.Dict)
    return {key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def parameters(chat: str, group: str, picture: Path) -> dict[str, dict[str, Any]]:
    """Plausible parameters for every call."""
    channel, community = "120363000000000001@newsletter", group
    message = encoded(E2E.Message(conversation="hello"))
    jid = Neonize.JID(User="1555", RawAgent=0, Device=0, Integrator=0, Server="s.whatsapp.net", IsEmpty=False)
    event = Neonize.Message()
    event.Info.MessageSource.Chat.CopyFrom(jid)
    event.Info.MessageSource.Sender.CopyFrom(jid)
    event.Message.conversation = "hello"
    fill(event)
    one = {"jid": chat}
    return {
        "me": {},
        "probe": {},
        "send_message": {"to": chat, "message": message},
        "build_poll_vote": {"poll": encoded(event.Info), "options": ["a"]},
        "mark_read": {"chat": chat, "sender": chat, "ids": ["3EB0AA"], "receipt": "played"},
        "send_chat_presence": {"chat": chat, "state": "recording"},
        "send_presence": {"available": False},
        "reject_call": {"caller": chat, "id": "CALL"},
        "upload": {"file": picture.name, "kind": "image", "channel": True},
        "download": {"message": message, "file": "none", "most": 1},
        "is_on_whatsapp": {"numbers": ["+15550001111"]},
        "get_user_info": {"jids": [chat]},
        "get_profile_picture": {**one, "preview": False},
        "get_all_contacts": {},
        "get_lid_from_pn": one,
        "get_pn_from_lid": one,
        "subscribe_presence": one,
        "get_blocklist": {},
        "block": one,
        "unblock": one,
        "get_chat_settings": {"chat": chat},
        "set_disappearing_timer": {"chat": chat, "seconds": 86400},
        "get_group_info": {"group": group},
        "get_joined_groups": {},
        "get_group_info_from_link": {"code": "ABC"},
        "get_group_info_from_invite": {
            "group": group,
            "inviter": chat,
            "code": "ABC",
            "expires_at": 1_900_000_000,
        },
        "join_group_with_invite": {
            "group": group,
            "inviter": chat,
            "code": "ABC",
            "expires_at": 1_900_000_000,
        },
        "create_group": {"name": "New", "members": [chat], "community": True},
        "join_group_with_link": {"code": "ABC"},
        "leave_group": {"group": group},
        "set_group_name": {"group": group, "name": "Other"},
        "set_group_topic": {"group": group, "topic": "About"},
        "set_group_photo": {"group": group, "file": picture.name},
        "set_group_announce": {"group": group, "on": True},
        "set_group_locked": {"group": group, "on": True},
        "get_group_invite_link": {"group": group, "revoke": True},
        "get_group_request_participants": {"group": group},
        "update_group_participants": {"group": group, "members": [chat], "action": "promote"},
        "get_sub_groups": {"community": community},
        "link_group": {"community": community, "group": group},
        "unlink_group": {"community": community, "group": group},
        "get_subscribed_newsletters": {},
        "get_newsletter_info": {"channel": channel},
        "get_newsletter_info_with_invite": {"code": "ABC"},
        "get_newsletter_messages": {"channel": channel, "count": 5},
        "follow_newsletter": {"channel": channel},
        "unfollow_newsletter": {"channel": channel},
        "create_newsletter": {"name": "News", "file": picture.name},
        "newsletter_send_reaction": {"channel": channel, "server_id": 1, "emoji": "👍"},
        "set_profile_name": {"name": "Me"},
        "set_profile_photo": {"file": picture.name},
        "set_status_message": {"about": "busy"},
        "get_privacy_settings": {},
        "set_privacy_setting": {"name": "last", "value": "all"},
    }


async def test_every_call_is_answered_and_none_ends_the_process(
    wa: WhatsApp, linked: ClientUnderTest, tmp_path: Path
) -> None:
    picture = sending(tmp_path) / "picture"
    picture.write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    ann = wa.person("Ann")
    made = await linked.call("create_group", name="Saturday", members=[str(ann.pn)])
    group = Neonize.GroupInfo.FromString(b64decode(made)).JID
    rows = parameters(str(ann.pn), f"{group.User}@{group.Server}", picture)
    assert set(rows) == names_of_calls()
    rows["leave_group"] = rows.pop("leave_group")  # last, for the others are about a group of ours
    unanswered: dict[str, str] = {}
    for method, params in rows.items():
        try:
            await linked.call(method, **params)
        except WhatsAppError as error:
            if isinstance(error, DeadlineExceeded) or "unexpectedly" in error.message:
                unanswered[method] = error.message
        assert not linked.peer.closed, f"{method} ended the process"
    assert unanswered == {}
