"""Notices of what happened in a chat, by the number of the action, worded as in `decoding/history.py`.

The numbers are those on which several people agree who compared them with their own backups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.database import text_of

_NAME: Final = 256
_PEOPLE: Final = 1_024
_NEVER_SHOWN: Final = frozenset({19, 67, 68, 69, 129, 134})
"""That a chat is encrypted, that a business is one, that somebody is no contact."""
_SAID_OF_THE_OTHER: Final = frozenset({10, 18, 28, 57, 58})
_WITH_PEOPLE: Final = {
    4: "added",
    12: "added",
    13: "left:",
    14: "removed",
    15: "made admin:",
    16: "made no longer admin:",
    20: "joined by link:",
    79: "joined from the community:",
    81: "made admin:",
    82: "made no longer admin:",
}
_WITH_TEXT: Final = {1: "changed the group's name to {}", 11: "created the group {}"}
_PLAIN: Final = {
    5: "left",
    6: "changed the group's picture",
    7: "removed you from the group",
    9: "created the broadcast list",
    18: "has a new security code",
    27: "changed the group's description",
    29: "changed who may change the group's settings",
    30: "changed who may change the group's settings",
    31: "changed who may send messages",
    32: "changed who may send messages",
    56: "changed disappearing messages",
    57: "has a new security code",
    58: "was blocked or unblocked",
    59: "changed disappearing messages",
    70: "started a group call",
    84: "changed how new members are approved",
    85: "changed how new members are approved",
    91: "changed the group's settings",
    118: "pinned a message",
    132: "created the channel",
    165: "changed the username",
}
_NUMBER_CHANGES: Final = frozenset({10, 28})
_ADDED: Final = frozenset({4, 12})


class Notice(NamedTuple):
    """A sentence about people, who are mentioned in it."""

    text: str
    mentions: tuple[str, ...] = ()


def is_shown(action: Any) -> bool:
    """Return whether the app shows an action to a person as something that happened."""
    return action not in _NEVER_SHOWN


def is_about_the_other(action: Any) -> bool:
    """Return whether an action is about the other person of its chat, whoever the row names as sender."""
    return action in _SAID_OF_THE_OTHER


def notice(
    action: Any, text: Any, people: Sequence[str], numbers: Sequence[str], *, me: bool
) -> Notice | None:
    """Return the notice for an action; None for an unknown action.

    Args:
        action: Its number.
        text: What stands with it, such as the name of a group.
        people: Whom it is about.
        numbers: A former address and the new one.
        me: Whether it is about the owner.
    """
    if action in _NUMBER_CHANGES:
        if len(numbers) == 2:
            return _about("changed the phone number from {} to {}", numbers)
        return Notice("changed the phone number")
    if me and action in _ADDED:
        return Notice("added you to the group")
    if action in _WITH_PEOPLE:
        if not people:
            return Notice(f"{_WITH_PEOPLE[action].rstrip(':')} somebody")
        names = ", ".join(["{}"] * len(people[:_PEOPLE]))
        return _about(f"{_WITH_PEOPLE[action]} {names}", people[:_PEOPLE])
    if action in _WITH_TEXT:
        name = (text_of(text) or "")[:_NAME]
        return Notice(_WITH_TEXT[action].format(name).strip())
    return Notice(_PLAIN[action]) if action in _PLAIN else None


def _about(sentence: str, people: Sequence[str]) -> Notice:
    names = (f"@{person.partition('@')[0]}" for person in people)
    return Notice(sentence.format(*names), tuple(people))
