"""Jids and times as the client library's protobufs carry them."""

from __future__ import annotations

from typing import Any, Final

from whatsapp_mcp.decoding.updates import IdentityUpdate, Update

SERVERS: Final = {"c.us": "s.whatsapp.net", "hosted": "s.whatsapp.net", "hosted.lid": "lid"}
"""Servers that name a person in another way, to the one under which the archive has the person."""
_LATEST: Final = 1 << 33
"""Seconds: in the year 2242. What is beyond it is no time."""


def jid(value: Any) -> str | None:
    """A `neonize.JID` as text without its device; None when it is empty."""
    user = value.User
    return user + "@" + SERVERS.get(value.Server, value.Server) if user else None


def seconds(stamp: int, fallback: int) -> int:
    """A time that may be in seconds or milliseconds, in seconds; the fallback when it makes no sense."""
    # neonize gives the time of messages in milliseconds and that of receipts in seconds. The bound is the
    # year 5138 in seconds, and 1973 in milliseconds.
    if stamp > 100_000_000_000:
        stamp //= 1000
    return stamp if 0 < stamp < _LATEST else fallback


def millis(stamp: int, fallback: int) -> int:
    """A time in milliseconds; the fallback, which is seconds, when it makes no sense."""
    return stamp if 0 < stamp < _LATEST * 1000 else fallback * 1000


def is_pn(address: str | None) -> bool:
    """Return whether an address is a phone number's."""
    return address is not None and address.endswith("@s.whatsapp.net")


def is_lid(address: str | None) -> bool:
    """Return whether an address is a LID."""
    return address is not None and address.endswith("@lid")


def is_person(address: str | None) -> bool:
    """Return whether an address is a person's."""
    return is_pn(address) or is_lid(address)


def identity(address: str | None, other: str | None, moment: int) -> list[Update]:
    """The update that two addresses were one person at a time, when one is a PN and the other a LID."""
    if address is not None and other is not None:
        if is_pn(address) and is_lid(other):
            return [IdentityUpdate(address, other, moment)]
        if is_lid(address) and is_pn(other):
            return [IdentityUpdate(other, address, moment)]
    return []


def lasting(address: str | None, other: str | None) -> str | None:
    """Return the LID among a person's two addresses, which is never reassigned; else the first."""
    return other if is_pn(address) and is_lid(other) else address
