"""Responses of a person to a message on a phone: reply, react, edit, delete, vote."""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_mcp.jid import BROADCAST_SERVER, GROUP_SERVER
from whatsapp_mcp.protobufs import E2E, Common
from whatsapp_simulator import envelope, kinds, messages
from whatsapp_simulator.audience import StatusFeed
from whatsapp_simulator.groups import Group
from whatsapp_simulator.network import Network
from whatsapp_simulator.user import User

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


class Responder(User):
    """Somebody who refers to messages that they sent or received.

    Attributes:
        network: Where they are.
    """

    network: Network

    async def replies(self, message_id: str, body: str) -> str:
        """Reply to a message, one's own or one from the inbox, in its chat."""
        said = self._said(message_id)
        return await self._post(kinds.reply(body, said.key, said.author.jid, said.message), said)

    async def reacts(self, message_id: str, emoji: str, *, at: int | None = None) -> str:
        """React to a message, one's own or one from the inbox; an empty `emoji` removes the reaction.

        Args:
            message_id: The message.
            emoji: The reaction.
            at: The time of sending, seconds since 1970; by default now.
        """
        said = self._said(message_id)
        return await self._post(kinds.reaction(said.key, emoji, at or self.network.now()), said, at)

    async def edits(self, message_id: str, body: str) -> str:
        """Edit one's own text, or the caption of one's own file."""
        said = self._said(message_id)
        new = envelope.with_text(said.message, body)
        return await self._post(kinds.edit(said.key, new, self.network.now()), said)

    async def revokes(self, message_id: str) -> str:
        """Delete a message for everyone: one's own, or as a group admin another member's."""
        said = self._said(message_id)
        return await self._post(kinds.revoke(said.key), said)

    async def votes(self, poll_id: str, *options: str) -> str:
        """Vote in a poll, one's own or one from the inbox."""
        said = self._said(poll_id)
        secret = said.message.messageContextInfo.messageSecret
        now, random = self.network.now(), self._random.randbytes
        vote = kinds.vote(said.key, said.author.jid, secret, self.jid, options, now, random)
        return await self._post(vote, said)

    async def _post(self, message: E2E.Message, said: _Said, timestamp: int | None = None) -> str:
        return await messages.post(self, message, said.chat, timestamp=timestamp)

    def _said(self, message_id: str) -> _Said:
        """A reference to a message that this user sent, or whose companion did, or received.

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
        if author is self:
            chat = self.network.chat(got.chat, self)
            assert chat is not None
        else:
            chat = self.network.groups.get(got.chat, author)
        return _Said(got.message, author, chat, _key(got.id, author, chat, from_me=author is self))
