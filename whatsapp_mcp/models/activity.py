"""What goes on in an account at the moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activity:
    """How far the archive's change feed is, and in which chats (jids) somebody is writing now."""

    last_change: int
    typing: tuple[str, ...] = ()
