"""App state: the phone's state of chats and contacts, shared with its companions.

The phone shares a key by peer message. From then on a notification tells companions that a collection has
changed; they fetch the missing patches, and upload patches of their own (`app_state_queries`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whatsapp_mcp.protobufs import E2E, SyncAction
from whatsapp_simulator.app_state_crypto import (
    AppStateCollection,
    CollectionName,
    Keyring,
    Mutation,
    SyncKey,
)
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.groups import Group
from whatsapp_simulator.user import User

Chat = User | Group

COLLECTIONS: tuple[CollectionName, ...] = (
    "critical_block",
    "critical_unblock_low",
    "regular_high",
    "regular",
    "regular_low",
)


class AppState:
    """The app state of one account, seen from its phone.

    Companions that have the key (`share_key`) are notified of each change. Chats are identified by their LID,
    contacts by phone number.

    Attributes:
        collections: All five, by name.
    """

    def __init__(self, phone: User) -> None:
        self._phone = phone
        self._random = randomness = phone.simulation.random(f"app state {phone.pn.user}")
        self._epoch = 0
        self._keys = Keyring(self._new_key())
        self._sent: dict[tuple[int, CollectionName], int] = {}
        self.collections: dict[CollectionName, AppStateCollection] = {
            name: AppStateCollection(name, self._keys, randomness.randbytes) for name in COLLECTIONS
        }

    def record_sent(self, companion: Companion, name: CollectionName, version: int) -> None:
        """Record that a companion was sent that version."""
        self._sent[companion.number, name] = version
        self._phone.simulation.notify()

    async def fetched(self, name: CollectionName, timeout: float = 10.0) -> None:
        """Return once a companion was sent a version of that collection.

        Raises:
            TimeoutError: None was.
        """
        await self._phone.simulation.until(lambda: any(sent == name for _, sent in self._sent), timeout)

    async def synced(self, timeout: float = 10.0) -> None:
        """Return once every companion was sent the current version of every collection.

        Raises:
            TimeoutError: One was not.
        """

        def done() -> bool:
            return all(
                self._sent.get((number, name), -1) >= collection.version
                for number in self._phone.companions
                for name, collection in self.collections.items()
            )

        await self._phone.simulation.until(done, timeout)

    def share_key(self, companion: Companion | None = None) -> list[str]:
        """Send the keys to one or all companions, which then fetch all data; return the message ids."""
        message = E2E.ProtocolMessage(
            type=E2E.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE,
            appStateSyncKeyShare=E2E.AppStateSyncKeyShare(keys=map(self._shared, self._keys)),
        )
        chosen = [companion] if companion else list(self._phone.companions.values())
        return [self._phone.send_to_companion(each, message) for each in chosen]

    def rotate_key(self) -> list[str]:
        """Start using a new key, as a phone does after a device was unlinked; return the message ids."""
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
        """Archive or unarchive a chat."""
        action = SyncAction.ArchiveChatAction(archived=archived, messageRange=self._range())
        self._set("regular_low", ("archive", str(chat.jid)), 3, archiveChatAction=action)

    def pin(self, chat: Chat, pinned: bool = True) -> None:
        """Pin or unpin a chat."""
        action = SyncAction.PinAction(pinned=pinned)
        self._set("regular_low", ("pin_v1", str(chat.jid)), 5, pinAction=action)

    def mute(self, chat: Chat, until: int | None = -1) -> None:
        """Mute a chat until a time (seconds since 1970) or forever (-1), or unmute it (None)."""
        end = until if until in (None, -1) else until * 1000
        action = SyncAction.MuteAction(muted=until is not None, muteEndTimestamp=end)
        self._set("regular_high", ("mute", str(chat.jid)), 2, muteAction=action)

    def mark_read(self, chat: Chat, read: bool = True) -> None:
        """Mark a chat as read or as unread."""
        action = SyncAction.MarkChatAsReadAction(read=read, messageRange=self._range())
        self._set("regular_low", ("markChatAsRead", str(chat.jid)), 3, markChatAsReadAction=action)

    def star(self, chat: Chat, message_id: str, sender: User | None = None, starred: bool = True) -> None:
        """Star a message; `sender` is omitted for the owner's messages and in direct chats."""
        action = SyncAction.StarAction(starred=starred)
        self._set("regular_high", ("star", *self._message(chat, message_id, sender)), 2, starAction=action)

    def name_contact(self, person: User, full_name: str, first_name: str | None = None) -> None:
        """Add somebody to the phone's address book."""
        action = SyncAction.ContactAction(
            fullName=full_name,
            firstName=first_name or full_name.split()[0],
            lidJID=str(person.lid),
            saveOnPrimaryAddressbook=True,
        )
        self._set("critical_unblock_low", ("contact", str(person.pn)), 2, contactAction=action)

    def remove_contact(self, person: User) -> None:
        """Remove somebody from the address book."""
        value = SyncAction.SyncActionValue(timestamp=self._milliseconds())
        self.change("critical_unblock_low", Mutation(("contact", str(person.pn)), value, 2, remove=True))

    def set_push_name(self, name: str) -> None:
        """Change the account's push name, which others see."""
        self._phone.name = name
        setting = SyncAction.PushNameSetting(name=name)
        self._set("critical_block", ("setting_pushName",), 1, pushNameSetting=setting)

    def edit_label(self, label_id: str, name: str, color: int = 0, deleted: bool = False) -> None:
        """Create, change or delete a label."""
        action = SyncAction.LabelEditAction(name=name, color=color, deleted=deleted)
        self._set("regular", ("label_edit", label_id), 3, labelEditAction=action)

    def label(self, chat: Chat, label_id: str, labeled: bool = True) -> None:
        """Add a label to a chat or remove it."""
        action = SyncAction.LabelAssociationAction(labeled=labeled)
        self._set("regular", ("label_jid", label_id, str(chat.jid)), 3, labelAssociationAction=action)

    def delete_for_me(self, chat: Chat, message_id: str, sender: User | None = None) -> None:
        """Delete a message on the owner's devices; `sender` as in `star`."""
        action = SyncAction.DeleteMessageForMeAction(deleteMedia=False)
        index = ("deleteMessageForMe", *self._message(chat, message_id, sender))
        self._set("regular_high", index, 3, deleteMessageForMeAction=action)

    def clear_chat(self, chat: Chat) -> None:
        """Delete every message of a chat on the owner's devices, starred ones too."""
        action = SyncAction.ClearChatAction(messageRange=self._range())
        self._set("regular_high", ("clearChat", str(chat.jid), "1", "0"), 6, clearChatAction=action)

    def delete_chat(self, chat: Chat) -> None:
        """Delete a chat on the owner's devices, with its files."""
        action = SyncAction.DeleteChatAction(messageRange=self._range())
        self._set("regular_high", ("deleteChat", str(chat.jid), "1"), 6, deleteChatAction=action)

    def take_patch(self, companion: Companion, name: CollectionName, patch: bytes, base: int) -> None:
        """Verify and apply a companion's patch, and notify the other companions.

        Raises:
            AppStateConflict: The patch is based on another version than the current one.
            AppStateError: The patch is invalid.
        """
        self.collections[name].apply(patch, base)
        push_name = self.collections[name].get("setting_pushName")
        if push_name is not None:
            self._phone.name = push_name.pushNameSetting.name
        self._announce([name], but=companion)
        self._phone.simulation.notify()

    def _new_key(self) -> SyncKey:
        """A key for the next epoch."""
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
        """The index parts that identify a message: chat, id, whether the owner's, its author (in a group)."""
        own = sender is self._phone
        by = "0" if own or sender is None else str(sender.lid)
        return str(chat.jid), message_id, "1" if own else "0", by

    def _set(self, collection: CollectionName, index: tuple[str, ...], version: int, **action: Any) -> None:
        value = SyncAction.SyncActionValue(timestamp=self._milliseconds(), **action)
        self.change(collection, Mutation(index, value, version))

    def _announce(self, names: Sequence[CollectionName], but: Companion | None = None) -> None:
        """Notify companions of changed collections."""
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
