"""Facts for the policy: about a chat, and whether what is to be sent was in another one.

That is many words of a text in a row, or a file. The length of a run is counted in quarters of a word
(`quarters`): twelve words are as long as twenty-four Chinese or forty-eight Thai characters. Emoji have no
length: they neither make a run nor break one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from whatsapp_mcp.archive.database import placeholders, quarters, tokens, value
from whatsapp_mcp.archive.read import chat_queries
from whatsapp_mcp.archive.read.lookup import chat_id
from whatsapp_mcp.archive.read.outbox_entries import SEND_CHATS, SEND_REQUEST, repeated_sources
from whatsapp_mcp.archive.read.reports import own
from whatsapp_mcp.archive.state import LEFT, STRANGER_SQL
from whatsapp_mcp.decoding import ADDED, CALL, JOINED, OWNER, SYSTEM, UNDECRYPTABLE, UNKNOWN, Flag
from whatsapp_mcp.jid import Jid, number_of
from whatsapp_mcp.models import ChatFacts, ChatKind, Content, ForwardContent, SendRequest, files_of

_KINDS: Final = {"g.us": ChatKind.GROUP, "newsletter": ChatKind.CHANNEL}
# What this companion sent is in the outbox; what a file says the owner wrote proves nothing, and neither does
# a notice of what somebody did: leaving a group, or changing its timer, is no sign of trust. Nor is what was
# written before the owner left, since whoever brought the owner back may have made it another group.
# INDEXED BY: SQLite may take the index of all messages of a chat, of which notices are few.
_OWNER_WROTE: Final = f"""SELECT EXISTS (SELECT 1 FROM messages AS m
 WHERE m.chat_id = :chat AND m.sender_id = {OWNER} AND NOT m.flags & {int(Flag.IMPORTED)}
 AND m.kind NOT IN ({SYSTEM}, {CALL}, {UNDECRYPTABLE}, {UNKNOWN})
 AND m.id > ifnull((SELECT max(j.id) FROM messages AS j INDEXED BY messages_notices
  WHERE j.chat_id = :chat AND j.kind = {SYSTEM} AND j.text IN ('{JOINED}', '{ADDED}')), 0)
 AND m.id >> 20 > ifnull((SELECT max(g.at) FROM members AS g JOIN addresses AS a ON a.id = g.address_id
  WHERE g.chat_id = :chat AND g.role = {LEFT} AND a.contact_id = {OWNER}), 0)
 AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.message_id = m.wa_id))"""  # noqa: S608
_STRANGER_IN: Final = f"""EXISTS (SELECT 1 FROM members AS m JOIN addresses AS a ON a.id = m.address_id
 JOIN contacts AS s ON s.id = a.contact_id WHERE m.chat_id = c.id AND m.role <> {LEFT}
 AND {STRANGER_SQL.format(c="s")}) OR NOT EXISTS (SELECT 1 FROM members WHERE chat_id = c.id)"""  # noqa: S608
# One statement for all groups of a list: it is asked before each list is shown. Who is in a group comes last,
# since there may be a thousand.
_FAMILIAR: Final = f"""SELECT c.jid FROM json_each(?) AS wanted JOIN chats AS c ON c.jid = wanted.value
 WHERE ({_OWNER_WROTE.replace(":chat", "c.id")}) OR NOT ({_STRANGER_IN})"""  # noqa: S608
WORDS: Final = 12
"""Words in a row that are no chance."""
_RUN: Final = 4 * WORDS
_BLOCK: Final = 21
"""Quarters of a word at which a block ends: with the token that reaches this, so a block has 24 quarters at
most. A run that begins in one block, behind its first token, has at most 23 of it, and room for all of the
next."""
_BLOCKS_AT_ONCE: Final = 40
_CANDIDATES: Final = 200
"""Messages that share a block, of which the words are compared; a block is long enough to be rare."""
_MARK_BYTES: Final = 12
"""Bytes of the SHA-256 of a file's content that are compared: as many as the names of copies on their way out
have."""
_LATEST: Final = 200
"""Sends that are looked at: there is no index for the rest, and budgets allow fewer in an hour."""
_WINDOW: Final = 20
"""Sends of a principal to a chat that are looked at together with a new one."""
_FILES: Final = 50
"""Most messages of other chats that are named for one file."""
_LEFT: Final = "status NOT IN ('held', 'scheduled', 'failed')"
_RECENT: Final = f"(SELECT * FROM outbox ORDER BY id DESC LIMIT {_LATEST})"  # noqa: S608
_NOT_BY_COMPANION: Final = """NOT EXISTS (
 SELECT 1 FROM outbox AS o WHERE m.sender_id = 0 AND o.message_id = m.wa_id)"""


def chat_facts(db: sqlite3.Connection, jid: str) -> ChatFacts:
    """Return the facts about a chat or a person; one without any facts is a stranger."""
    address = Jid.parse(jid)
    if address.is_person:
        return _of_person(db, jid)
    if address.server == "broadcast":
        kind = ChatKind.STATUS if address.user == "status" else ChatKind.BROADCAST
        return ChatFacts(jid, kind, has_strangers=True)
    known = chat_queries.chat(db, jid)
    kind = _KINDS.get(address.server, ChatKind.BROADCAST)
    members = chat_queries.members(db, jid, imported=False) if kind is ChatKind.GROUP else ()
    # A list that nobody was ever seen in is one that is not known; what a file says of it proves nothing.
    strangers = not members or any(not each.contact.known for each in members)
    wrote = bool(value(db, _OWNER_WROTE, {"chat": chat_id(db, jid)}))
    return ChatFacts(
        jid,
        kind,
        name=known.name if known else None,
        has_strangers=strangers,
        members=tuple(sorted(each.contact.jid for each in members)),
        owner_wrote=wrote,
    )


def familiar_groups(db: sqlite3.Connection, jids: Collection[str]) -> frozenset[str]:
    """The groups whose names the owner can be taken to know: all in them are known, or the owner wrote there.

    Who was in a group and has left counts as in it: this is asked for every group of a list.
    """
    return frozenset(jid for (jid,) in db.execute(_FAMILIAR, (json.dumps(list(jids)),)))


def distrust(
    db: sqlite3.Connection, wa_ids: Collection[str], groups: Collection[str]
) -> tuple[Mapping[str, frozenset[str]], frozenset[str]]:
    """Return `repeated_sources` and `familiar_groups` in one read: each list needs both."""
    return repeated_sources(db, wa_ids), familiar_groups(db, groups) if groups else frozenset()


def reassigned_since(db: sqlite3.Connection, jid: str, since: datetime) -> bool:
    """Return whether a number was reassigned since a time: it is seen with another LID than before."""
    count, newest = db.execute(
        "SELECT count(*), max(since) FROM number_history WHERE pn = ?", (jid,)
    ).fetchone()
    return count > 1 and newest >= int(since.timestamp())


def is_new_chat(db: sqlite3.Connection, jid: str) -> bool:
    """Return whether nobody, the account included, has written in a chat yet; imports prove nothing."""
    wrote = f"SELECT EXISTS (SELECT 1 FROM messages WHERE chat_id = ? AND NOT flags & {int(Flag.IMPORTED)})"  # noqa: S608
    return not value(db, wrote, (chat_id(db, jid),))


def _of_person(db: sqlite3.Connection, jid: str) -> ChatFacts:
    person = chat_queries.contact(db, jid)
    if person is None:
        return ChatFacts(jid, number=number_of(jid), is_own=jid in own(db)[:2])
    is_own = not {person.jid, person.lid, jid}.isdisjoint(filter(None, own(db)[:2]))
    number = person.number or number_of(jid)
    return ChatFacts(
        person.jid,
        number=number,
        lid=person.lid,
        name=person.name if person.known else None,
        is_own=is_own,
        is_known=person.known,
    )


class FileElsewhere(NamedTuple):
    """A message of another chat that may carry a file.

    Attributes:
        ref: Of the message.
        path: Where its file lies, if only the size is known to be the same; else it is that file.
    """

    ref: int
    path: str | None


def repeats_another_chat(db: sqlite3.Connection, text: str, chat: str, before: str = "") -> int | None:
    """The ref of the newest message in another chat with which a text has `WORDS` words in a row in common.

    None where there is no such message. What this companion sent elsewhere does not count: an agent may send
    one text of its own to several people.

    Args:
        db: The archive.
        text: What is to be sent.
        chat: Where to, by jid.
        before: What was sent there just before: a run may begin in it.
    """
    said = [*_end(tokens(before)), *tokens(text)]
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


def _end(said: Sequence[str]) -> list[str]:
    """The last tokens, not quite as many as a run has: so each run behind them holds something new."""
    weight = 0
    for at in range(len(said), 0, -1):
        weight += quarters(said[at - 1])
        if weight >= _RUN:
            return [*said[at:]]
    return [*said]


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


def sent_before(db: sqlite3.Connection, chat: str, principal: str, since: datetime) -> tuple[Content, ...]:
    """Return what a principal has sent to a chat since a time, oldest first; at most the last 20."""
    rows = db.execute(
        f"""SELECT request FROM {_RECENT} WHERE principal = ? AND chat_id IN ({SEND_CHATS})
        AND created_at >= ? AND {_LEFT} ORDER BY id DESC LIMIT {_WINDOW}""",  # noqa: S608
        (principal, chat_id(db, chat), chat, _ms(since)),
    ).fetchall()
    return tuple(request.content for _, request in _requests([(0, text) for (text,) in reversed(rows)]))


def files_elsewhere(
    db: sqlite3.Connection, path: str, digest: bytes, sizes: Collection[int], chat: str
) -> tuple[FileElsewhere, ...]:
    """The newest messages of other chats that carry a file, then those with one of its size and no digest.

    What this companion sent elsewhere does not count: it came from this computer. All files of the archive
    are looked at, some hundredths of a second for 100,000.

    Args:
        db: The archive.
        path: Of the file: a copy on its way out is named after what it was made of.
        digest: SHA-256 of its content.
        sizes: How many bytes it has, or what it was made of.
        chat: Where it is sent, by jid.
    """
    marks = {digest[:_MARK_BYTES], _mark_of(path) or digest[:_MARK_BYTES]}
    rows = db.execute(
        f"""SELECT m.ref, iif(d.sha256 IS NULL, d.path, NULL) FROM media AS d
        CROSS JOIN messages AS m ON m.id = d.message_id
        WHERE (substr(d.sha256, 1, {_MARK_BYTES}) IN ({placeholders(marks)})
         OR d.sha256 IS NULL AND d.path IS NOT NULL AND d.size IN ({placeholders(sizes)}))
        AND m.chat_id IS NOT ? AND {_NOT_BY_COMPANION}
        ORDER BY d.sha256 IS NULL, m.id DESC LIMIT {_FILES}""",  # noqa: S608
        (*marks, *sizes, chat_id(db, chat)),
    )
    return tuple(map(FileElsewhere._make, rows))


def forwards_since(db: sqlite3.Connection, since: datetime) -> int:
    """Count the forwards accepted since a time, among the last 200 sends.

    A file that is one of another chat's is forwarded, however it is sent.
    """
    rows = db.execute(
        f"""SELECT chat_id, request FROM {_RECENT} WHERE created_at >= ?
        AND json_extract(request, '$.content.kind') NOT IN ('text', 'reaction', 'edit', 'album_file')""",  # noqa: S608
        (_ms(since),),
    ).fetchall()
    count, files = 0, list[tuple[int, bytes]]()
    for chat, request in _requests(rows):
        count += isinstance(request.content, ForwardContent)
        marks = [mark for file in files_of(request.content) if (mark := _mark_of(file.path))]
        files += [(chat, mark) for mark in marks]
    return count + _of_other_chats(db, files)


def _of_other_chats(db: sqlite3.Connection, files: Sequence[tuple[int, bytes]]) -> int:
    if not files:
        return 0
    marks = {mark for _, mark in files}
    occurrences = {
        (mark, chat)
        for mark, chat in db.execute(
            f"""SELECT DISTINCT substr(d.sha256, 1, {_MARK_BYTES}) AS mark, m.chat_id FROM media AS d
            CROSS JOIN messages AS m ON m.id = d.message_id
            WHERE mark IN ({placeholders(marks)}) AND {_NOT_BY_COMPANION}""",  # noqa: S608
            (*marks,),
        )
    }
    return sum(any(mark == of and chat != to for of, chat in occurrences) for to, mark in files)


def _mark_of(path: str) -> bytes | None:
    """The beginning of the SHA-256 of what a copy on its way out was made of; None if its name has none."""
    with suppress(ValueError):
        mark = bytes.fromhex(Path(path).name.partition(".")[0])
        return mark if len(mark) == _MARK_BYTES else None
    return None


def _requests(rows: Sequence[tuple[int, str]]) -> list[tuple[int, SendRequest]]:
    """The requests that can be read: a damaged one is reported where sends are listed."""
    requests: list[tuple[int, SendRequest]] = []
    for chat, text in rows:
        with suppress(ValidationError):
            requests.append((chat, SEND_REQUEST.validate_json(text)))
    return requests


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
