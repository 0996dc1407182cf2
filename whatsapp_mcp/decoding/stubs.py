"""System messages of the phone's history: number of the stub to a sentence."""

from __future__ import annotations

from typing import Any, Final

from whatsapp_mcp.decoding import limits
from whatsapp_mcp.decoding.kinds import bare
from whatsapp_mcp.decoding.updates import Content
from whatsapp_mcp.models import MessageKind

_CIPHERTEXT: Final = 2
_MISSED_CALLS: Final = {40: False, 41: True, 45: False, 46: True, 169: False, 170: True}
_WITH_PEOPLE: Final = {
    27: "added",
    28: "removed",
    29: "made admin:",
    30: "made no longer admin:",
    31: "invited",
    32: "left:",
    33: "changed the number of",
    71: "joined by link:",
    140: "accepted",
    141: "joined:",
}
_WITH_TEXT: Final = {
    20: "created the group {}",
    21: "changed the group's name to {}",
    64: "changed the business name to {}",
    142: "created the community {}",
}
_PLAIN: Final = {
    22: "changed the group's picture",
    23: "reset the group's invite link",
    24: "changed the group's description",
    25: "changed who may change the group's settings",
    26: "changed who may send messages",
    38: "has a new security code",
    42: "changed the phone number",
    43: "deleted the group",
    72: "changed disappearing messages",
    122: "was blocked or unblocked",
    132: "An admin deleted this message",
    145: "changed how new members are approved",
    171: "changed who may add members",
    177: "pinned a message",
}


def stub_content(value: Any) -> Content | None:
    """What a `WebMessageInfo` without a message says; None for what a person never sees."""
    stub = value.messageStubType
    if stub == _CIPHERTEXT:
        return Content(MessageKind.UNDECRYPTABLE)
    if stub in _MISSED_CALLS:
        return Content(
            MessageKind.CALL, details={"call": {"video": _MISSED_CALLS[stub], "outcome": "missed"}}
        )
    if stub == 1:
        return Content(MessageKind.TEXT)
    parameters = list(value.messageStubParameters)
    if stub in _WITH_PEOPLE:
        people = [person for text in parameters if (person := bare(text))]
        names = ", ".join(f"@{person.partition('@')[0]}" for person in people)
        return Content(
            MessageKind.SYSTEM, f"{_WITH_PEOPLE[stub]} {names}".strip(), details={"mentions": people}
        )
    if stub in _WITH_TEXT:
        text = limits.bounded_text(parameters[0], limits.MAX_NAME) if parameters else ""
        return Content(MessageKind.SYSTEM, _WITH_TEXT[stub].format(text).strip())
    if stub in _PLAIN:
        return Content(MessageKind.SYSTEM, _PLAIN[stub])
    return None
