"""The kinds of add-ons. Each is declared once, in `ADDONS`; everything else follows from that.

`docs/architecture.md` has the steps by which a kind is added. It is then written, purged with its message,
deleted with what was deleted for everyone, and settles a send that it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from whatsapp_mcp import decoding
from whatsapp_mcp.decoding import (
    CallUpdate,
    EditUpdate,
    KeepUpdate,
    ReactionUpdate,
    ReceiptUpdate,
    RevokeUpdate,
    SealedUpdate,
    Update,
    VoteUpdate,
)


@dataclass(frozen=True, slots=True)
class AddOn:
    """A kind of add-on.

    Attributes:
        update: The update that brings it.
        table: Its table: `wa_id`, `chat_address`, `sender_address`, `at`, and `columns`.
        columns: What it says.
        values: The values of `at` and of `columns` in an update.
        key: The columns that distinguish several of one person at one moment.
        worth: SQL; of several of one person at one moment, the one with the greatest value counts.
        milliseconds: Whether `at` counts those, and not seconds.
        by_author: Only the author of a message can have done it.
        erased: It goes when its message is deleted for everyone, and does not come back.
        kept: How many of a message are kept, the newest first; 0: all.
        names_send: SQL for those that show that WhatsApp has the message, if the owner sent it.
        word: What stands after `is:` in a search for the messages of which the newest one has a `worth`.
        imported: Its number in `imported_addons`, if files can bring it, and SQL for `columns` there.
    """

    update: type[Update]
    table: str
    columns: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    key: tuple[str, ...] = ()
    worth: str = "0"
    milliseconds: bool = False
    by_author: bool = False
    erased: bool = True
    kept: int = 0
    names_send: str | None = None
    word: str | None = None
    imported: tuple[int, str] | None = None

    @property
    def unit(self) -> int:
        """The number of units of `at` in a second."""
        return 1000 if self.milliseconds else 1


REACTIONS: Final = AddOn(
    ReactionUpdate,
    "reactions",
    ("emoji",),
    lambda update: (update.at_ms, update.emoji),
    worth="emoji",
    milliseconds=True,
    kept=decoding.MAX_ADDONS,
    names_send="1",
    imported=(0, "says"),
)
KEEPS: Final = AddOn(
    KeepUpdate,
    "keeps",
    ("kept",),
    lambda update: (update.at_ms, update.kept),
    key=("kept",),
    worth="kept",
    milliseconds=True,
    kept=decoding.MAX_ADDONS,
    names_send="1",
    word="kept",
)
VOTES: Final = AddOn(
    VoteUpdate,
    "votes",
    ("payload", "iv", "voter_jid", "options"),
    lambda update: (update.at_ms, update.payload or b"", update.iv, update.voter_jid, update.options),
    worth="options",
    milliseconds=True,
    kept=decoding.MAX_ADDONS,
    names_send="1",
    imported=(1, "x'', NULL, NULL, says"),
)
EDITS: Final = AddOn(
    EditUpdate,
    "edits",
    ("text",),
    lambda update: (update.at_ms, update.content.text),
    worth="text",
    milliseconds=True,
    by_author=True,
    kept=decoding.MAX_EDITS,
    names_send="1",
)
REVOKES: Final = AddOn(
    RevokeUpdate, "revokes", (), lambda update: (update.at,), by_author=True, erased=False, names_send="1"
)
SEALED: Final = AddOn(
    SealedUpdate,
    "sealed",
    ("own_id", "name", "sender_jid", "payload", "iv"),
    lambda update: (update.at, update.own_id, update.name, update.sender_jid, update.payload, update.iv),
    key=("own_id",),
    names_send="1",
)
CALLS: Final = AddOn(
    CallUpdate,
    "calls",
    ("step", "reason"),
    lambda update: (update.at, update.step, update.reason),
    key=("step",),
    worth="reason",
    erased=False,
)
EARLY_RECEIPTS: Final = AddOn(
    ReceiptUpdate,
    "early_receipts",
    ("kind",),
    lambda update: (update.at, int(update.mark)),
    key=("kind",),
    erased=False,
    names_send="kind != 0",
)
ADDONS: Final = (REACTIONS, KEEPS, VOTES, EDITS, REVOKES, SEALED, CALLS, EARLY_RECEIPTS)
OF_UPDATE: Final = {kind.update: kind for kind in ADDONS}
