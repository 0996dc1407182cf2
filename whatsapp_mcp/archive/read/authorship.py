"""Whose words a message of this account may repeat: those that were handed out to the agent that wrote it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Final

from whatsapp_mcp.archive.database import ID_BITS
from whatsapp_mcp.decoding import OWNER

_ANSWERED_WITHIN: Final = 600
"""Seconds between a hand-over and WhatsApp's time of the message, by two clocks."""
# As the index `outbox_edited` has it.
_EDITED: Final = (
    "CASE WHEN json_valid(o.request) THEN iif(json_extract(o.request, '$.content.kind') = 'edit', "
    "json_extract(o.request, '$.content.message_id'), NULL) END"
)
_SENT: Final = f"""SELECT j.value, o.scheduling FROM json_each(?1) AS j CROSS JOIN outbox AS o
 WHERE o.message_id = j.value AND o.scheduling NOTNULL
 UNION ALL SELECT j.value, o.scheduling FROM json_each(?1) AS j CROSS JOIN outbox AS o
 WHERE {_EDITED} = j.value AND o.scheduling NOTNULL AND o.status NOT IN ('held', 'scheduled', 'failed')"""  # noqa: S608
# No answer has told the id of its message yet: what the owner's devices wrote there meanwhile may be it.
_WITHOUT_ID: Final = f"""SELECT m.wa_id, o.scheduling FROM outbox AS o JOIN messages AS m
 ON m.chat_id = o.chat_id AND m.sender_id = {OWNER}
 AND m.id BETWEEN (o.handed_at / 1000 - {_ANSWERED_WITHIN}) << {ID_BITS}
 AND (o.handed_at / 1000 + {_ANSWERED_WITHIN}) << {ID_BITS}
 WHERE o.status IN ('queued', 'sending', 'unknown') AND o.handed_at NOTNULL
 AND o.message_id IS NULL AND o.scheduling NOTNULL
 AND m.wa_id IN (SELECT value FROM json_each(?))
 AND NOT EXISTS (SELECT 1 FROM outbox AS p WHERE p.message_id = m.wa_id)"""  # noqa: S608

QUERIES: Final = (_SENT, _WITHOUT_ID)
"""Each takes the ids as JSON, and goes by indexes."""


def repeated_sources(db: sqlite3.Connection, wa_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Whose words had been handed out to the agents that wrote or edited these messages, by WhatsApp's id.

    A message that no agent wrote is left out, and so is one whose agent had been given nobody's words.

    Args:
        db: The archive.
        wa_ids: Of messages of this account, or of any.
    """
    found: dict[str, frozenset[str]] = {}
    if not wa_ids:
        return found
    asked = json.dumps(list(wa_ids))
    for wa_id, authorship in (row for query in QUERIES for row in db.execute(query, (asked,))):
        if sources := _sources(authorship):
            found[wa_id] = found.get(wa_id, frozenset()) | sources
    return found


def _sources(authorship: str) -> frozenset[str]:
    """The sources of a stored authorship; of a damaged one, all."""
    try:
        return frozenset(map(str, json.loads(authorship)["sources"]))
    except (ValueError, TypeError, KeyError):
        return frozenset({"stranger", "contact"})
