"""The device lists of an account: the phone is device 0, companions have numbers from 1."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from whatsapp_mcp.jid import Jid
from whatsapp_simulator import adv
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.user import User


def list_hash(address: Jid, numbers: list[int]) -> str:
    """The hash by which clients compare device lists: over their sorted addresses, `user.0:device@server`."""
    names = sorted(f"{address.user}.0:{number}@{address.server}" for number in numbers)
    return "2:" + b64encode(sha256("".join(names).encode()).digest()[:6]).decode().rstrip("=")


def listed(user: User, address: Jid) -> Node:
    """The `<devices>` of a usync answer, for the requested address."""
    numbers = [0, *user.companions]
    attrs = {"hash": list_hash(address, numbers)}
    content = [Node("device-list", attrs, [_device(number) for number in numbers])]
    if user.companions:
        content.append(_key_indexes(user))
    return Node("devices", {}, content)


def announce(user: User, but: Companion | None = None) -> None:
    """Notify an account's companions of the current device list."""
    simulation, numbers = user.simulation, [0, *user.companions]
    devices = [
        Node("device", {"jid": Jid(user.pn.user, user.pn.server, number), "key-index": number or None})
        for number in numbers
    ]
    body = Node("devices", {"dhash": list_hash(user.pn, numbers)}, devices)
    attrs = {"from": user.pn, "type": "account_sync", "t": simulation.timestamp()}
    for companion in user.companions.values():
        if companion is not but:
            companion.deliver(Node("notification", {**attrs, "id": simulation.new_id()}, [body]))


def unlink(user: User, companion: Companion) -> None:
    """Remove a companion: its next login fails with 401."""
    if user.companions.pop(companion.number, None) is not None:
        announce(user)
    user.simulation.notify()


def _device(number: int) -> Node:
    return Node("device", {"id": number, "key-index": number or None})


def _key_indexes(user: User) -> Node:
    """The phone's signed list of its companions."""
    now = user.simulation.timestamp()
    random = user.simulation.random(f"key indexes {user.pn.user} {now}").randbytes
    signed = adv.sign_key_indexes(
        user.identity, list(user.companions), raw_id=user.raw_id, timestamp=now, random=random
    )
    return Node("key-index-list", {"ts": now}, signed)
