"""Messages as they read now: their text after edits and a revoke, votes, a call's line, files of an album.

What a message says is its original, the edits of its own sender, a revoke; whichever comes first. Who belongs
to an album is resolved when it is read, since its files come in any order, and some never.

A vote on a poll holds the SHA-256 of each chosen option's name, sealed with AES-256-GCM. The key is
HKDF-SHA256 of the poll's message secret with the info "poll id + poll author + voter + 'Poll Vote'", the
additional data "poll id + NUL + voter"; both jids may stand in either form (whatsmeow, `msgsecret.go`). Votes
are counted option by option.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from itertools import product
from typing import Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import DecodeError

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive import database
from whatsapp_mcp.archive.database import ID_BITS, column, placeholders
from whatsapp_mcp.archive.state.addon_kinds import CALLS, EDITS, REVOKES
from whatsapp_mcp.archive.state.addons import Target, addon_messages, erase_addons, read_addons, target_of
from whatsapp_mcp.archive.state.imported_copies import drop_file
from whatsapp_mcp.archive.state.number_history import People
from whatsapp_mcp.decoding import OWNER, PLACEHOLDERS, POLL, Flag
from whatsapp_mcp.protobufs.bounded import parsed

POLL_VOTE = "Poll Vote"
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
"""How a call ended, as WhatsApp names it, and its line; `{}` is the kind of call."""
_EARLIER: Final = 60
"""Seconds before an album in which a file of it may be dated."""
_WITHIN: Final = 1_000
"""Messages of the chat among which the files of an album are looked for."""
MOST_FILES: Final = 100
"""Most files of one album, as in WhatsApp's apps."""


def apply_versions(db: sqlite3.Connection, message: int) -> Literal["edit", "revoke"] | None:
    """Bring a message's row in line with what is known of its edits and revokes; says what changed."""
    target = target_of(db, message)
    revokes = read_addons(db, REVOKES, [target]).get(target)
    kind, text, original, edited_at, revoked_at = db.execute(
        "SELECT kind, text, original, edited_at, revoked_at FROM messages WHERE id = ?", (message,)
    ).fetchone()
    if revokes:
        erase(db, message, revokes[0].at)
        return "revoke" if revoked_at is None else None
    if kind in PLACEHOLDERS or revoked_at is not None:  # a file said that it was deleted
        return None
    edits = read_addons(db, EDITS, [target]).get(target)
    if not edits:
        return None
    _, newest_at, (newest,) = edits[-1]
    if edited_at == newest_at // 1000 and text == newest:
        return None
    if original is None and edited_at is not None and edited_at >= newest_at // 1000:
        return None  # a file has a later text of it
    db.execute(
        """UPDATE messages SET original = iif(edited_at IS NULL, text, original), text = ?, edited_at = ?
        WHERE id = ?""",
        (newest, newest_at // 1000, message),
    )
    database.reindex_message(db, message)
    return "edit"


def erase(db: sqlite3.Connection, message: int, revoked_at: int) -> None:
    """Take the content out of a message that was deleted for everyone, and its add-ons; its row stays.

    Its raw form and its file go too: `Ingest` reads `raw_gone` (`schema.RAW_GONE`). What was seen under a LID
    has shown whose the message is, and that is kept.
    """
    named = erase_addons(db, target_of(db, message))
    db.execute(
        """UPDATE messages SET text = '', original = NULL, details = NULL, flags = flags & ?, revoked_at = ?,
        edited_at = NULL, via = iif(?, NULL, via) WHERE id = ?""",
        (Flag.TWICE | Flag.IMPORTED, revoked_at, named, message),
    )
    # What came over the connection stays a placeholder; what files say of it is as deleted as it.
    db.execute(
        """DELETE FROM imported_copies WHERE import_id != 0
        AND ref = (SELECT ref FROM messages WHERE id = ?)""",
        (message,),
    )
    db.execute(
        """INSERT INTO raw_gone VALUES (?1, (SELECT path FROM media WHERE message_id = ?1), NULL)
        ON CONFLICT DO UPDATE SET path = coalesce(excluded.path, path), becomes = NULL""",
        (message,),
    )
    drop_file(db, message)
    database.unindex_message(db, message)


def apply_versions_of(db: sqlite3.Connection, people: Collection[int]) -> None:
    """Apply edits and revokes of every message under the addresses of some people, who have new ones."""
    addresses = f"""SELECT a.id FROM addresses AS a WHERE a.contact_id IN ({placeholders(people)})
        UNION SELECT n.id FROM addresses AS a JOIN number_history AS h ON h.lid = a.jid
        JOIN addresses AS n ON n.jid = h.pn WHERE a.contact_id IN ({placeholders(people)})"""  # noqa: S608
    for kind in (EDITS, REVOKES):
        for wa_id, chat_address in db.execute(
            # Materialized: worked out once, not again for each row of the table.
            f"""WITH theirs AS MATERIALIZED ({addresses})
            SELECT DISTINCT wa_id, chat_address FROM {kind.table}
            WHERE chat_address IN theirs OR sender_address IN theirs""",  # noqa: S608
            [*people, *people],
        ).fetchall():
            for message, *_ in addon_messages(db, wa_id, chat_address):
                apply_versions(db, message)


def secret_key(secret: bytes, message_id: str, author: str, sender: str, use: str) -> bytes:
    """The key that seals an add-on of a message."""
    info = message_id.encode() + author.encode() + sender.encode() + use.encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)


def open_vote(
    secret: bytes, poll: str, authors: list[str], voters: list[str], payload: bytes, iv: bytes
) -> bytes | None:
    """The joined SHA-256 of the chosen options, or None when no form of the two jids opens it."""
    for author, voter in product(authors, voters):
        key = secret_key(secret, poll, author, voter, POLL_VOTE)
        try:
            plain = AESGCM(key).decrypt(iv, payload, f"{poll}\x00{voter}".encode())
            return b"".join(parsed(protobufs.E2E.PollVoteMessage, plain).selectedOptions)
        # Under which form of the two jids it was sealed shows only by trying.
        except (InvalidTag, ValueError, DecodeError):
            continue
    return None


def open_sealed_votes(db: sqlite3.Connection, chat: int, poll: str) -> bool:
    """Open the sealed votes of a poll that can be opened now; whether all are open."""
    sealed = db.execute(
        """SELECT chat_address, sender_address, at, payload, iv, voter_jid FROM votes
        WHERE wa_id = ? AND options IS NULL
        AND chat_address IN (SELECT address_id FROM chat_addresses WHERE chat_id = ?)""",
        (poll, chat),
    ).fetchall()
    if not sealed:
        return True
    copies = db.execute(
        """SELECT sender_id, details ->> 'secret' FROM messages
        WHERE chat_id = ? AND wa_id = ? AND kind = ? AND details IS NOT NULL""",
        (chat, poll, POLL),
    ).fetchall()
    secret = next((secret for _, secret in copies if secret), None)
    if secret is None:
        return False
    authors = [jid for sender, _ in copies for jid in contact_addresses(db, sender)]
    done = True
    for chat_address, voter, at, payload, iv, voter_jid in sealed:
        given: list[str] = [voter_jid] if voter_jid else []
        voters = list(dict.fromkeys(given + address_forms(db, voter)))
        options = open_vote(bytes.fromhex(secret), poll, authors, voters, payload, iv)
        if options is None:
            done = False
            continue
        db.execute(
            """UPDATE votes SET options = ?
            WHERE (wa_id, chat_address, sender_address, at, payload) = (?, ?, ?, ?, ?)""",
            (options, poll, chat_address, voter, at, payload),
        )
    return done


def open_waiting_votes(db: sqlite3.Connection) -> None:
    """Open every vote that can be opened now that more is known of who is who."""
    for chat, poll in db.execute(
        """SELECT DISTINCT v.chat_id, t.wa_id FROM votes AS t
        JOIN chat_addresses AS v ON v.address_id = t.chat_address WHERE t.options IS NULL"""
    ).fetchall():
        open_sealed_votes(db, chat, poll)


def contact_addresses(db: sqlite3.Connection, contact: int) -> list[str]:
    """Every address that a contact has or had."""
    return column(
        db,
        """SELECT jid FROM addresses WHERE contact_id = ?1 UNION SELECT h.pn FROM number_history AS h
        JOIN addresses AS a ON a.jid = h.lid WHERE a.contact_id = ?1""",
        (contact,),
    )


def address_forms(db: sqlite3.Connection, address: int) -> list[str]:
    """Every address of those who have, or had, an address; 0 is the owner's."""
    people = People(db)
    record = people.address(address)
    having = people.history(record.jid).people if record.reassigned and record.is_number else [record.contact]
    return [jid for contact in having for jid in contact_addresses(db, contact)]


def chosen_options(options: list[str], votes: bytes) -> list[str]:
    """The names of the options in a vote."""
    hashes = {votes[start : start + 32] for start in range(0, len(votes), 32)}
    return [name for name in options if hashlib.sha256(name.encode()).digest() in hashes]


def call_text(
    db: sqlite3.Connection, chat: int, call: str, from_me: bool, details: dict[str, Any], title: str
) -> str:
    """One line about a call."""
    what = "video call" if details.get("video") else "voice call"
    outcome = details.get("outcome")
    if outcome is None:
        target = Target(chat, call, OWNER)  # Whoever called: a step of a call is not of its author alone.
        steps = dict(one.says for one in read_addons(db, CALLS, [target]).get(target, []))
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


def album_files(db: sqlite3.Connection, message: int, album: Target, expected: int) -> tuple[int, ...]:
    """The refs of the files of an album that are here, oldest first.

    Args:
        message: The album's id in the archive.
        album: What names it; only its own sender adds to it.
        expected: How many it has: no more are looked for.
    """
    refs: list[int] = []
    most = min(expected, MOST_FILES)
    rows = db.execute(
        "SELECT ref, sender_id, details FROM messages WHERE chat_id = ? AND id >= ? ORDER BY id LIMIT ?",
        (album.chat, message - (_EARLIER << ID_BITS), _WITHIN),
    )
    # It ends early, and an open cursor would keep the log from being checkpointed.
    with closing(rows):
        for ref, sender, details in rows:
            if len(refs) >= most:
                break
            if sender == album.sender and details and '"album_of"' in details:
                refs += [ref] if json.loads(details).get("album_of") == album.wa_id else []
    return tuple(refs)


def album_refs(db: sqlite3.Connection, albums: Collection[Target]) -> dict[Target, int]:
    """The refs of those albums that are here."""
    look_up = "SELECT ref FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = ?"
    rows = {album: db.execute(look_up, album).fetchone() for album in albums}
    return {album: row[0] for album, row in rows.items() if row is not None}
