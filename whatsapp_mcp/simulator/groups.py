"""Groups: who is in them, what is set in them, and how members learn of changes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from whatsapp_mcp.jid import GROUP_SERVER, Jid
from whatsapp_mcp.simulator import audience
from whatsapp_mcp.simulator.binary import Node, Value
from whatsapp_mcp.simulator.group_keys import GroupKeys
from whatsapp_mcp.simulator.media import Picture
from whatsapp_mcp.simulator.simulation import Simulation
from whatsapp_mcp.simulator.user import User

Role = Literal["member", "admin", "superadmin"]

_VERSIONS = {"prev_v_id": "1", "v_id": "2"}
"""Clients compare them and find nothing amiss."""


@dataclass(slots=True)
class Member:
    """Somebody in a group."""

    user: User
    role: Role = "member"


class Topic(NamedTuple):
    """What a group is about, and who said so when (seconds since 1970)."""

    id: str
    text: str
    author: User
    set_at: int


class Group:
    """A group; its founder is its superadmin. Changes are told to every companion of its members.

    Attributes:
        jid: Its address.
        members: By LID.
        addressing: Whether stanzas name members by `lid` or by `pn`.
        switches: The settings that are on: `announcement` (only admins write), `locked` (only admins
            change its name), `membership_approval_mode`.
        ephemeral: Seconds after which messages disappear; 0 is never.
        requests: Who asked to join, by LID.
        keys: The members' sender keys.

    Args:
        source: Its address, invite codes and keys come from there.
    """

    def __init__(
        self,
        simulation: Simulation,
        source: random.Random,
        name: str,
        founder: User,
        members: Iterable[User],
        addressing: Literal["lid", "pn"] = "lid",
    ) -> None:
        self._simulation = simulation
        self._random = source
        self.jid = Jid(f"1203634{source.randrange(10**10, 10**11)}", GROUP_SERVER)
        self.name = name
        self.name_set = (founder, simulation.timestamp())
        self.topic: Topic | None = None
        self.created = simulation.timestamp()
        self.founder = founder
        self.members: dict[Jid, Member] = {each.lid: Member(each) for each in members}
        self.members[founder.lid] = Member(founder, "superadmin")
        self.addressing: Literal["lid", "pn"] = addressing
        self.switches: set[str] = set()
        self.member_add_mode = "all_member_add"
        self.ephemeral = 0
        self.requests: dict[Jid, User] = {}
        self.invite_code = self._new_code()
        self.parent: Jid | None = None
        self.is_community = False
        self.picture: Picture | None = None
        self.keys = GroupKeys(source.randbytes)

    @property
    def users(self) -> list[User]:
        """Everybody in it."""
        return [each.user for each in self.members.values()]

    def address(self, user: User) -> Jid:
        """How stanzas name a member here."""
        return user.pn if self.addressing == "pn" else user.lid

    def renew_invite(self, by: User | None = None) -> None:
        """Make a new invite code; the old one is dead."""
        self.invite_code = self._new_code()
        self._tell(by or self.founder, Node("invite", {"code": self.invite_code}))

    def add(self, *users: User, by: User | None = None, reason: str | None = None) -> None:
        """Take people in; `by` is the founder when left out, `reason` `invite` for who came by link."""
        author = by or self.founder
        new = [user for user in users if user.lid not in self.members]
        before = self.users
        for user in new:
            self.requests.pop(user.lid, None)
            self.members[user.lid] = Member(user)
        added = [self._participant(self.members[user.lid]) for user in new]
        self._tell(author, Node("add", {**_VERSIONS, "reason": reason}, added), before)
        self._tell(author, Node("create", {"reason": reason}, [self.info()]), new)

    def remove(self, *users: User, by: User | None = None) -> None:
        """Put people out, or let them leave when `by` is the one who goes."""
        everybody = self.users
        gone = [self._participant(self.members[each.lid]) for each in users if each.lid in self.members]
        for user in users:
            self.members.pop(user.lid, None)
        self.keys.rotate()
        self._tell(by or self.founder, Node("remove", _VERSIONS, gone), everybody)

    def promote(self, *users: User, by: User | None = None) -> None:
        """Make members admins."""
        self._set_roles("promote", "admin", users, by)

    def demote(self, *users: User, by: User | None = None) -> None:
        """Make admins members."""
        self._set_roles("demote", "member", users, by)

    def rename(self, name: str, by: User | None = None) -> None:
        """Give it another name."""
        author = by or self.founder
        self.name, self.name_set = name, (author, self._simulation.timestamp())
        attrs = {"subject": name, "s_t": self.name_set[1], "s_o": self.address(author)}
        self._tell(author, Node("subject", attrs))

    def describe(self, text: str, by: User | None = None, topic_id: str | None = None) -> None:
        """Set its topic (description); an empty text takes it away."""
        author = by or self.founder
        number = topic_id or self._simulation.new_id()
        self.topic = Topic(number, text, author, self._simulation.timestamp()) if text else None
        body = [Node("body", {}, text)] if text else [Node("delete")]
        self._tell(author, Node("description", {"id": number}, body))

    def switch(self, name: str, on: bool, by: User | None = None) -> None:
        """Set `announcement`, `locked` or `membership_approval_mode`."""
        (self.switches.add if on else self.switches.discard)(name)
        off = {"announcement": "not_announcement", "locked": "unlocked"}
        if name in off:
            node = Node(name if on else off[name], {"v_id": "2"})
        else:
            node = Node(name, {}, [Node("group_join", {"state": "on" if on else "off"})])
        self._tell(by or self.founder, node)

    def disappear(self, seconds: int, by: User | None = None) -> None:
        """Let new messages disappear after so many seconds; 0 is never."""
        self.ephemeral = seconds
        node = Node("ephemeral", {"expiration": seconds}) if seconds else Node("not_ephemeral")
        self._tell(by or self.founder, node)

    def let_members_add(self, allowed: bool, by: User | None = None) -> None:
        """Let everybody add members, or admins alone."""
        self.member_add_mode = "all_member_add" if allowed else "admin_add"
        self._tell(by or self.founder, Node("member_add_mode", {}, self.member_add_mode))

    def requests_to_join(self, user: User) -> None:
        """Let somebody ask to be taken in."""
        self.requests[user.lid] = user

    def info(self) -> Node:
        """The `<group>` of an answer."""
        named_by, named_at = self.name_set
        attrs: dict[str, Value | int | None] = {
            "id": self.jid.user,
            "subject": self.name,
            "s_t": named_at,
            "s_o": self.address(named_by),
            "creation": self.created,
            "creator": self.address(self.founder),
            "creator_pn": self.founder.pn if self.addressing == "lid" else None,
            "addressing_mode": self.addressing,
            "size": len(self.members),
            "a_v_id": "0",
            "p_v_id": "1",
        }
        return Node("group", attrs, [*map(self._participant, self.members.values()), *self._settings()])

    def announce(self) -> None:
        """Tell the other members that they are in a new group."""
        members = [user for user in self.users if user is not self.founder]
        self._tell(self.founder, Node("create", {}, [self.info()]), members)

    def _new_code(self) -> str:
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
        return "".join(self._random.choices(alphabet, k=22))

    def _set_roles(self, tag: str, role: Role, users: Iterable[User], by: User | None) -> None:
        changed = [self.members[each.lid] for each in users if each.lid in self.members]
        for member in changed:
            member.role = role
        self._tell(by or self.founder, Node(tag, _VERSIONS, [self._participant(each) for each in changed]))

    def _tell(self, author: User, change: Node, users: Iterable[User] | None = None) -> None:
        """Notify the companions of `users` (every member when left out) of a change."""
        attrs: dict[str, Value | int | None] = {
            "from": self.jid,
            "type": "w:gp2",
            "id": self._simulation.new_id(),
            **audience.author(self, author),
            "t": self._simulation.timestamp(),
            "notify": author.name,
        }
        for user in self.users if users is None else users:
            for companion in user.companions.values():
                companion.deliver(Node("notification", attrs, [change]))

    def _participant(self, member: Member) -> Node:
        user = member.user
        attrs: dict[str, Value | int | None] = {"type": member.role if member.role != "member" else None}
        if self.addressing == "pn":
            attrs |= {"jid": user.pn, "lid": user.lid}
        else:
            attrs |= {"jid": user.lid, "phone_number": user.pn}
        return Node("participant", attrs)

    def _settings(self) -> list[Node]:
        nodes = [Node(name) for name in sorted(self.switches - {"membership_approval_mode"})]
        if "membership_approval_mode" in self.switches:
            nodes.append(Node("membership_approval_mode", {}, [Node("group_join", {"state": "on"})]))
        if self.topic is not None:
            topic = self.topic
            attrs: dict[str, Value | int | None] = {
                "id": topic.id,
                "participant": self.address(topic.author),
                "t": topic.set_at,
            }
            nodes.append(Node("description", attrs, [Node("body", {}, topic.text)]))
        if self.ephemeral:
            nodes.append(Node("ephemeral", {"expiration": self.ephemeral}))
        if self.parent is not None:
            nodes.append(Node("linked_parent", {"jid": self.parent}))
        if self.is_community:
            nodes.append(Node("parent", {"default_membership_approval_mode": "request_required"}))
        nodes.append(Node("member_add_mode", {}, self.member_add_mode))
        return nodes
