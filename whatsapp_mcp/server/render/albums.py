"""Albums in lists: one line for all files of one, as far as they have nothing to say of their own.

#12 14:03 Ann: [album of 4: #13 #14 #15, 1 not here]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from whatsapp_mcp.server.render.data import MessageData

_PLAIN: Final = frozenset(
    {
        *("ref", "message_id", "from_me", "sender", "sender_name", "sender_stranger", "kind", "text"),
        *("timestamp", "media", "album_of", "chat", "chat_name", "chat_stranger", "forwarded"),
        *("reading", "status"),
    }
)
"""What a file in an album may have beside the album's line, which need not be shown."""
_SETTLED: Final = frozenset({None, "sent", "delivered", "read"})


def shown(message: MessageData) -> str:
    """`[album of 4: #13 #14 #15, 1 not here]`; empty if it is no album."""
    if "album" not in message:
        return ""
    expected, files = message["album"]["expected"], message["album"]["files"]
    missing = f", {expected - len(files)} not here" if files and expected > len(files) else ""
    return f"[album of {expected}: {' '.join(files) or 'none is here'}{missing}]"


def belongs(message: Mapping[str, Any], _: object) -> str:
    """The note of a file that has a line of its own."""
    return f"in album {message['album_of']}"


def unfolded(messages: Sequence[MessageData]) -> Iterator[MessageData]:
    """The messages that get lines: not the plain files of an album that is among them."""
    told = {ref for message in messages if "album" in message for ref in message["album"]["files"]}
    for message in messages:
        if message["ref"] not in told or not _is_plain(message):
            yield message


def _is_plain(message: MessageData) -> bool:
    settled = message.get("status") in _SETTLED
    return settled and not message["text"] and _PLAIN.issuperset(message)
