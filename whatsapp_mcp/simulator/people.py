"""People with phones: the actions of each."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Unpack

from whatsapp_mcp.jid import BROADCAST_SERVER, GROUP_SERVER
from whatsapp_mcp.protobufs import E2E, Common
from whatsapp_mcp.simulator import calls, kinds, messages, pictures, presence, receipts
from whatsapp_mcp.simulator.audience import StatusFeed
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.business import Business, Profile
from whatsapp_mcp.simulator.groups import Group
from whatsapp_mcp.simulator.network import Network
from whatsapp_mcp.simulator.user import State, User

Chat = User | Group | StatusFeed


@dataclass(frozen=True, slots=True)
class _Said:
    """A message to refer to.

    Attributes:
        message: Its content.
        author: Its author.
        chat: The person or group to answer.
        key: Its key in its chat, from the perspective of the person who refers to it.
    """

    message: E2E.Message
    author: User
    chat: Chat
    key: Common.MessageKey


def _key(message_id: str, author: User, chat: Chat, *, from_me: bool) -> Common.MessageKey:
    participant = str(author.jid) if chat.jid.server in (GROUP_SERVER, BROADCAST_SERVER) else None
    return Common.MessageKey(remoteJID=str(chat.jid), fromMe=from_me, ID=message_id, participant=participant)


class Person(User):
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
        return await messages.post(self, whole, to or self.network.first_account, id=id, at=at)

    async def posts(self, message: str | E2E.Message) -> str:
        """Post a status, which every account sees; return the message id."""
        return await self.says(message, self.network.status_feed(self))

    def _said(self, message_id: str) -> _Said:
        """A reference to a message that this user sent or received.

        Raises:
            KeyError: There is none with that id.
        """
        own = self.sent.get(message_id)
        if own is not None:
            chat = self.network.chat(own.to, self)
            assert chat is not None
            return _Said(own.message, self, chat, _key(own.id, self, chat, from_me=True))
        got = self.got(message_id)
        author = self.network.user(got.sender)
        assert author is not None
        chat = self.network.groups.get(got.chat, author)
        return _Said(got.message, author, chat, _key(got.id, author, chat, from_me=False))

    async def replies(self, message_id: str, body: str) -> str:
        """Reply to a message, one's own or one from the inbox, in its chat."""
        said = self._said(message_id)
        return await self.says(kinds.reply(body, said.key, said.author.jid, said.message), said.chat)

    async def reacts(self, message_id: str, emoji: str) -> str:
        """React to a message, one's own or one from the inbox; an empty `emoji` removes the reaction."""
        said = self._said(message_id)
        return await self.says(kinds.reaction(said.key, emoji, self.network.now()), said.chat)

    async def edits(self, message_id: str, body: str) -> str:
        """Edit one's own text message."""
        said = self._said(message_id)
        new = E2E.Message(conversation=body)
        return await self.says(kinds.edit(said.key, new, self.network.now()), said.chat)

    async def revokes(self, message_id: str) -> str:
        """Delete a message for everyone: one's own, or as a group admin another member's."""
        said = self._said(message_id)
        return await self.says(kinds.revoke(said.key), said.chat)

    async def votes(self, poll_id: str, *options: str) -> str:
        """Vote in a poll, one's own or one from the inbox."""
        said = self._said(poll_id)
        secret = said.message.messageContextInfo.messageSecret
        now, random = self.network.now(), self._random.randbytes
        vote = kinds.vote(said.key, said.author.jid, secret, self.jid, options, now, random)
        return await self.says(vote, said.chat)

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
        pictures.change(self.network, self, picture)

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
