"""Long pages of one chat in fewer tokens: a line leaves out the sender that it shares with the line above.

    #1042 14:03 Ann: see you at eight
    #1043 14:03: I bring the cake
    #1044 14:03 Bob: great
    #1046 14:05 (re #1043): and the chairs?

Ref and time stay on every line, so that each can be cited alone. It stays one line a message, because a line
break is the one thing that nobody can write into a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.server.render.readings import HEARD
from whatsapp_mcp.server.render.times import DAY, TIME

if TYPE_CHECKING:
    from whatsapp_mcp.server.render.data import MessageData, MessagesData

LONG: Final = 40
"""Messages of a page; on shorter ones the explanation costs more than it saves."""
EXPLAINED: Final = ". A line without a sender is of the sender above"
"""Goes on with the heading of a list."""
_LIKE_A_HEAD: Final = re.compile(r"[:꞉∶ː˸։׃︓﹕：]\s|[#﹟＃]\s?\d")
"""What somebody may write so that their words seem to be a further line: the end of a head, or a ref."""
_OPENS_NOTES: Final = ("(", "{", HEARD)


def suits(page: MessagesData) -> bool:
    """Whether a page is long, and its messages come one after the other in one chat."""
    messages = page["messages"]
    return "chat" in page and len(messages) > LONG and not any("context" in message for message in messages)


class Heads:
    """Shortens the lines of one list, from the first to the last."""

    def __init__(self) -> None:
        self._day = ""
        self._sender: tuple[str, str] | None = None

    def shortened(self, line: str, message: MessageData, sender: tuple[str, str]) -> str:
        """The line as it stands below the one that was shortened before it.

        Words that look like a head themselves keep a whole one before them, so that they always stand behind
        the name of who wrote them.

        Args:
            line: `#1042 14:03 Ann (re #1040): yes`.
            message: What it is of.
            sender: The name in it, and the jid.
        """
        (name, _), day = sender, message["timestamp"][DAY]
        head = f"{message['ref']} {message['timestamp'][TIME]}"
        rest = line[len(head) + 1 + len(name) :]
        shared = (day, sender) == (self._day, self._sender)
        self._day, self._sender = day, sender
        if shared and not _LIKE_A_HEAD.search(rest.partition(": ")[2]):
            return f"{head}{rest}"
        return f"{head} “{name}”{rest}" if name.startswith(_OPENS_NOTES) else line
