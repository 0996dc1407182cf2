"""The line that describes a call: from its steps, or from the phone's call log."""

from __future__ import annotations

import sqlite3
from typing import Any

from whatsapp_mcp.archive.state import addons
from whatsapp_mcp.archive.state.addon_kinds import CALLS
from whatsapp_mcp.archive.state.addons import Target
from whatsapp_mcp.decoding import OWNER

_OUTCOMES = {
    "missed": "Missed {}",
    "rejected": "Declined {}",
    "cancelled": "Cancelled {}",
    "abandoned": "Cancelled {}",
    "failed": "Failed {}",
    "unavailable": "Missed {}",
    "connected": "{}",
    "scheduled": "Scheduled {}",
    "ongoing": "Ongoing {}",
    "acceptedelsewhere": "{}, answered on another device",
    "accepted_elsewhere": "{}, answered on another device",
    "silenced_by_dnd": "Missed {} (do not disturb)",
    "silenced_unknown_caller": "Missed {} (unknown caller silenced)",
}


def call_text(
    db: sqlite3.Connection, chat: int, call: str, from_me: bool, details: dict[str, Any], title: str
) -> str:
    """One line about a call."""
    what = "video call" if details.get("video") else "voice call"
    outcome = details.get("outcome")
    if outcome is None:
        target = Target(chat, call, OWNER)  # Whoever called: a step of a call is not of its author alone.
        steps = dict(one.says for one in addons.read_addons(db, CALLS, [target]).get(target, []))
        if "accept" in steps or steps.get("terminate") == "accepted_elsewhere":
            outcome = "accepted_elsewhere"
        elif "terminate" in steps and not from_me:
            outcome = "rejected" if "reject" in steps["terminate"] else "missed"
    line = _OUTCOMES.get(outcome or "", "{}").format(what)
    line = line[0].upper() + line[1:]
    duration = details.get("duration")
    if duration:
        line += f" ({duration // 60}:{duration % 60:02d})"
    return f"{line}: {title}" if title else line
