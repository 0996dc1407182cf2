"""WhatsApp addresses.

A jid is `user[:device]@server`. A person has two: the phone-number form (PN, `15550001111@s.whatsapp.net`)
and the LID ( `83746@lid`). Groups live at `g.us`, channels at `newsletter`, the status feed
is `status@broadcast`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from whatsapp_mcp.errors import InvalidArgument

USER_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"
CHANNEL_SERVER = "newsletter"
BROADCAST_SERVER = "broadcast"
STATUS_JID = f"status@{BROADCAST_SERVER}"

_JID = re.compile(r"(?P<user>[0-9A-Za-z_.-]+)(?::(?P<device>\d{1,3}))?@(?P<server>[a-z.]+)")
_SERVERS = {
    USER_SERVER,
    "c.us",
    LID_SERVER,
    GROUP_SERVER,
    CHANNEL_SERVER,
    BROADCAST_SERVER,
    "hosted",
    "hosted.lid",
    "bot",
}
_PERSONS = {USER_SERVER, LID_SERVER, "hosted", "hosted.lid"}
_KEPT = 1024
"""Texts of which `is_person` remembers the answer: lists ask about the same people again and again."""
_SPELLINGS = (
    (re.compile(r"55(\d\d)9?(\d{8})", re.ASCII), ("55{}9{}", "55{}{}")),
    (re.compile(r"521?(\d{10})", re.ASCII), ("52{}", "521{}")),
    (re.compile(r"549?(\d{10})", re.ASCII), ("54{}", "549{}")),
)
"""Numbers of a country, and how each may be written."""
_NUMBER = re.compile(r"[+＋]?[\d\s().\-/\u2010-\u2015]{5,24}")
"""Also as it is copied from a page: with a full-width plus, and any of the dashes."""


@dataclass(frozen=True, slots=True, order=True)
class Jid:
    """One WhatsApp address; `device` is 0 for a person or a phone."""

    user: str
    server: str
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `user[:device]@server`; `c.us` becomes `s.whatsapp.net`.

        Raises:
            InvalidArgument: The text is not a jid.
        """
        match = _JID.fullmatch(text.strip())
        if match is None or match["server"] not in _SERVERS:
            raise InvalidArgument(
                "This is not a WhatsApp address.", "Give user@server, a phone number or a name."
            )
        server = USER_SERVER if match["server"] == "c.us" else match["server"]
        return cls(match["user"], server, int(match["device"] or 0))

    @classmethod
    def phone(cls, number: str) -> Self:
        """The PN jid of an E.164 number (`+15550001111` or its digits)."""
        return cls(number.lstrip("+"), USER_SERVER)

    def __str__(self) -> str:
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}"

    @property
    def bare(self) -> Jid:
        """The same address without its device number."""
        return Jid(self.user, self.server)

    @property
    def is_person(self) -> bool:
        """True if the address is a person's, a phone number or a LID."""
        return self.server in _PERSONS

    @property
    def is_lid(self) -> bool:
        """True if the address is a LID."""
        return self.server in {LID_SERVER, "hosted.lid"}

    @property
    def is_group(self) -> bool:
        """True if the address is a group's."""
        return self.server == GROUP_SERVER

    @property
    def is_channel(self) -> bool:
        """True if the address is a channel's."""
        return self.server == CHANNEL_SERVER

    @property
    def number(self) -> str | None:
        """The E.164 number with `+`, for a PN jid; else None."""
        return f"+{self.user}" if self.server == USER_SERVER and self.user.isdigit() else None


def looks_like_jid(text: str) -> bool:
    """Return whether the text has the form of a jid (its server may still be unknown)."""
    return _JID.fullmatch(text.strip()) is not None


@lru_cache(_KEPT)
def is_person(jid: str) -> bool:
    """Return whether any text is a person's jid, by the rule of `Jid.is_person`."""
    return jid.rpartition("@")[2] in _PERSONS


def number_of(jid: str | None) -> str | None:
    """The E.164 number in a PN jid; as `Jid.number`, of any text."""
    user, _, server = (jid or "").partition("@")
    # `isdigit` alone is true of the digits of every script.
    return f"+{user}" if server == USER_SERVER and user.isascii() and user.isdigit() else None


def looks_like_number(text: str) -> bool:
    """Return whether the text consists only of the characters of a phone number."""
    return _NUMBER.fullmatch(_visible(text)) is not None


def reads_as_address(text: str) -> bool:
    """Return whether a text would pass for a phone number or a jid."""
    return looks_like_number(text) or looks_like_jid(text)


def _visible(text: str) -> str:
    """Without the marks of direction in which phones wrap a number that is copied."""
    return "".join(each for each in text if unicodedata.category(each) != "Cf").strip()


def parse_chat(text: str) -> str:
    """The jid of a chat that a person names exactly: a number with `+`, or the jid of a person or group.

    Raises:
        InvalidArgument: It is neither; a name is not exact.
    """
    given = text.strip()
    if given.startswith("+"):
        return str(parse_number(given))
    jid = Jid.parse(given) if looks_like_jid(given) else None
    if jid is None or not (jid.is_person or jid.is_group):
        raise InvalidArgument(
            f"{text!r} names no chat.", "Give a number with + and country code, or the jid of a chat."
        )
    return str(jid.bare)


def parse_number(text: str, region: str | None = None) -> Jid:
    """The PN jid of a phone number in any usual form.

    Args:
        text: `+1 555 000 1111`, `0049…`, or national digits when `region` is given; digits without `+` are
            read as starting with the country code.
        region: Two-letter country for national numbers.

    Raises:
        InvalidArgument: It is not a possible phone number.
    """
    import phonenumbers  # slow to import, and most processes start before they need it

    stripped = _visible(text)
    # The region first: national digits may also read as a number of another country.
    attempts: list[tuple[str, str | None]] = [(stripped, region)] if region else []
    digits = re.sub(r"\D", "", stripped)
    attempts.append((f"+{digits if stripped.startswith(('+', '＋')) else digits.removeprefix('00')}", None))
    for candidate, where in attempts:
        try:
            parsed = phonenumbers.parse(candidate, where)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
            return Jid.phone(e164)
    raise InvalidArgument(
        f"{text!r} is not a phone number.", "Give it with its country code, for example +15550001111."
    )


def other_spellings(jid: str) -> tuple[str, ...]:
    """The jids that the owner of this number may have on WhatsApp instead.

    Brazil, Mexico and Argentina have changed how mobile numbers are dialled; WhatsApp keeps some as they were
    when their owners joined: without the 9 before eight digits in Brazil, with a 1 or a 9 behind the country
    code in Mexico and Argentina.
    """
    user, _, server = jid.partition("@")
    if server != USER_SERVER:
        return ()
    for pattern, forms in _SPELLINGS:
        match = pattern.fullmatch(user)
        if match is not None:
            written = (form.format(*match.groups()) for form in forms)
            return tuple(f"{each}@{server}" for each in written if each != user)
    return ()
