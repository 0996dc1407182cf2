"""Groups: members, settings, and notifications of changes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from whatsapp_mcp.jid import GROUP_SERVER, Jid
from whatsapp_simulator import audience
from whatsapp_simulator.binary import Node, Value
from whatsapp_simulator.group_keys import GroupKeys
from whatsapp_simulator.media import Picture
from whatsapp_simulator.simulation import Simulation
from whatsapp_simulator.user import User

Role = Literal["member", "admin", "superadmin"]

_VERSIONS = {"prev_v_id": "1", "v_id": "2"}
"""The clients compare these hashes and find no difference."""


@dataclass(slots=True)
class Member:
    """A member of a group."""

    user: User
    role: Role = "member"


class Topic(NamedTuple):
    """The description of a group, its author, and its time (seconds since 1970)."""

    id: str
    text: str
    author: User
    set_at: int


class Group:
    """A group; its founder is its superadmin. The companions of all members are notified of changes.

    Attributes:
        jid: Its address.
        members: By LID.
        addressing: Whether stanzas address members by `lid` or by `pn`.
        switches: The enabled settings: `announcement` (only admins write), `locked` (only admins
            change its name), `membership_approval_mode`.
        ephemeral: Seconds after which messages disappear; 0 means never.
        parent: The community that it belongs to.
        announcements: Of a community its announcement group, which has the same name and members, and gets
            what is posted "in the community".
        requests: Users who asked to join, by LID.
        keys: The members' sender keys.

    Args:
        source: The randomness for its address, invite codes and keys.
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
        self.announcements: Group | None = None
        self.is_announcements = False
        self.picture: Picture | None = None
        self.keys = GroupKeys(source.randbytes)

    @property
    def is_community(self) -> bool:
        """True if the group is a community, in which nothing is posted."""
        return self.announcements is not None

    def become_community(self, announcements: Group) -> None:
        """Make it a community with this group for what is posted there."""
        self.announcements = announcements
        announcements.parent, announcements.is_announcements = self.jid, True
        announcements.switches.add("announcement")

    @property
    def users(self) -> list[User]:
        """All members."""
        return [each.user for each in self.members.values()]

    def address(self, user: User) -> Jid:
        """The address of a member in this group's stanzas."""
        return user.pn if self.addressing == "pn" else user.lid

    def renew_invite(self, by: User | None = None) -> None:
        """Create a new invite code, which invalidates the old one."""
        self.invite_code = self._new_code()
        self._notify(by or self.founder, Node("invite", {"code": self.invite_code}))

    def add(self, *users: User, by: User | None = None, reason: str | None = None) -> None:
        """Add members; `by` defaults to the founder, `reason` is `invite` for a join by invite link."""
        if self.announcements is not None:
            self.announcements.add(*users, by=by, reason=reason)
        author = by or self.founder
        new = [user for user in users if user.lid not in self.members]
        before = self.users
        for user in new:
            self.requests.pop(user.lid, None)
            self.members[user.lid] = Member(user)
        added = [self._participant(self.members[user.lid]) for user in new]
        self._notify(author, Node("add", {**_VERSIONS, "reason": reason}, added), before)
        self._notify(author, Node("create", {"reason": reason}, [self.info()]), new)

    def remove(self, *users: User, by: User | None = None) -> None:
        """Remove members, or let one leave if `by` is that member."""
        if self.announcements is not None:
            self.announcements.remove(*users, by=by)
        everybody = self.users
        gone = [self._participant(self.members[each.lid]) for each in users if each.lid in self.members]
        for user in users:
            self.members.pop(user.lid, None)
        self.keys.rotate()
        self._notify(by or self.founder, Node("remove", _VERSIONS, gone), everybody)

    def promote(self, *users: User, by: User | None = None) -> None:
        """Make members admins."""
        self._set_roles("promote", "admin", users, by)

    def demote(self, *users: User, by: User | None = None) -> None:
        """Make admins members."""
        self._set_roles("demote", "member", users, by)

    def rename(self, name: str, by: User | None = None) -> None:
        """Change its name; an announcement group has that of its community."""
        if self.announcements is not None:
            self.announcements.rename(name, by)
        author = by or self.founder
        self.name, self.name_set = name, (author, self._simulation.timestamp())
        attrs = {"subject": name, "s_t": self.name_set[1], "s_o": self.address(author)}
        self._notify(author, Node("subject", attrs))

    def describe(self, text: str, by: User | None = None, topic_id: str | None = None) -> None:
        """Set its topic (description); an empty text removes it."""
        author = by or self.founder
        number = topic_id or self._simulation.new_id()
        self.topic = Topic(number, text, author, self._simulation.timestamp()) if text else None
        body = [Node("body", {}, text)] if text else [Node("delete")]
        self._notify(author, Node("description", {"id": number}, body))

    def switch(self, name: str, on: bool, by: User | None = None) -> None:
        """Set `announcement`, `locked` or `membership_approval_mode`."""
        (self.switches.add if on else self.switches.discard)(name)
        off = {"announcement": "not_announcement", "locked": "unlocked"}
        if name in off:
            node = Node(name if on else off[name], {"v_id": "2"})
        else:
            node = Node(name, {}, [Node("group_join", {"state": "on" if on else "off"})])
        self._notify(by or self.founder, node)

    def disappear(self, seconds: int, by: User | None = None) -> None:
        """Let new messages disappear after so many seconds; 0 means never."""
        self.ephemeral = seconds
        node = Node("ephemeral", {"expiration": seconds}) if seconds else Node("not_ephemeral")
        self._notify(by or self.founder, node)

    def let_members_add(self, allowed: bool, by: User | None = None) -> None:
        """Let all members add members, or admins only."""
        self.member_add_mode = "all_member_add" if allowed else "admin_add"
        self._notify(by or self.founder, Node("member_add_mode", {}, self.member_add_mode))

    def requests_to_join(self, user: User) -> None:
        """Record somebody's request to join."""
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
        """Notify the other members of the new group."""
        members = [user for user in self.users if user is not self.founder]
        self._notify(self.founder, Node("create", {}, [self.info()]), members)

    def _new_code(self) -> str:
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
        return "".join(self._random.choices(alphabet, k=22))

    def _set_roles(self, tag: str, role: Role, users: Iterable[User], by: User | None) -> None:
        changed = [self.members[each.lid] for each in users if each.lid in self.members]
        for member in changed:
            member.role = role
        self._notify(by or self.founder, Node(tag, _VERSIONS, [self._participant(each) for each in changed]))

    def _notify(self, author: User, change: Node, users: Iterable[User] | None = None) -> None:
        """Notify the companions of `users` (by default all members) of a change."""
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
        if self.is_announcements:
            nodes.append(Node("default_sub_group"))
        if self.is_community:
            nodes.append(Node("parent", {"default_membership_approval_mode": "request_required"}))
        nodes.append(Node("member_add_mode", {}, self.member_add_mode))
        return nodes
