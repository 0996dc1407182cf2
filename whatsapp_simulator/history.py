"""History sync: a phone sends its stored messages to a companion that was linked later.

The phone packs conversations into chunks (`HistorySync`, zlib), uploads each to the media hosts as a blob, or
puts it inline into the notification, and notifies the companion by peer message. The newest messages come
first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Literal

from anyio.lowlevel import checkpoint

from whatsapp_mcp.jid import BROADCAST_SERVER, Jid
from whatsapp_mcp.protobufs import E2E, Common, HistorySync, Web
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.groups import Group
from whatsapp_simulator.network import Network
from whatsapp_simulator.user import User

Chat = User | Group

Kind = Literal["initial", "full", "recent", "push_names", "on_demand"]

_SYNC_TYPES: dict[Kind, str] = {
    "initial": "INITIAL_BOOTSTRAP",
    "full": "FULL",
    "recent": "RECENT",
    "push_names": "PUSH_NAME",
    "on_demand": "ON_DEMAND",
}
_CHUNK_MESSAGES = 5000
_MORE = HistorySync.Conversation.COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY
_COMPLETE = HistorySync.Conversation.COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY


class History:
    """The messages stored on a phone: all that were sent and received, and those added here."""

    def __init__(self, network: Network, phone: User) -> None:
        self._network = network
        self._phone = phone
        self._added: list[Web.WebMessageInfo] = []
        self._conversations: dict[str, HistorySync.Conversation] = {}

    def add(
        self,
        chat: Chat,
        message: str | E2E.Message,
        sender: User | None = None,
        *,
        at: int,
        id: str | None = None,
        starred: bool = False,
    ) -> str:
        """Add a message of the past; return its id.

        Args:
            chat: The other person, or a group.
            message: A text, or a whole message.
            sender: Its sender: the phone itself, or by default the other person of a direct chat.
            at: Its time, seconds since 1970.
            id: Its id.
            starred: Whether the account holder has starred it.

        Raises:
            ValueError: A message in a group without a sender.
        """
        by = sender or self._network.user(chat.jid)
        if by is None:
            raise ValueError("who sent it?")
        whole = E2E.Message(conversation=message) if isinstance(message, str) else message
        message_id = id or self._network.new_id()
        info = self._info(message_id, chat.jid, by, whole, at)
        if starred:
            info.starred = True
        self._added.append(info)
        return message_id

    def fill(self, chats: Sequence[Chat], count: int, *, until: int, step: int = 60) -> None:
        """Add `count` texts, one every `step` seconds up to the time `until`, to the chats in turn.

        In a direct chat both sides take turns; in a group all members do.
        """
        speakers = {chat.jid: cycle(self._members(chat)) for chat in chats}
        for number, chat in enumerate(islice(cycle(chats), count)):
            timestamp = until - (count - 1 - number) * step
            self.add(chat, f"Line {number + 1} of {count}", next(speakers[chat.jid]), at=timestamp)

    def conversation(self, chat: Chat) -> HistorySync.Conversation:
        """The fields of a chat besides its messages (`unreadCount`, `archived` ...), for tests to set."""
        return self._conversations.setdefault(str(chat.jid), self._described(chat.jid))

    def find(self, message_id: str) -> Web.WebMessageInfo | None:
        """A message as stored on the phone."""
        return next((info for info in self._all() if message_id == info.key.ID), None)

    def before(self, chat: Jid, message_id: str, count: int) -> HistorySync.HistorySync:
        """The chunk of the `count` messages of a chat before that one."""
        of_chat = [info for info in self._all() if info.key.remoteJID == str(chat)]
        of_chat.sort(key=lambda info: info.messageTimestamp)
        ids = [info.key.ID for info in of_chat]
        end = ids.index(message_id) if message_id in ids else len(ids)
        page = of_chat[max(end - count, 0) : end]
        chunk = self._chunk("on_demand", page[::-1], 1, 100)
        more = end > count
        for conversation in chunk.conversations:
            conversation.endOfHistoryTransferType = _MORE if more else _COMPLETE
        return chunk

    def chunks(self, kind: Kind, size: int = _CHUNK_MESSAGES) -> list[HistorySync.HistorySync]:
        """The whole history, at most `size` messages in a chunk; or all push names, in one chunk."""
        if kind == "push_names":
            return [self._push_names()]
        newest_first = sorted(self._all(), key=lambda info: -info.messageTimestamp)
        starts = range(0, max(len(newest_first), 1), size)
        pages = [newest_first[start : start + size] for start in starts]
        return [
            self._chunk(kind, page, order, round(100 * order / len(pages)))
            for order, page in enumerate(pages, 1)
        ]

    async def send(
        self, kind: Kind = "initial", *, size: int = _CHUNK_MESSAGES, inline: bool = False
    ) -> list[str]:
        """Send the history to all companions, chunk by chunk; return the ids of the notifications."""
        ids: list[str] = []
        for chunk in self.chunks(kind, size):
            for companion in list(self._phone.companions.values()):
                ids.append(self.deliver(companion, chunk, inline=inline))
                await checkpoint()
        return ids

    def deliver(
        self,
        companion: Companion,
        chunk: HistorySync.HistorySync,
        *,
        inline: bool = False,
        request_id: str | None = None,
    ) -> str:
        """Send one chunk to a companion, unsolicited or for a request; return the id of the notification.

        The companion answers with a receipt of kind `hist_sync`, and deletes the blob.
        """
        packed = zlib.compress(chunk.SerializeToString(), 1)
        notification = E2E.HistorySyncNotification(
            syncType=E2E.HistorySyncType.Value(HistorySync.HistorySync.HistorySyncType.Name(chunk.syncType)),
            chunkOrder=chunk.chunkOrder,
            progress=chunk.progress,
            peerDataRequestSessionID=request_id,
        )
        if inline:
            notification.initialHistBootstrapInlinePayload = packed
        else:
            upload = self._network.media.put("WhatsApp History Keys", packed)
            notification.directPath = upload.direct_path
            notification.mediaKey = upload.media.media_key
            notification.fileSHA256 = upload.media.file_sha256
            notification.fileEncSHA256 = upload.media.file_enc_sha256
            notification.fileLength = upload.media.file_length
        content = E2E.ProtocolMessage(
            type=E2E.ProtocolMessage.HISTORY_SYNC_NOTIFICATION, historySyncNotification=notification
        )
        return self._phone.send_to_companion(companion, content)

    def _all(self) -> Iterator[Web.WebMessageInfo]:
        """All added messages, and those that the phone has sent and received."""
        yield from self._added
        for sent in self._phone.sent.values():
            if sent.to.server == BROADCAST_SERVER:
                continue
            yield self._info(sent.id, sent.to, self._phone, sent.message, sent.timestamp)
        for received in self._phone.inbox:
            chat = self._network.user(received.chat) or self._network.groups.get(received.chat)
            sender = self._network.user(received.sender)
            if chat is not None and sender is not None and not received.message.HasField("protocolMessage"):
                yield self._info(received.id, chat.jid, sender, received.message, received.timestamp)

    def _info(
        self, id: str, chat: Jid, sender: User, message: E2E.Message, timestamp: int
    ) -> Web.WebMessageInfo:
        mine = sender is self._phone
        group = self._network.groups.get(chat)
        participant = None if group is None or mine else str(group.address(sender))
        return Web.WebMessageInfo(
            key=Common.MessageKey(
                remoteJID=str(chat),
                fromMe=mine,
                ID=id,
                participant=participant,
            ),
            message=message,
            # Outside the message, where whatsmeow reads it (`storeHistoricalMessageSecrets`).
            messageSecret=message.messageContextInfo.messageSecret or None,
            messageTimestamp=timestamp,
            status=Web.WebMessageInfo.DELIVERY_ACK if mine else None,
            participant=participant,
            pushName=None if mine else sender.name,
        )

    def _members(self, chat: Chat) -> list[User]:
        other = self._network.user(chat.jid)
        if other is not None:
            return [other, self._phone]
        return self._network.groups[chat.jid].users

    def _chunk(
        self, kind: Kind, messages: list[Web.WebMessageInfo], order: int, progress: int
    ) -> HistorySync.HistorySync:
        chunk = _empty(kind, order, progress)
        if order == 1:
            for user in self._everybody():
                chunk.phoneNumberToLidMappings.add(pnJID=str(user.pn), lidJID=str(user.lid))
        by_chat: dict[str, list[HistorySync.HistorySyncMsg]] = {}
        for number, info in enumerate(messages):
            of_chat = by_chat.setdefault(info.key.remoteJID, [])
            of_chat.append(HistorySync.HistorySyncMsg(message=info, msgOrderID=len(messages) - number))
        if order == 1:
            by_chat |= {chat: [] for chat in self._conversations if chat not in by_chat}
        chunk.conversations.extend(self._conversation(*each) for each in by_chat.items())
        return chunk

    def _push_names(self) -> HistorySync.HistorySync:
        chunk = _empty("push_names", 1, 100)
        for user in self._everybody():
            if user is not self._phone:
                chunk.pushnames.add(ID=str(user.pn), pushname=user.name)
        return chunk

    def _everybody(self) -> Iterable[User]:
        return dict.fromkeys(self._network.users.values())

    def _conversation(
        self, chat: str, messages: list[HistorySync.HistorySyncMsg]
    ) -> HistorySync.Conversation:
        conversation = HistorySync.Conversation(messages=messages)
        conversation.MergeFrom(self._conversations.get(chat) or self._described(Jid.parse(chat)))
        if messages:
            newest = messages[0].message.messageTimestamp
            conversation.conversationTimestamp = conversation.lastMsgTimestamp = newest
        return conversation

    def _described(self, chat: Jid) -> HistorySync.Conversation:
        user, group = self._network.user(chat), self._network.groups.get(chat)
        described = HistorySync.Conversation(ID=str(chat), endOfHistoryTransfer=True)
        if user is not None:
            described.pnJID, described.lidJID = str(user.pn), str(user.lid)
        if group is not None:
            described.name, described.createdAt = group.name, group.created
            for member in group.users:
                described.participant.add(userJID=str(member.jid))
        return described


def _empty(kind: Kind, order: int, progress: int) -> HistorySync.HistorySync:
    sync_type = HistorySync.HistorySync.HistorySyncType.Value(_SYNC_TYPES[kind])
    return HistorySync.HistorySync(syncType=sync_type, chunkOrder=order, progress=progress)
