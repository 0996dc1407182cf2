"""Long pages of one chat in fewer tokens: the head of a line says only how it differs from the line above.

    #1042 14:03 Ann: see you at eight
    : I bring the cake
    Bob: great
    :05: and the chairs?

These are #1042 to #1045, two of Ann at 14:03 and two of Bob at 14:03 and 14:05. Nothing is lost: the line
above tells the rest of each head. It stays one line a message, because a line break is the one thing that
nobody can write into a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.server.render.file_notes import HEARD
from whatsapp_mcp.server.render.times import DAY, TIME

if TYPE_CHECKING:
    from whatsapp_mcp.server.render.data import MessageData, MessagesData

LONG: Final = 40
"""Messages of a page; on shorter ones the explanation costs more than it saves."""
EXPLAINED: Final = (
    ". A line leaves out the sender, hour or time that it shares with the line above, and a ref one higher"
)
"""Goes on with the heading of a list."""
_UNNUMBERED: Final = 3
"""Lines without a ref in a row: nobody has to count further than that."""
_HOUR: Final = slice(13)
_MINUTES: Final = slice(13, 16)
"""`:03` of a time in RFC 3339."""
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
        self._number = 0
        self._at = ""
        self._sender: tuple[str, str] | None = None
        self._unnumbered = 0

    def shortened(self, line: str, message: MessageData, sender: tuple[str, str]) -> str:
        """The line as it stands below the one that was shortened before it.

        Words that look like a head themselves keep a whole one before them, so that they always stand behind
        the name of who wrote them.

        Args:
            line: `#1042 14:03 Ann (re #1040): yes`.
            message: What it is of.
            sender: The name in it, and the jid.
        """
        ref, at, (name, _) = message["ref"], message["timestamp"], sender
        notes, _, words = line[len(ref) + len(at[TIME]) + len(name) + 2 :].partition(": ")
        number = int(ref[1:])
        goes_on = at[DAY] == self._at[DAY] and not _LIKE_A_HEAD.search(words)
        parts: list[str] = []
        if goes_on and number == self._number + 1 and self._unnumbered < _UNNUMBERED:
            self._unnumbered += 1
        else:
            self._unnumbered = 0
            parts.append(ref)
        if not goes_on or at[_HOUR] != self._at[_HOUR]:
            parts.append(at[TIME])
        elif at[_MINUTES] != self._at[_MINUTES]:
            parts.append(at[_MINUTES])
        if not goes_on or sender != self._sender:
            parts.append(f"“{name}”" if name.startswith(_OPENS_NOTES) else name)
        self._number, self._at, self._sender = number, at, sender
        return f"{' '.join(parts)}{notes if parts else notes.lstrip()}: {words}"
