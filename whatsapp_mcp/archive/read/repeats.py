"""Whether a text repeats what somebody wrote in another chat, or a file there says: many words in a row.

The length of a run is counted in quarters of a word (`quarters`): twelve words are as long as twenty-four
Chinese or forty-eight Thai characters. Emoji have no length: they neither make a run nor break one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from whatsapp_mcp.archive.database import quarters, tokens
from whatsapp_mcp.archive.read.lookup import chat_id

WORDS: Final = 12
"""Words in a row that are no chance."""
_RUN: Final = 4 * WORDS
_BLOCK: Final = 21
"""Where a block ends: with the token that reaches this, so a block has 24 quarters at most. A run that
begins in one block, behind its first token, has at most 23 of it, and room for all of the next."""
_BLOCKS_AT_ONCE: Final = 40
_CANDIDATES: Final = 200
"""Messages that share a block, of which the words are compared; a block is long enough to be rare."""


def repeats_another_chat(db: sqlite3.Connection, text: str, chat: str) -> int | None:
    """The ref of the newest message in another chat with which a text has `WORDS` words in a row in common.

    None where there is no such message. What this companion sent elsewhere does not count: an agent may send
    one text of its own to several people.

    Args:
        db: The archive.
        text: What is to be sent.
        chat: Where to, by jid.
    """
    said = tokens(text)
    runs = frozenset(_runs(said))
    if not runs:
        return None
    here = chat_id(db, chat)
    blocks = list(_blocks(said))
    for at in range(0, len(blocks), _BLOCKS_AT_ONCE):
        match = " OR ".join(f'"{block}"' for block in blocks[at : at + _BLOCKS_AT_ONCE])
        for ref, *written in db.execute(
            """SELECT m.ref, m.text, (SELECT text FROM readings WHERE message_id = m.id)
            FROM fts CROSS JOIN messages AS m ON m.id = fts.rowid
            WHERE fts MATCH ? AND m.chat_id IS NOT ? AND NOT EXISTS (
                SELECT 1 FROM outbox AS o WHERE m.sender_id = 0 AND o.message_id = m.wa_id)
            ORDER BY fts.rowid DESC LIMIT ?""",
            (f"body : ({match})", here, _CANDIDATES),
        ):
            if any(not runs.isdisjoint(_runs(tokens(other))) for other in written if other):
                return ref
    return None


def _runs(said: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """From each token on, the shortest run that is long enough: the same for every text that holds it."""
    words = [(token, weight) for token in said if (weight := quarters(token))]
    end = weight = 0
    for start, (_, first) in enumerate(words):
        while weight < _RUN and end < len(words):
            weight += words[end][1]
            end += 1
        if weight < _RUN:
            return
        yield tuple(token for token, _ in words[start:end])
        weight -= first


def _blocks(said: Sequence[str]) -> Iterator[str]:
    """The text in pieces, of which each run holds one at least, as phrases of the index."""
    block: list[str] = []
    weight = 0
    for token in said:
        block.append(token)
        weight += quarters(token)
        if weight >= _BLOCK:
            yield " ".join(block)
            block, weight = [], 0
