"""The devices of an account: the phone is 0, its companions count up. Lists of them, and how they change."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.simulator import adv
from whatsapp_mcp.simulator.binary import Node

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.companion import Companion
    from whatsapp_mcp.simulator.party import Party
    from whatsapp_mcp.simulator.phone import Phone


def list_hash(address: Jid, numbers: list[int]) -> str:
    """How clients compare lists of devices: a hash of their sorted addresses, `user.0:device@server`."""
    names = sorted(f"{address.user}.0:{number}@{address.server}" for number in numbers)
    return "2:" + b64encode(sha256("".join(names).encode()).digest()[:6]).decode().rstrip("=")


def listed(party: Party, address: Jid) -> Node:
    """The `<devices>` of a usync answer, for the address that was asked for."""
    numbers = [0, *party.companions]
    attrs = {"hash": list_hash(address, numbers)}
    content = [Node("device-list", attrs, [_device(number) for number in numbers])]
    companion = next(iter(party.companions.values()), None)
    if companion is not None:
        content.append(_key_indexes(companion.phone))
    return Node("devices", {}, content)


def announce(phone: Phone, but: Companion | None = None) -> None:
    """Tell an account's companions which they are now."""
    network, numbers = phone.network, [0, *phone.companions]
    devices = [
        Node("device", {"jid": Jid(phone.pn.user, phone.pn.server, number), "key-index": number or None})
        for number in numbers
    ]
    body = Node("devices", {"dhash": list_hash(phone.pn, numbers)}, devices)
    attrs = {"from": phone.pn, "type": "account_sync", "t": network.timestamp()}
    for companion in phone.companions.values():
        if companion is not but:
            companion.deliver(Node("notification", {**attrs, "id": network.new_id()}, [body]))


def _device(number: int) -> Node:
    return Node("device", {"id": number, "key-index": number or None})


def _key_indexes(phone: Phone) -> Node:
    """The phone's word for which companions are its own."""
    now = phone.network.timestamp()
    random = phone.network.random(f"key indexes {phone.pn.user} {now}").randbytes
    signed = adv.sign_key_indexes(
        phone.identity, list(phone.companions), raw_id=phone.raw_id, timestamp=now, random=random
    )
    return Node("key-index-list", {"ts": now}, signed)
