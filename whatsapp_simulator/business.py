"""Businesses: their verified name and their public profile.

The name is sent as a certificate (`VerifiedNameCertificate`): in every message of the business, and in the
answer to a usync query for `business`. The profile has a query of its own (`w:biz`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from whatsapp_mcp.protobufs import VnameCert
from whatsapp_simulator.binary import Node
from whatsapp_simulator.signal.xeddsa import Random, sign

_ISSUER = "smb:wa"  # the small-business app; `ent:wa` signs for enterprises
_VERSION = "1"
_CATEGORY = "1223524174334504"


class Profile(TypedDict, total=False):
    """The public profile of a business.

    Attributes:
        hours: (opens, closes) in minutes after midnight, by day (`mon`, `tue` ...); others are closed.
        timezone: The zone of the hours, an IANA name.
    """

    description: str
    address: str
    email: str
    website: str
    category: str
    hours: Mapping[str, tuple[int, int]]
    timezone: str


@dataclass(frozen=True, slots=True)
class Business:
    """A business: its verified name, the number of its certificate, and its profile."""

    name: str
    serial: int
    profile: Profile


def verified_name(business: Business, signer: bytes, random: Random) -> Node:
    """The child of a message or a usync answer with a business's certificate; `signer` is its private key."""
    details = VnameCert.VerifiedNameCertificate.Details(
        serial=business.serial, issuer=_ISSUER, verifiedName=business.name
    ).SerializeToString()
    signature = sign(signer, details, random)
    certificate = VnameCert.VerifiedNameCertificate(details=details, signature=signature)
    attrs = {"v": _VERSION, "level": "unknown", "serial": business.serial}
    return Node("verified_name", attrs, certificate.SerializeToString())


def profile(business: Business) -> list[Node]:
    """The children of a business's `<profile>`."""
    shown = business.profile
    texts = {tag: shown.get(tag, "") for tag in ("address", "description", "website", "email")}
    nodes = [Node(tag, {}, text) for tag, text in texts.items() if text]
    if "category" in shown:
        nodes.append(Node("categories", {}, [Node("category", {"id": _CATEGORY}, shown["category"])]))
    if "hours" in shown:
        days = [_opening(day, *hours) for day, hours in shown["hours"].items()]
        nodes.append(Node("business_hours", {"timezone": shown.get("timezone", "UTC")}, days))
    return nodes


def _opening(day: str, opens: int, closes: int) -> Node:
    attrs = {"day_of_week": day, "mode": "specific_hours", "open_time": opens, "close_time": closes}
    return Node("business_hours_config", attrs)
