"""Taking over messages from elsewhere: WhatsApp's chat export, and the `messages.db` of lharries' bridge.

An export has no message ids, so a message counts as there already when the chat holds the same text from the
same side within a minute; ids are made of what was said, so that a second import adds nothing.
"""

from __future__ import annotations

import hashlib
import io
import mimetypes
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.archive import receipts
from whatsapp_mcp.archive.chat_export import ExportedMessage, read
from whatsapp_mcp.archive.facts import ChatFact, Content, Fact, MediaFact, MessageFact, NameKind
from whatsapp_mcp.archive.identity import Identities, chat_kind
from whatsapp_mcp.archive.ingest import Ingest
from whatsapp_mcp.archive.merge import refresh_chat
from whatsapp_mcp.archive.normalise import fold
from whatsapp_mcp.archive.records import (
    ImportResult,
)
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, looks_like_number, parse_number
from whatsapp_mcp.models import ChatKind, MessageKind

_NEAR: Final = 61
"""Seconds within which an exported message may be one that is here: Android writes whole minutes."""
_MENTION: Final = re.compile(r"@?\u2068[^\u2069]*\u2069|@\d{5,}")
_KINDS: Final = {
    "image": (MessageKind.IMAGE, "image"),
    "video": (MessageKind.VIDEO, "video"),
    "audio": (MessageKind.AUDIO, "audio"),
}


def chat_export(
    db: sqlite3.Connection, media: Path, path: Path, chat: str, me: str | None, zone: tzinfo
) -> ImportResult:
    """See `Archive.import_chat_export`."""
    jid = str(Jid.parse(chat).bare)
    lines, files = _open_export(path)
    found = read(lines, zone, files)
    if not found:
        raise InvalidArgument(
            f"{path.name} holds no messages of a WhatsApp export.", "Give the exported zip or txt."
        )
    people = _people(db, jid, found, me, path.stem)
    identities = Identities(db)
    number = identities.chat(jid)
    new = duplicates = 0
    seen: dict[str, int] = {}
    taken: set[int] = set()
    facts: list[Fact] = []
    paths: dict[str, str] = {}
    for message in found:
        sender = people.get(message.name, jid) if message.name else jid
        wa_id = _made_id(jid, message, seen)
        if _is_here(db, number, identities.sender(sender), message, wa_id, taken):
            duplicates += 1
            continue
        new += 1
        if message.file and message.file in files:
            paths[wa_id] = message.file
        facts.append(MessageFact(jid, sender, wa_id, message.at, _content(message), live=False))
    Ingest(db).apply(facts)
    _mark_read(db, jid)
    _store_files(db, media, path, jid, paths)
    return ImportResult(new, duplicates)


def _open_export(path: Path) -> tuple[list[str], set[str]]:
    try:
        if not zipfile.is_zipfile(path):
            return path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), set()
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            text = next((name for name in names if name.endswith(".txt")), None)
            if text is None:
                raise InvalidArgument(f"{path.name} holds no chat text.", "Give a zip exported by WhatsApp.")
            with archive.open(text) as opened:
                lines = io.TextIOWrapper(opened, encoding="utf-8-sig", errors="replace").read().splitlines()
            return lines, set(names)
    except OSError as error:
        raise InvalidArgument(
            f"{path} cannot be read: {error.strerror}.", "Give an exported zip or txt."
        ) from error


def _content(message: ExportedMessage) -> Content:
    if message.name is None:
        return Content(MessageKind.SYSTEM, message.text)
    if message.file is None:
        return Content(MessageKind.TEXT, message.text)
    mime_type = mimetypes.guess_type(message.file)[0] or "application/octet-stream"
    kind, media_type = _KINDS.get(mime_type.partition("/")[0], (MessageKind.DOCUMENT, "document"))
    if message.file.endswith(".webp"):
        kind, media_type = MessageKind.STICKER, "sticker"
    elif message.file.endswith(".opus"):
        kind, media_type = MessageKind.VOICE, "audio"
    return Content(kind, message.text, MediaFact(media_type, mime_type, message.file))


def _made_id(chat: str, message: ExportedMessage, seen: dict[str, int]) -> str:
    text = f"{chat}\0{message.at}\0{message.name}\0{message.text}\0{message.file}"
    turn = seen[text] = seen.get(text, -1) + 1
    return "IMP-" + hashlib.sha256(f"{text}\0{turn}".encode()).hexdigest()[:24].upper()


def _is_here(
    db: sqlite3.Connection, number: int, who: int, message: ExportedMessage, wa_id: str, taken: set[int]
) -> bool:
    if db.execute("SELECT 1 FROM messages WHERE chat_id = ? AND wa_id = ?", (number, wa_id)).fetchone():
        return True
    rows = db.execute(
        """SELECT m.id, m.text, d.message_id IS NOT NULL FROM messages AS m
        LEFT JOIN media AS d ON d.message_id = m.id
        WHERE m.chat_id = ? AND m.id BETWEEN ? AND ? AND (m.sender_id = 0) = ?""",
        (number, (message.at - _NEAR) << ID_BITS, (message.at + _NEAR) << ID_BITS, who == 0),
    ).fetchall()
    wanted = _comparable(message.text)
    for found, text, has_file in rows:
        same = bool(has_file) == (message.file is not None) and _comparable(text) == wanted
        if found not in taken and (same or (message.omitted and has_file)):
            taken.add(found)
            return True
    return False


def _comparable(text: str) -> str:
    """A text without its mentions: an export shows names there, a message holds numbers."""
    return _MENTION.sub("@", text).strip()


def _people(
    db: sqlite3.Connection, chat: str, found: Sequence[ExportedMessage], me: str | None, title: str
) -> dict[str, str | None]:
    """Names of the export to jids; None is the owner.

    Raises:
        InvalidArgument: It cannot be told who of two is the owner.
    """
    names = list(dict.fromkeys(message.name for message in found if message.name))
    row = db.execute("SELECT name_norm FROM contacts WHERE id = 0").fetchone()
    ours = {fold(me)} if me else {*row[0].split("\n"), "you"}
    people: dict[str, str | None] = {name: None for name in names if fold(name) in ours}
    others = [name for name in names if name not in people]
    if chat_kind(chat) is ChatKind.DIRECT:
        theirs = _theirs(db, chat, others, title)
        if len(others) > 1 and not theirs and not people:
            raise InvalidArgument(
                f"It cannot be told who of {' and '.join(others[:3])} you are.",
                "Give your own name in the export with --me.",
            )
        return people | {name: chat if name in (theirs or others) else None for name in others}
    return people | {name: _number(name) or _by_name(db, name) for name in others}


def _theirs(db: sqlite3.Connection, chat: str, names: list[str], title: str) -> list[str]:
    """The names that the other one of a direct chat is known to have: here, by number, in the file's name."""
    contact = Identities(db).contact(chat)
    known = db.execute("SELECT name_norm FROM contacts WHERE id = ?", (contact,)).fetchone()[0].split("\n")
    found = [name for name in names if fold(name) in known or _number(name) == chat]
    return found or [name for name in names if fold(name) in fold(title)]


def _number(name: str) -> str | None:
    if not looks_like_number(name):
        return None
    try:
        return str(parse_number(name))
    except InvalidArgument:
        return None


def _by_name(db: sqlite3.Connection, name: str) -> str:
    """The jid of the one person with this name, else an address that stands for the name alone."""
    found = [
        row[0]
        for row in db.execute(
            "SELECT coalesce(pn, lid), name_norm FROM contacts WHERE id != 0 AND name_norm LIKE ?",
            (f"%{fold(name)}%",),
        ).fetchall()
        if row[0] and fold(name) in row[1].split("\n")
    ]
    if len(found) == 1:
        return found[0]
    made = f"{hashlib.sha256(fold(name).encode()).hexdigest()[:16]}@import"
    if db.execute("SELECT 1 FROM addresses WHERE jid = ?", (made,)).fetchone() is None:
        db.execute("INSERT INTO names VALUES (?, ?, ?, 0)", (made, int(NameKind.SAVED), name))
        Identities(db).contact(made)
    return made


def _mark_read(db: sqlite3.Connection, chat: str) -> None:
    """What was exported has been read: the chat's newest imported message and all before it."""
    number = Identities(db).chat(chat)
    imported = "SELECT coalesce(max(id), 0) FROM messages WHERE chat_id = ? AND wa_id LIKE 'IMP-%'"
    receipts.seen(db, number, None, db.execute(imported, (number,)).fetchone()[0], 0)
    refresh_chat(db, number)


def _store_files(db: sqlite3.Connection, media: Path, path: Path, chat: str, paths: dict[str, str]) -> None:
    if not paths:
        return
    number = Identities(db).chat(chat)
    media.mkdir(mode=0o700, exist_ok=True)
    with zipfile.ZipFile(path) as archive:
        for wa_id, name in paths.items():
            target = media / f"{wa_id}{Path(name).suffix}"
            with archive.open(name) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
            target.chmod(0o600)
            db.execute(
                """UPDATE media SET path = ?, size = ? WHERE message_id =
                (SELECT id FROM messages WHERE chat_id = ? AND wa_id = ?)""",
                (target.name, target.stat().st_size, number, wa_id),
            )


def bridge(db: sqlite3.Connection, path: Path) -> ImportResult:
    """See `Archive.import_bridge`."""
    if not path.is_file():
        raise InvalidArgument(f"There is no file {path}.", "Give the bridge's messages.db.")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source:
            chats = source.execute("SELECT jid, name FROM chats").fetchall()
            rows = source.execute(
                """SELECT id, chat_jid, sender, content, timestamp, is_from_me, media_type, filename, url,
                media_key, file_sha256, file_enc_sha256, file_length FROM messages ORDER BY timestamp"""
            ).fetchall()
    except sqlite3.DatabaseError as error:
        raise InvalidArgument(
            f"{path.name} is not a messages.db of that bridge.", "Give its messages.db."
        ) from error
    known = {str(jid) for jid, _ in chats} | {jid for (jid,) in db.execute("SELECT jid FROM addresses")}
    batch = Ingest(db)
    skipped = 0
    facts: list[Fact] = [
        ChatFact(str(jid), name=str(name))
        for jid, name in chats
        if name and chat_kind(str(jid)) is not ChatKind.DIRECT
    ]
    for row in rows:
        fact = _bridge_message(row, known)
        if fact is None:
            skipped += 1
        else:
            facts.append(fact)
    batch.apply(facts)
    for chat in {fact.chat for fact in facts if isinstance(fact, MessageFact)}:
        number = Identities(db).chat(chat)
        newest = db.execute("SELECT last_id FROM chats WHERE id = ?", (number,)).fetchone()[0]
        receipts.seen(db, number, None, newest, 0)
        refresh_chat(db, number)
    return ImportResult(batch.new, batch.duplicates, skipped)


def _bridge_sender(user: str, server: str, known: Collection[str]) -> str:
    """The jid of a sender: the bridge keeps what stands before the `@`, of numbers and hidden jids alike."""
    if server:
        return f"{user}@{server}"
    number, hidden = f"{user}@s.whatsapp.net", f"{user}@lid"
    if number in known or hidden in known:
        return number if number in known else hidden
    return number if _may_be_number(user) else hidden


@lru_cache(maxsize=10_000)
def _may_be_number(user: str) -> bool:
    """Whether digits may be a phone number; Mexican ones have a 1 on WhatsApp that they lost elsewhere."""
    return _number(f"+{user}") == f"{user}@s.whatsapp.net" or (user.startswith("521") and len(user) == 13)


def _bridge_message(row: Any, known: Collection[str]) -> MessageFact | None:
    wa_id, chat, sender, text, stamp, from_me, media_type, file_name, url, key, sha256, enc_sha256, size = row
    try:
        at = int(datetime.fromisoformat(str(stamp)).timestamp())
        jid = str(Jid.parse(str(chat)).bare)
    except (ValueError, InvalidArgument):
        return None
    if not wa_id or at <= 0:
        return None
    who = str(sender or "").partition("@")
    author = (
        None if from_me else jid if who[0] == jid.partition("@")[0] else _bridge_sender(who[0], who[2], known)
    )
    kind, kept = MessageKind.TEXT, None
    if media_type:
        kind = _KINDS.get(str(media_type), (MessageKind.DOCUMENT, ""))[0]
        kept = MediaFact(
            str(media_type),
            None,
            file_name or None,
            size,
            url=url or None,
            media_key=key,
            sha256=sha256,
            enc_sha256=enc_sha256,
        )
    return MessageFact(jid, author, str(wa_id), at, Content(kind, str(text or ""), kept), live=False)
