"""Events about groups and channels: what they are called, who is in them, what changed."""

from __future__ import annotations

import hashlib
from typing import Any

from whatsapp_mcp.decoding import limits
from whatsapp_mcp.decoding.addresses import identity, is_person, jid, seconds
from whatsapp_mcp.decoding.updates import ChatUpdate, Content, MembersUpdate, MessageUpdate, Update
from whatsapp_mcp.models import MessageKind

JOINED = "You joined the group"
ADDED = "added you to the group"


def joined_group(event: Any, received_at: int) -> list[Update]:
    """A `neonize.JoinedGroup` event: we are in a group now."""
    updates = group(event.GroupInfo, received_at)
    chat = jid(event.GroupInfo.JID)
    if chat is not None:
        by = jid(event.Sender) if event.HasField("Sender") else None
        if event.HasField("SenderPN"):
            updates += identity(by, jid(event.SenderPN), received_at)
        text = ADDED if by else JOINED
        updates.append(_system(chat, by, text, [], received_at, event))
    return updates


def group(info: Any, received_at: int) -> list[Update]:
    """A `neonize.GroupInfo`: name and participants, as they are at a time."""
    chat = jid(info.JID)
    if chat is None:
        return []
    community = chat if info.GroupParent.IsParent else None
    if info.GroupIsDefaultSub.IsDefaultSubGroup:
        community = jid(info.GroupLinkedParent.LinkedParentJID)
    updates: list[Update] = [
        ChatUpdate(chat, received_at, name=info.GroupName.Name or None, community=community)
    ]
    members: list[tuple[str, int | None]] = []
    for person in info.Participants:
        addresses = [jid(person.JID), jid(person.PhoneNumber), jid(person.LID)]
        updates += identity(addresses[1], addresses[2], received_at)
        known = next((address for address in addresses if is_person(address)), None)
        if known is not None:
            members.append((known, 2 if person.IsSuperAdmin else 1 if person.IsAdmin else 0))
    updates.append(MembersUpdate(chat, tuple(members), received_at, whole=True))
    return updates


def group_info(event: Any, received_at: int) -> list[Update]:
    """A `neonize.GroupInfoEvent`: something about a group changed."""
    chat = jid(event.JID)
    if chat is None:
        return []
    changed_at = seconds(event.Timestamp, received_at)
    by = jid(event.Sender) if event.HasField("Sender") else None
    updates: list[Update] = []
    said: list[tuple[str, list[str]]] = []
    if event.HasField("Name"):
        updates.append(ChatUpdate(chat, changed_at, name=event.Name.Name))
        said.append(
            (f"changed the group's name to {limits.bounded_text(event.Name.Name, limits.MAX_NAME)}", [])
        )
    if event.HasField("Topic"):
        said.append(("changed the group's description", []))
    if event.HasField("Ephemeral"):
        expires_in = event.Ephemeral.DisappearingTimer if event.Ephemeral.IsEphemeral else 0
        updates.append(ChatUpdate(chat, changed_at, expires_in=expires_in))
        said.append(("changed disappearing messages", []))
    if event.HasField("Announce"):
        who = "only admins" if event.Announce.IsAnnounce else "everyone"
        said.append((f"lets {who} send messages", []))
    if event.HasField("Locked"):
        who = "only admins" if event.Locked.isLocked else "everyone"
        said.append((f"lets {who} change the group's settings", []))
    if event.HasField("Delete") and event.Delete.Deleted:
        said.append(("deleted the group", []))
    for people, role, words in (
        (event.Join, 0, "added"),
        (event.Leave, None, "removed"),
        (event.Promote, 1, "made admin:"),
        (event.Demote, 0, "made no longer admin:"),
    ):
        jids = [address for person in people if (address := jid(person))]
        if jids:
            updates.append(MembersUpdate(chat, tuple((address, role) for address in jids), changed_at))
            said.append(_about(words, jids, by))
    for number, (words, mentions) in enumerate(said):
        updates.append(_system(chat, by, words, mentions, changed_at, event, number))
    return updates


def newsletter_join(event: Any, received_at: int) -> list[Update]:
    """A `neonize.NewsletterJoin` event: we follow a channel."""
    channel = event.NewsletterMetadata
    chat = jid(channel.ID)
    if chat is None:
        return []
    meta = channel.ThreadMeta
    return [ChatUpdate(chat, received_at, name=meta.Name.Text or None)]


def newsletter_leave(event: Any, received_at: int) -> list[Update]:
    """A `neonize.NewsletterLeave` event."""
    chat = jid(event.ID)
    if chat is None:
        return []
    return [_system(chat, None, "You left the channel", [], received_at, event)]


def _about(words: str, people: list[str], by: str | None) -> tuple[str, list[str]]:
    """A sentence about people; their jids stand in it as mentions and are shown as names."""
    if people == [by]:
        return {"added": "joined", "removed": "left"}.get(words, words), []
    return f"{words} " + ", ".join(f"@{person.partition('@')[0]}" for person in people), people


def _system(
    chat: str,
    by: str | None,
    text: str,
    mentions: list[str],
    sent_at: int,
    event: Any,
    number: int | None = None,
) -> MessageUpdate:
    """Return a group event's system message; its id is made from the event and `number`, if given."""
    details = {"mentions": mentions} if mentions else {}
    # From the event's bytes, so that an event which is decoded once more gives the same message. Partial,
    # since a field that the protobuf requires may be missing.
    key = event.SerializePartialToString() + (b"" if number is None else bytes([number]))
    wa_id = "SYS-" + hashlib.sha256(key).hexdigest()[:20].upper()
    return MessageUpdate(
        chat, by or chat, wa_id, sent_at, Content(MessageKind.SYSTEM, text, details=details), live=True
    )
