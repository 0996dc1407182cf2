"""App state: what the phone knows of its chats and contacts, shared with its companions.

The phone hands out a key by peer message. From then on companions are told by notification that a
collection has changed; they fetch what they lack, and upload patches of their own (`app_state_queries`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whatsapp_mcp.protobufs import E2E, SyncAction
from whatsapp_mcp.simulator import peer
from whatsapp_mcp.simulator.app_state_crypto import (
    AppStateCollection,
    CollectionName,
    Keyring,
    Mutation,
    SyncKey,
)
from whatsapp_mcp.simulator.binary import SERVER, Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.groups import Group
from whatsapp_mcp.simulator.user import User

Chat = User | Group

COLLECTIONS: tuple[CollectionName, ...] = (
    "critical_block",
    "critical_unblock_low",
    "regular_high",
    "regular",
    "regular_low",
)


class AppState:
    """The app state of one account, as its phone sees and changes it.

    Each change reaches the companions by itself, once they have the key (`share_key`). Chats are named by
    their hidden address, contacts by number.

    Attributes:
        collections: All five, by name.
    """

    def __init__(self, phone: User) -> None:
        self._phone = phone
        self._random = randomness = phone.simulation.random(f"app state {phone.pn.user}")
        self._epoch = 0
        self._keys = Keyring(self._new_key())
        self._told: dict[tuple[int, CollectionName], int] = {}
        self.collections: dict[CollectionName, AppStateCollection] = {
            name: AppStateCollection(name, self._keys, randomness.randbytes) for name in COLLECTIONS
        }

    def told(self, companion: Companion, name: CollectionName, version: int) -> None:
        """Note that a companion has been given that version."""
        self._told[companion.number, name] = version
        self._phone.simulation.notify()

    async def fetched(self, name: CollectionName, timeout: float = 10.0) -> None:
        """Return once a companion has been given a version of that collection.

        Raises:
            TimeoutError: None was.
        """
        await self._phone.simulation.until(lambda: any(told == name for _, told in self._told), timeout)

    async def synced(self, timeout: float = 10.0) -> None:
        """Return once every companion has been given the current version of every collection.

        Raises:
            TimeoutError: One was not.
        """

        def done() -> bool:
            return all(
                self._told.get((number, name), -1) >= collection.version
                for number in self._phone.companions
                for name, collection in self.collections.items()
            )

        await self._phone.simulation.until(done, timeout)

    def share_key(self, companion: Companion | None = None) -> list[str]:
        """Send the keys to a companion, or to all; they fetch every collection then. The message ids."""
        message = E2E.ProtocolMessage(
            type=E2E.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE,
            appStateSyncKeyShare=E2E.AppStateSyncKeyShare(keys=map(self._shared, self._keys)),
        )
        chosen = [companion] if companion else list(self._phone.companions.values())
        return [peer.send(self._phone, each, message) for each in chosen]

    def rotate_key(self) -> list[str]:
        """Begin to use another key, as a phone does when a device was unlinked; the message ids."""
        self._keys.add(self._new_key())
        return self.share_key()

    @property
    def newest_key_id(self) -> bytes:
        """The id of the key in use."""
        return self._keys.newest.id

    def value(self, *index: str) -> Any:
        """The current `SyncAction.SyncActionValue` of an index such as `"mute", jid`, or None."""
        values = (collection.get(*index) for collection in self.collections.values())
        return next((value for value in values if value is not None), None)

    def change(self, collection: CollectionName, *mutations: Mutation) -> None:
        """Make any change on the phone, in one patch."""
        self.collections[collection].change(mutations)
        self._announce([collection])

    def archive(self, chat: Chat, archived: bool = True) -> None:
        """Archive a chat or take it back."""
        action = SyncAction.ArchiveChatAction(archived=archived, messageRange=self._range())
        self._set("regular_low", ("archive", str(chat.jid)), 3, archiveChatAction=action)

    def pin(self, chat: Chat, pinned: bool = True) -> None:
        """Pin a chat to the top or take it back."""
        action = SyncAction.PinAction(pinned=pinned)
        self._set("regular_low", ("pin_v1", str(chat.jid)), 5, pinAction=action)

    def mute(self, chat: Chat, until: int | None = -1) -> None:
        """Mute a chat until a time (seconds since 1970), for ever (-1), or no more (None)."""
        end = until if until in (None, -1) else until * 1000
        action = SyncAction.MuteAction(muted=until is not None, muteEndTimestamp=end)
        self._set("regular_high", ("mute", str(chat.jid)), 2, muteAction=action)

    def mark_read(self, chat: Chat, read: bool = True) -> None:
        """Mark a chat as read or as unread."""
        action = SyncAction.MarkChatAsReadAction(read=read, messageRange=self._range())
        self._set("regular_low", ("markChatAsRead", str(chat.jid)), 3, markChatAsReadAction=action)

    def star(self, chat: Chat, message_id: str, sender: User | None = None, starred: bool = True) -> None:
        """Star a message; `sender` is left out for an own message and in a direct chat."""
        action = SyncAction.StarAction(starred=starred)
        self._set("regular_high", ("star", *self._message(chat, message_id, sender)), 2, starAction=action)

    def name_contact(self, person: User, full_name: str, first_name: str | None = None) -> None:
        """Enter somebody into the phone's address book."""
        action = SyncAction.ContactAction(
            fullName=full_name,
            firstName=first_name or full_name.split()[0],
            lidJID=str(person.lid),
            saveOnPrimaryAddressbook=True,
        )
        self._set("critical_unblock_low", ("contact", str(person.pn)), 2, contactAction=action)

    def remove_contact(self, person: User) -> None:
        """Take somebody out of the address book."""
        value = SyncAction.SyncActionValue(timestamp=self._milliseconds())
        self.change("critical_unblock_low", Mutation(("contact", str(person.pn)), value, 2, remove=True))

    def set_push_name(self, name: str) -> None:
        """Change the name under which others see the account."""
        self._phone.name = name
        setting = SyncAction.PushNameSetting(name=name)
        self._set("critical_block", ("setting_pushName",), 1, pushNameSetting=setting)

    def edit_label(self, label_id: str, name: str, color: int = 0, deleted: bool = False) -> None:
        """Make, change or delete a label."""
        action = SyncAction.LabelEditAction(name=name, color=color, deleted=deleted)
        self._set("regular", ("label_edit", label_id), 3, labelEditAction=action)

    def label(self, chat: Chat, label_id: str, labeled: bool = True) -> None:
        """Put a label on a chat or take it off."""
        action = SyncAction.LabelAssociationAction(labeled=labeled)
        self._set("regular", ("label_jid", label_id, str(chat.jid)), 3, labelAssociationAction=action)

    def delete_for_me(self, chat: Chat, message_id: str, sender: User | None = None) -> None:
        """Delete a message on the own devices; `sender` as in `star`."""
        action = SyncAction.DeleteMessageForMeAction(deleteMedia=False)
        index = ("deleteMessageForMe", *self._message(chat, message_id, sender))
        self._set("regular_high", index, 3, deleteMessageForMeAction=action)

    def clear_chat(self, chat: Chat) -> None:
        """Delete every message of a chat on the own devices, starred ones too."""
        action = SyncAction.ClearChatAction(messageRange=self._range())
        self._set("regular_high", ("clearChat", str(chat.jid), "1", "0"), 6, clearChatAction=action)

    def delete_chat(self, chat: Chat) -> None:
        """Delete a chat on the own devices, with its files."""
        action = SyncAction.DeleteChatAction(messageRange=self._range())
        self._set("regular_high", ("deleteChat", str(chat.jid), "1"), 6, deleteChatAction=action)

    def take_patch(self, companion: Companion, name: CollectionName, patch: bytes, base: int) -> None:
        """Check and take over a companion's patch, and tell the other companions.

        Raises:
            AppStateConflict: It was made for another version than the current one.
            AppStateError: It is wrong.
        """
        self.collections[name].apply(patch, base)
        push_name = self.collections[name].get("setting_pushName")
        if push_name is not None:
            self._phone.name = push_name.pushNameSetting.name
        self._announce([name], but=companion)
        self._phone.simulation.notify()

    def _new_key(self) -> SyncKey:
        """The key of the next epoch."""
        self._epoch += 1
        made_at = self._milliseconds() + self._epoch  # each later than the one before
        return SyncKey(b"\0\0" + self._epoch.to_bytes(4), self._random.randbytes(32), made_at)

    def _shared(self, key: SyncKey) -> E2E.AppStateSyncKey:
        fingerprint = E2E.AppStateSyncKeyFingerprint(
            rawID=self._phone.raw_id, currentIndex=0, deviceIndexes=[0]
        )
        data = E2E.AppStateSyncKeyData(keyData=key.data, fingerprint=fingerprint, timestamp=key.made_at)
        return E2E.AppStateSyncKey(keyID=E2E.AppStateSyncKeyId(keyID=key.id), keyData=data)

    def _message(self, chat: Chat, message_id: str, sender: User | None) -> tuple[str, str, str, str]:
        """How an index names a message: chat, id, whether it is our own, who else wrote it (in a group)."""
        own = sender is self._phone
        by = "0" if own or sender is None else str(sender.lid)
        return str(chat.jid), message_id, "1" if own else "0", by

    def _set(self, collection: CollectionName, index: tuple[str, ...], version: int, **action: Any) -> None:
        value = SyncAction.SyncActionValue(timestamp=self._milliseconds(), **action)
        self.change(collection, Mutation(index, value, version))

    def _announce(self, names: Sequence[CollectionName], but: Companion | None = None) -> None:
        """Tell companions which collections have changed."""
        simulation = self._phone.simulation
        children = [
            Node("collection", {"name": name, "version": self.collections[name].version}) for name in names
        ]
        for companion in self._phone.companions.values():
            if companion is not but:
                attrs = {
                    "from": SERVER,
                    "type": "server_sync",
                    "id": simulation.new_id(),
                    "t": simulation.timestamp(),
                }
                companion.deliver(Node("notification", attrs, children))

    def _milliseconds(self) -> int:
        return int(self._phone.simulation.now() * 1000)

    def _range(self) -> SyncAction.SyncActionMessageRange:
        return SyncAction.SyncActionMessageRange(lastMessageTimestamp=self._phone.simulation.timestamp())
