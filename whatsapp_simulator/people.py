"""People with phones: the actions of each."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Unpack

from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import calls, kinds, messages, presence, profiles, receipts
from whatsapp_simulator.binary import Node
from whatsapp_simulator.business import Business, Profile
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.groups import Group
from whatsapp_simulator.network import Network
from whatsapp_simulator.responses import Chat, Responder
from whatsapp_simulator.user import State, User


class Person(Responder):
    """A person with WhatsApp on a phone.

    Actions without a recipient are directed at the network's first account.
    """

    def __init__(self, network: Network, number: str, name: str) -> None:
        super().__init__(network, number, name)
        self.network = network
        network.add(self)

    async def says(
        self,
        message: str | E2E.Message,
        to: Chat | None = None,
        *,
        id: str | None = None,
        at: int | None = None,
    ) -> str:
        """Send a message; return its id.

        Args:
            message: A text, or a whole message.
            to: A phone (by default the network's first account), another person, or a group.
            id: Its id; by default a new one.
            at: The time of sending, seconds since 1970; by default now.
        """
        whole = E2E.Message(conversation=message) if isinstance(message, str) else message
        return await messages.post(self, whole, to or self.network.first_account, id=id, timestamp=at)

    async def says_album(self, files: Sequence[E2E.Message], to: Chat | None = None) -> str:
        """Send pictures and videos as one; return the id of the album."""
        videos = sum(file.HasField("videoMessage") for file in files)
        album = await self.says(kinds.album(len(files) - videos, videos), to)
        for file in files:
            await self.says(kinds.in_album(file, self._said(album).key), to)
        return album

    def albums(self) -> dict[str, list[Received]]:
        """Return the albums that this phone shows: the files in the inbox of each, by the album's id."""
        albums: dict[str, list[Received]] = {
            each.id: [] for each in self.inbox if each.message.HasField("albumMessage")
        }
        for each in self.inbox:
            album = each.message.messageContextInfo.messageAssociation.parentMessageKey.ID
            if album in albums:
                albums[album].append(each)
        return albums

    async def posts(self, message: str | E2E.Message) -> str:
        """Post a status, which every account sees; return the message id."""
        return await self.says(message, self.network.status_feed(self))

    def shows(self, state: State, to: User | Group | None = None) -> None:
        """Show `composing`, `recording` or `paused` to a phone (default: the first account) or in a group."""
        chat = to or self.network.first_account
        if isinstance(chat, User):
            presence.show(self, [chat], state)
        else:
            presence.show(self, chat.users, state, chat)

    def goes_online(self) -> None:
        """Show oneself online to subscribers."""
        self.is_online = True
        presence.announce(self, self.network.accounts)

    def goes_offline(self, last_seen: int | None = None) -> None:
        """Show oneself offline to subscribers; `last_seen` (seconds since 1970) is hidden by default."""
        self.is_online, self.last_seen = False, last_seen
        presence.announce(self, self.network.accounts)

    def calls(self, to: User | None = None, *, video: bool = False) -> str:
        """Call a phone (by default the first account); return the call id."""
        call_id = self.network.new_id()
        calls.offer(self, to or self.network.first_account, call_id, video=video)
        return call_id

    def hangs_up(self, call_id: str, to: User | None = None, reason: str = "") -> None:
        """End a call."""
        calls.terminate(self, to or self.network.first_account, call_id, reason)

    def reinstalls(self) -> None:
        """Reinstall the app: new keys, no sessions."""
        self.forget_keys()
        notification = {"from": self.lid, "type": "encrypt", "id": self.network.new_id()}
        for phone in self.network.accounts:
            for companion in phone.companions.values():
                body = [Node("identity")]
                companion.deliver(Node("notification", {**notification, "t": self.network.timestamp()}, body))

    def changes_number(self, number: str) -> None:
        """Change to another number; the LID and the chats stay.

        Raises:
            ValueError: The number is taken.
        """
        self.network.renumber(self, number)

    def changes_picture(self, picture: bytes | None) -> None:
        """Set or (None) remove the profile picture, a JPEG."""
        profiles.change_picture(self.network, self, picture)

    def becomes_business(self, name: str, **profile: Unpack[Profile]) -> None:
        """Become a business, with a verified name and a public profile."""
        self.business = Business(name, self.network.next_number(), profile)

    async def received(self, message_id: str) -> None:
        """Send the author of a message in the inbox a delivery receipt.

        Raises:
            KeyError: There is none with that id.
        """
        receipts.notify_author(self.network, self, self.got(message_id), "")

    async def reads(self, message_id: str) -> None:
        """Send the author of a message in the inbox a read receipt.

        Raises:
            KeyError: There is none with that id.
        """
        receipts.notify_author(self.network, self, self.got(message_id), "read")
