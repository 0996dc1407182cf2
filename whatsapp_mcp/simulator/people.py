"""People on their phones: what each can say and do."""

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
        message: What it says.
        author: Who wrote it.
        chat: Whom or what to answer to.
        key: How its chat names it, seen from whoever refers to it.
    """

    message: E2E.Message
    author: User
    chat: Chat
    key: Common.MessageKey


def _key(message_id: str, author: User, chat: Chat, *, from_me: bool) -> Common.MessageKey:
    participant = str(author.jid) if chat.jid.server in (GROUP_SERVER, BROADCAST_SERVER) else None
    return Common.MessageKey(remoteJID=str(chat.jid), fromMe=from_me, ID=message_id, participant=participant)


class Person(User):
    """Somebody who has WhatsApp on a phone, and talks.

    Whatever names nobody is for the network's first account.
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
        """Send a message; the id of it.

        Args:
            message: A text, or a whole message.
            to: A phone (the network's first account when left out), another person, or a group.
            id: The id it shall have.
            at: When it was sent, seconds since 1970; now when left out.
        """
        whole = E2E.Message(conversation=message) if isinstance(message, str) else message
        return await messages.post(self, whole, to or self.network.first_account, id=id, at=at)

    async def posts(self, message: str | E2E.Message) -> str:
        """Post a status: every account sees it; the message id."""
        return await self.says(message, self.network.status_feed(self))

    def _said(self, message_id: str) -> _Said:
        """A message that this user sent or got, ready to be referred to.

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
        """Quote a message, one's own or one from the inbox, in its chat."""
        said = self._said(message_id)
        return await self.says(kinds.reply(body, said.key, said.author.jid, said.message), said.chat)

    async def reacts(self, message_id: str, emoji: str) -> str:
        """React to a message, one's own or one from the inbox; an empty `emoji` takes it back."""
        said = self._said(message_id)
        return await self.says(kinds.reaction(said.key, emoji, self.network.now()), said.chat)

    async def edits(self, message_id: str, body: str) -> str:
        """Give a text of one's own another wording."""
        said = self._said(message_id)
        new = E2E.Message(conversation=body)
        return await self.says(kinds.edit(said.key, new, self.network.now()), said.chat)

    async def revokes(self, message_id: str) -> str:
        """Delete a message for everyone: one's own, or as an admin of the group another's."""
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
        """Be seen `composing`, `recording` or `paused` by a phone (the first account) or in a group."""
        chat = to or self.network.first_account
        if isinstance(chat, User):
            presence.show(self, [chat], state)
        else:
            presence.show(self, chat.users, state, chat)

    def goes_online(self) -> None:
        """Be seen online by whoever has asked to know."""
        self.is_online = True
        presence.announce(self, self.network.accounts)

    def goes_offline(self, last_seen: int | None = None) -> None:
        """Be seen offline; `last_seen` (seconds since 1970) is hidden when left out."""
        self.is_online, self.last_seen = False, last_seen
        presence.announce(self, self.network.accounts)

    def calls(self, to: User | None = None, *, video: bool = False) -> str:
        """Ring a phone (the first account when left out); the call id."""
        call_id = self.network.new_id()
        calls.offer(self, to or self.network.first_account, call_id, video=video)
        return call_id

    def hangs_up(self, call_id: str, to: User | None = None, reason: str = "") -> None:
        """End a call."""
        calls.terminate(self, to or self.network.first_account, call_id, reason)

    def reinstalls(self) -> None:
        """Begin anew on a fresh phone: other keys, no sessions."""
        self.forget_keys()
        notification = {"from": self.lid, "type": "encrypt", "id": self.network.new_id()}
        for phone in self.network.accounts:
            for companion in phone.companions.values():
                body = [Node("identity")]
                companion.deliver(Node("notification", {**notification, "t": self.network.timestamp()}, body))

    def changes_number(self, number: str) -> None:
        """Move to another number; the LID stays, and so do the chats.

        Raises:
            ValueError: The number is taken.
        """
        self.network.renumber(self, number)

    def changes_picture(self, picture: bytes | None) -> None:
        """Set or (None) remove the profile picture, a JPEG."""
        pictures.change(self.network, self, picture)

    def becomes_business(self, name: str, **profile: Unpack[Profile]) -> None:
        """Do business under a name that WhatsApp vouches for, with a profile for all to see."""
        self.business = Business(name, self.network.next_number(), profile)

    async def received(self, message_id: str) -> None:
        """Tell whoever sent a message of the inbox that it arrived.

        Raises:
            KeyError: There is none with that id.
        """
        receipts.tell_author(self.network, self, self.got(message_id), "")

    async def reads(self, message_id: str) -> None:
        """Tell whoever sent a message of the inbox that it was read.

        Raises:
            KeyError: There is none with that id.
        """
        receipts.tell_author(self.network, self, self.got(message_id), "read")
