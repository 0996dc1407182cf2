"""The next step for a person at a shell: errors and states are written for agents and name tools."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Final

_FOR_AN_AGENT: Final = re.compile(r"(?<![./\\\w])[a-z]+(?:_[a-z]+)+\b(?![./\\]\w)|\bcall\b|\bthe user\b")
"""Names of tools (all but `reconnect` and `react`, which are called), calls, and talk of the user.

Beside a dot or slash it is a part of a setting (`server.public_url`) or of a path.
"""
_TELL: Final = "Tell the user to "
_COMMANDS: Final = {
    "NOT_LINKED": "Run `whatsapp-mcp link`.",
    "unlinked": "Run `whatsapp-mcp link`.",
    "replaced": "Close the other client of the session, then run `whatsapp-mcp reconnect`.",
    "INVALID_ARGUMENT": "Correct it and run the command again.",
    "CHAT_NOT_FOUND": "Give the phone number with its country code, or the whole name.",
    "AMBIGUOUS_CHAT": "Give the number or jid of the one you mean, or its whole name.",
}
"""By error code or connection state."""
_OTHERWISE: Final = "See `whatsapp-mcp status`."
RECOVER: Final = (
    "Restore it from a backup (docs/backup.md), or run `whatsapp-mcp archive recover`, which makes a new one"
    " of what can be read."
)
"""What to do about a damaged archive."""

program_name: Final = ContextVar("program_name", default="whatsapp-mcp")
"""The program that runs: another one may have all of the commands."""


def advice(kind: str, action: str, account: str = "default") -> str:
    """What to do next, in commands.

    Args:
        kind: The error's code, or the connection's state.
        action: What the error or the state recommends.
        account: The account that the commands have to name.
    """
    told = action.removeprefix(_TELL)
    # What stands in backquotes is a shell command already.
    if _FOR_AN_AGENT.search(re.sub(r"`[^`]*`", "", told)):
        told = _COMMANDS.get(kind, _OTHERWISE)
    return for_account(told[:1].upper() + told[1:], account)


def for_account(text: str, account: str) -> str:
    """The text, with its commands in backquotes as they are run here.

    Each is one of the program that runs, which may be another with the same commands, and names the account
    if it takes one and does not name it.
    """
    if account != "default":
        text = re.sub(r"`(whatsapp-mcp (?!doctor\b)[^`]*)`", rf"`\1 --account {account}`", text)
    return text.replace("`whatsapp-mcp ", f"`{program_name.get()} ")
