"""Poll votes: opened with the secret of their poll, counted option by option.

A vote holds the SHA-256 of each chosen option's name, sealed with AES-256-GCM. The key is HKDF-SHA256 of the
poll's message secret with the info "poll id + poll author + voter + 'Poll Vote'", the additional data "poll
id + NUL + voter"; both jids may stand in either form (whatsmeow, `msgsecret.go`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from itertools import product

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import DecodeError

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive.database import column
from whatsapp_mcp.archive.state.number_history import People
from whatsapp_mcp.decoding import POLL
from whatsapp_mcp.protobufs.bounded import parsed

POLL_VOTE = "Poll Vote"


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
    found = people.address(address)
    having = people.history(found.jid).people if found.reassigned and found.is_number else [found.contact]
    return [jid for contact in having for jid in contact_addresses(db, contact)]


def chosen_options(options: list[str], votes: bytes) -> list[str]:
    """The names of the options in a vote."""
    hashes = {votes[start : start + 32] for start in range(0, len(votes), 32)}
    return [name for name in options if hashlib.sha256(name.encode()).digest() in hashes]
