"""The directory of one simulated WhatsApp: users, accounts, groups, channels.

The network holds no connection and no queue; those belong to the companions of each account.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from whatsapp_mcp.jid import BROADCAST_SERVER, Jid
from whatsapp_simulator.audience import StatusFeed
from whatsapp_simulator.channels import SimulatedChannel
from whatsapp_simulator.companion import CodeRequest, Registration
from whatsapp_simulator.faults import Faults
from whatsapp_simulator.groups import Group
from whatsapp_simulator.media import MediaHosts
from whatsapp_simulator.simulation import Simulation
from whatsapp_simulator.user import User


class Network(Simulation):
    """A simulation with its users.

    Attributes:
        users: All users, by each of their two addresses.
        accounts: The users that clients can be linked to, in order of creation.
        groups: All groups by address.
        channels: All channels by address.
        registrations: Companions that show a QR code, by each of its refs.
        code_requests: Companions that show a pairing code, by the number to link them to.
        media: The hosts of images, videos and other blobs.
    """

    def __init__(self, seed: int, faults: Faults) -> None:
        super().__init__(seed, faults)
        self.users: dict[Jid, User] = {}
        self.accounts: list[User] = []
        self.groups: dict[Jid, Group] = {}
        self.channels: dict[Jid, SimulatedChannel] = {}
        self.registrations: dict[str, Registration] = {}
        self.code_requests: dict[Jid, CodeRequest] = {}
        self.media = MediaHosts(self)
        self._last_number = 15550100000

    def user(self, jid: Jid) -> User | None:
        """The user with this address, which may have a device number; None if there is none."""
        return self.users.get(Jid(jid.user, jid.server))

    @property
    def first_account(self) -> User:
        """The account that was created first.

        Raises:
            LookupError: There is none yet.
        """
        if not self.accounts:
            raise LookupError("there is no account yet: create one with wa.me or wa.account")
        return self.accounts[0]

    def chat(self, jid: Jid, writer: User) -> User | Group | StatusFeed | None:
        """The recipient of messages that `writer` sends to an address."""
        if jid.server == BROADCAST_SERVER:
            return self.status_feed(writer)
        return self.groups.get(jid) or self.user(jid)

    def status_feed(self, poster: User) -> StatusFeed:
        """The viewers of somebody's status posts: the accounts, or all users for an account's own posts."""
        viewers = self.users.values() if poster in self.accounts else self.accounts
        return StatusFeed(poster, viewers)

    def add(self, user: User) -> None:
        """Register a user under both addresses.

        Raises:
            ValueError: The number is taken.
        """
        if user.pn in self.users:
            raise ValueError(f"{user.pn.user} is taken")
        self.users[user.pn] = self.users[user.lid] = user

    def renumber(self, user: User, number: str) -> None:
        """Change somebody's number.

        Raises:
            ValueError: The number is taken.
        """
        pn = Jid.phone(number)
        if pn in self.users:
            raise ValueError(f"{number} is taken")
        del self.users[user.pn]
        user.pn = pn
        self.users[pn] = user

    def spare_number(self) -> str:
        """An unused number."""
        while True:
            self._last_number += 1
            if Jid.phone(str(self._last_number)) not in self.users:
                return f"+{self._last_number}"

    def create_group(
        self,
        name: str,
        founder: User,
        members: Iterable[User],
        addressing: Literal["lid", "pn"] = "lid",
    ) -> Group:
        """Create a group, without notifying its members."""
        source = self.random(f"group {len(self.groups)} {name}")
        group = Group(self, source, name, founder, members, addressing)
        self.groups[group.jid] = group
        return group

    def create_community(
        self,
        name: str,
        founder: User,
        members: Iterable[User],
        addressing: Literal["lid", "pn"] = "lid",
    ) -> Group:
        """Create a community with its announcement group, without notifying its members."""
        everybody = list(members)
        community = self.create_group(name, founder, everybody, addressing)
        community.become_community(self.create_group(name, founder, everybody, addressing))
        return community

    def create_channel(self, name: str, description: str = "") -> SimulatedChannel:
        """Create a channel without followers."""
        source = self.random(f"channel {len(self.channels)} {name}")
        channel = SimulatedChannel(self, source, self.users, name, description)
        self.channels[channel.jid] = channel
        return channel
