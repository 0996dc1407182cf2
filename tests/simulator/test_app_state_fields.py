"""App state field by field: changes of the phone or a companion, read by the other side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from tests.simulator.bare_companion import BareClient, found
from tests.tables import for_each
from whatsapp_mcp.protobufs import E2E, ServerSync, SyncAction
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.app_state import COLLECTIONS, AppState
from whatsapp_simulator.app_state_crypto import (
    AppStateCollection,
    CollectionName,
    Keyring,
    Mutation,
    SyncKey,
)
from whatsapp_simulator.binary import Node
from whatsapp_simulator.people import Person


class Companion(BareClient):
    """A companion that maintains the app state from the stanzas that it receives."""

    def __init__(self, wa: WhatsApp) -> None:
        super().__init__(wa)
        wa.me.app_state.share_key(self.companion)
        first, *others = (
            SyncKey(each.keyID.keyID, each.keyData.keyData, each.keyData.timestamp)
            for each in self.reads(self.last("message")).protocolMessage.appStateSyncKeyShare.keys
        )
        self.keys = Keyring(first)
        for key in others:
            self.keys.add(key)
        self.collections = {name: AppStateCollection(name, self.keys) for name in COLLECTIONS}

    def notified(self) -> dict[str, str]:
        """The versions in the last notification of a change, by collection."""
        told = self.last("notification")
        assert told.get("type") == "server_sync"
        return {each.get("name"): each.get("version") for each in told.all("collection")}

    def fetch(self, name: CollectionName) -> list[Mutation]:
        """Fetch and apply missing patches; return their mutations."""
        own = self.collections[name]
        answer = self._sync(name, {"version": own.version, "return_snapshot": "false"})
        patches = list(found(answer, "patches").all("patch"))
        return [change for each in patches for change in own.apply(each.data, own.version)]

    def upload(self, name: CollectionName, *mutations: Mutation) -> Node:
        """Make a change here, and upload its patch; return the answer."""
        version = self.collections[name].version
        patch = self.collections[name].change(mutations)
        patch.ClearField("version")
        return self.offer(name, version, patch)

    def offer(self, name: CollectionName, version: int, patch: ServerSync.SyncdPatch) -> Node:
        """Upload a patch based on that version."""
        return self._sync(name, {"version": version}, Node("patch", {}, patch.SerializeToString()))

    def _sync(self, name: str, attrs: dict[str, str | int], *content: Node) -> Node:
        asked = Node("sync", {}, [Node("collection", {"name": name, **attrs}, content or None)])
        return found(self.query("w:sync:app:state", "set", asked), "sync", "collection")


@dataclass(frozen=True)
class Change:
    """An action of an owner: the call on the phone, and its mutation in the app state.

    `CHAT`, `PN` and `ID` stand for Ann's two addresses and a message of hers.
    """

    call: Callable[[AppState, Person, str], None]
    collection: CollectionName
    index: tuple[str, ...]
    version: int
    value: dict[str, Any]


CHANGES = {
    "archive": Change(
        lambda state, ann, _: state.archive(ann),
        "regular_low",
        ("archive", "CHAT"),
        3,
        {"archiveChatAction": {"archived": True}},
    ),
    "unarchive": Change(
        lambda state, ann, _: state.archive(ann, False),
        "regular_low",
        ("archive", "CHAT"),
        3,
        {"archiveChatAction": {"archived": False}},
    ),
    "pin": Change(
        lambda state, ann, _: state.pin(ann),
        "regular_low",
        ("pin_v1", "CHAT"),
        5,
        {"pinAction": {"pinned": True}},
    ),
    "mute for ever": Change(
        lambda state, ann, _: state.mute(ann),
        "regular_high",
        ("mute", "CHAT"),
        2,
        {"muteAction": {"muted": True, "muteEndTimestamp": "-1"}},
    ),
    "mute until": Change(
        lambda state, ann, _: state.mute(ann, 4_000_000_000),
        "regular_high",
        ("mute", "CHAT"),
        2,
        {"muteAction": {"muted": True, "muteEndTimestamp": "4000000000000"}},
    ),
    "unmute": Change(
        lambda state, ann, _: state.mute(ann, None),
        "regular_high",
        ("mute", "CHAT"),
        2,
        {"muteAction": {"muted": False}},
    ),
    "read": Change(
        lambda state, ann, _: state.mark_read(ann),
        "regular_low",
        ("markChatAsRead", "CHAT"),
        3,
        {"markChatAsReadAction": {"read": True}},
    ),
    "unread": Change(
        lambda state, ann, _: state.mark_read(ann, False),
        "regular_low",
        ("markChatAsRead", "CHAT"),
        3,
        {"markChatAsReadAction": {"read": False}},
    ),
    "star": Change(
        lambda state, ann, sent: state.star(ann, sent),
        "regular_high",
        ("star", "CHAT", "ID", "0", "0"),
        2,
        {"starAction": {"starred": True}},
    ),
    "star what another wrote in a group": Change(
        lambda state, ann, sent: state.star(ann, sent, ann),
        "regular_high",
        ("star", "CHAT", "ID", "0", "CHAT"),
        2,
        {"starAction": {"starred": True}},
    ),
    "unstar what was written here": Change(
        lambda state, ann, sent: state.star(ann, sent, ann.network.first_account, False),
        "regular_high",
        ("star", "CHAT", "ID", "1", "0"),
        2,
        {"starAction": {"starred": False}},
    ),
    "delete for me": Change(
        lambda state, ann, sent: state.delete_for_me(ann, sent),
        "regular_high",
        ("deleteMessageForMe", "CHAT", "ID", "0", "0"),
        3,
        {"deleteMessageForMeAction": {"deleteMedia": False}},
    ),
    "clear": Change(
        lambda state, ann, _: state.clear_chat(ann),
        "regular_high",
        ("clearChat", "CHAT", "1", "0"),
        6,
        {"clearChatAction": {}},
    ),
    "delete": Change(
        lambda state, ann, _: state.delete_chat(ann),
        "regular_high",
        ("deleteChat", "CHAT", "1"),
        6,
        {"deleteChatAction": {}},
    ),
    "contact": Change(
        lambda state, ann, _: state.name_contact(ann, "Ann Miller"),
        "critical_unblock_low",
        ("contact", "PN"),
        2,
        {
            "contactAction": {
                "fullName": "Ann Miller",
                "firstName": "Ann",
                "lidJID": "CHAT",
                "saveOnPrimaryAddressbook": True,
            }
        },
    ),
    "push name": Change(
        lambda state, _ann, _sent: state.set_push_name("Me Myself"),
        "critical_block",
        ("setting_pushName",),
        1,
        {"pushNameSetting": {"name": "Me Myself"}},
    ),
    "label": Change(
        lambda state, _ann, _sent: state.edit_label("1", "Family", color=3),
        "regular",
        ("label_edit", "1"),
        3,
        {"labelEditAction": {"name": "Family", "color": 3, "deleted": False}},
    ),
    "label deleted": Change(
        lambda state, _ann, _sent: state.edit_label("1", "Family", deleted=True),
        "regular",
        ("label_edit", "1"),
        3,
        {"labelEditAction": {"name": "Family", "color": 0, "deleted": True}},
    ),
    "label on": Change(
        lambda state, ann, _: state.label(ann, "1"),
        "regular",
        ("label_jid", "1", "CHAT"),
        3,
        {"labelAssociationAction": {"labeled": True}},
    ),
    "label off": Change(
        lambda state, ann, _: state.label(ann, "1", False),
        "regular",
        ("label_jid", "1", "CHAT"),
        3,
        {"labelAssociationAction": {"labeled": False}},
    ),
}
_OF_A_CHAT = ("archiveChatAction", "markChatAsReadAction", "clearChatAction", "deleteChatAction")


def _meant(part: Any, ann: Person) -> Any:
    """`part` of a change, with the placeholders replaced by Ann's addresses."""
    if isinstance(part, dict):
        return {key: _meant(value, ann) for key, value in part.items()}
    return {"CHAT": str(ann.lid), "PN": str(ann.pn), "ID": "3A01"}.get(part, part)


@pytest.fixture
def wa() -> WhatsApp:
    return WhatsApp(seed=1)


@pytest.fixture
def ann(wa: WhatsApp) -> Person:
    return wa.person("Ann")


@for_each("change", CHANGES.values())
def test_what_the_phone_changes_is_what_a_companion_reads(change: Change) -> None:
    wa = WhatsApp(seed=7)
    ann, companion = wa.person("Ann"), Companion(wa)
    change.call(wa.me.app_state, ann, "3A01")
    assert companion.notified() == {change.collection: "1"}
    (read,) = companion.fetch(change.collection)
    assert (read.index, read.version) == (tuple(_meant(each, ann) for each in change.index), change.version)
    value = MessageToDict(read.value)
    assert abs(int(value.pop("timestamp")) - wa.network.now() * 1000) < 60_000
    ((kind, action),) = value.items()
    last = action.pop("messageRange", {}).get("lastMessageTimestamp")
    assert (last is not None) == (kind in _OF_A_CHAT)
    assert {kind: action} == _meant(change.value, ann)
    assert not wa.log


@for_each("change", CHANGES.values())
def test_what_a_companion_changes_reaches_the_phone_and_the_other_companion(change: Change) -> None:
    wa = WhatsApp(seed=7)
    ann, first, second = wa.person("Ann"), Companion(wa), Companion(wa)
    index = tuple(_meant(each, ann) for each in change.index)
    value = SyncAction.SyncActionValue(timestamp=1)
    for kind, fields in _meant(change.value, ann).items():
        action = getattr(value, kind)
        action.SetInParent()
        for name, each in fields.items():
            setattr(action, name, int(each) if name == "muteEndTimestamp" else each)
    answer = first.upload(change.collection, Mutation(index, value, change.version))
    assert (answer.get("type"), answer.get("version")) == ("", "1")
    assert wa.me.app_state.value(*index) == value
    assert second.notified() == {change.collection: "1"}
    assert second.fetch(change.collection) == [Mutation(index, value, change.version)]
    assert not list(first.got("notification"))
    assert not wa.log


def test_a_contact_that_is_removed_is_removed_at_the_companion(wa: WhatsApp, ann: Person) -> None:
    companion = Companion(wa)
    wa.me.app_state.name_contact(ann, "Ann Miller")
    wa.me.app_state.remove_contact(ann)
    named, removed = companion.fetch("critical_unblock_low")
    assert (named.index, named.remove, removed.index, removed.remove) == (
        ("contact", str(ann.pn)),
        False,
        ("contact", str(ann.pn)),
        True,
    )
    assert companion.collections["critical_unblock_low"].values() == {}


def test_the_name_that_a_companion_sets_is_the_accounts(wa: WhatsApp) -> None:
    name = SyncAction.SyncActionValue(pushNameSetting=SyncAction.PushNameSetting(name="Me Myself"))
    Companion(wa).upload("critical_block", Mutation(("setting_pushName",), name, 1))
    assert wa.me.name == "Me Myself"


def test_a_forged_patch_is_refused_and_changes_nothing(wa: WhatsApp, ann: Person) -> None:
    companion = Companion(wa)
    pin = SyncAction.SyncActionValue(pinAction=SyncAction.PinAction(pinned=True))
    patch = companion.collections["regular_low"].change([Mutation(("pin_v1", str(ann.lid)), pin, 5)])
    patch.patchMAC = bytes(32)
    answer = companion.offer("regular_low", 0, patch)
    assert (answer.get("type"), found(answer, "error").get("code")) == ("error", "400")
    assert wa.me.app_state.value("pin_v1", str(ann.lid)) is None
    assert wa.me.app_state.collections["regular_low"].version == 0
    assert [(each.kind, each.detail.endswith("wrong patch MAC")) for each in wa.log] == [("app state", True)]


def test_a_patch_on_an_old_version_is_refused_with_what_the_companion_lacks(
    wa: WhatsApp, ann: Person
) -> None:
    companion = Companion(wa)
    wa.me.app_state.archive(ann)
    pin = SyncAction.SyncActionValue(pinAction=SyncAction.PinAction(pinned=True))
    patch = AppStateCollection("regular_low", companion.keys).change([Mutation(("pin_v1", "x"), pin, 5)])
    answer = companion.offer("regular_low", 0, patch)
    assert (answer.get("type"), found(answer, "error").get("code")) == ("error", "409")
    (missed,) = found(answer, "patches").all("patch")
    (archived,) = companion.collections["regular_low"].apply(missed.data, 0)
    assert archived.index == ("archive", str(ann.lid))
    assert not wa.log


def test_a_companion_that_comes_after_a_rotation_reads_what_is_under_either_key(
    wa: WhatsApp, ann: Person
) -> None:
    ben = wa.person("Ben")
    wa.me.app_state.pin(ann)
    wa.me.app_state.rotate_key()
    wa.me.app_state.pin(ben)
    companion = Companion(wa)
    assert len(list(companion.keys)) == 2
    assert [each.index[1] for each in companion.fetch("regular_low")] == [str(ann.lid), str(ben.lid)]
    assert companion.keys.newest.id == companion.collections["regular_low"].patches[-1].keyID.ID


def test_a_companion_that_asks_for_the_keys_gets_them(wa: WhatsApp) -> None:
    companion = Companion(wa)
    companion.asks_phone(
        E2E.ProtocolMessage(
            type=E2E.ProtocolMessage.APP_STATE_SYNC_KEY_REQUEST,
            appStateSyncKeyRequest=E2E.AppStateSyncKeyRequest(
                keyIDs=[E2E.AppStateSyncKeyId(keyID=companion.keys.newest.id)]
            ),
        ),
        "3A02",
    )
    share = companion.reads(companion.last("message")).protocolMessage.appStateSyncKeyShare
    assert [each.keyID.keyID for each in share.keys] == [companion.keys.newest.id]
    assert not wa.log
