"""Add-ons of messages: how they are stored, and to whom and what they belong.

An add-on (a reaction, a vote, an edit, …) is stored exactly as it came: under WhatsApp's id of its
message, by the addresses (LID or number) of chat and person, with its time. The row never changes its place,
so it does not matter what comes first, or twice. It is resolved when it is read: it belongs to the message
with its id in the chat that has, or had, its chat's address, and to the person who had the sender's address
then (`number_history.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive.database import column, placeholders, value
from whatsapp_mcp.archive.state.addon_kinds import ADDONS, AddOn
from whatsapp_mcp.archive.state.number_history import Address, Observation, People
from whatsapp_mcp.decoding import Flag


class Target(NamedTuple):
    """A message that may have add-ons, whether it is here or not."""

    chat: int
    wa_id: str
    sender: int


class StoredAddOn(NamedTuple):
    """An add-on of a message: of whom, when, and what it says (`AddOn.columns`)."""

    person: int
    at: int
    says: tuple[Any, ...]


class _Row(NamedTuple):
    """A stored add-on: by whom, of which message, and what it says (`AddOn.columns`)."""

    wa_id: str
    chat: int
    sender: int
    at: int
    worth: Any
    says: tuple[Any, ...]


_ROWS: Final = """SELECT t.wa_id, t.chat_address, t.sender_address, t.at, {worth}, {columns} FROM {table} AS t
 WHERE wa_id IN ({ids})"""
_IMPORTED_ROWS: Final = """ UNION ALL SELECT wa_id, chat_address, sender_address, at, says, {columns}
 FROM imported_addons WHERE wa_id IN ({ids}) AND kind = {number}"""
"""SQL for add-ons from imported files, which count as long as a file brought their message."""
_MOMENT: Final = attrgetter("at", "person")
"""The order of a message's add-ons."""
_CHATS: Final = "SELECT chat_id FROM chat_addresses WHERE address_id = ?"


def store_addon(db: sqlite3.Connection, kind: AddOn, chat: int, sender: int, update: Any) -> bool:
    """Store an add-on as it came; whether it is new.

    Args:
        db: The archive, in a write transaction.
        kind: What it is.
        chat: Address of the chat.
        sender: Address of the person; 0: the owner.
        update: What it says.
    """
    moment, *values = kind.values(update)
    return insert_addon(db, kind, (update.wa_id, chat, sender, moment, *values))


def insert_addon(db: sqlite3.Connection, kind: AddOn, row: Sequence[Any]) -> bool:
    """Insert a row, and delete the oldest of its message beyond what is kept; whether it was new."""
    # The key is the whole row: the same update twice is one row, in whichever order they come.
    places = placeholders(row)
    new = db.execute(f"INSERT OR IGNORE INTO {kind.table} VALUES ({places})", row).rowcount > 0  # noqa: S608
    if new and kind.kept:
        _keep_newest(db, kind, *row[:2])
    return new


def _keep_newest(db: sqlite3.Connection, kind: AddOn, wa_id: str, chat: int) -> None:
    """Delete rows of a message beyond so many: first what is not an address's newest, then the oldest."""
    of_message = f"FROM {kind.table} WHERE (wa_id, chat_address) = (?, ?)"
    count = value(db, f"SELECT count(*) {of_message}", (wa_id, chat))
    if count > kind.kept:
        key = "wa_id, chat_address, sender_address, at"
        db.execute(
            # Nobody who sends many add-ons may push out the only one of somebody else.
            f"""DELETE FROM {kind.table} WHERE ({key}) IN (SELECT {key} FROM (SELECT {key}, row_number()
            OVER (PARTITION BY sender_address ORDER BY at DESC) AS turn {of_message})
            ORDER BY turn DESC, at LIMIT ?)""",  # noqa: S608
            (wa_id, chat, count - kind.kept),
        )


def read_addons(
    db: sqlite3.Connection, kind: AddOn, targets: Collection[Target]
) -> dict[Target, list[StoredAddOn]]:
    """The add-ons of messages, oldest first; of several of one person at one moment, the one that counts.

    That is the one that came under a LID rather than under a number alone, then the one with more `worth`.
    """
    by_id: dict[str, list[Target]] = {}
    for target in targets:
        by_id.setdefault(target.wa_id, []).append(target)
    rows = _rows(db, kind, [*by_id])
    if not rows:
        return {}
    people = People(db)
    people.look_up({row.sender for row in rows})
    chats = _chats(db, {target.chat for row in rows for target in by_id[row.wa_id]})
    by_target: dict[Target, list[tuple[Address, _Row]]] = {}
    for row in rows:
        address = people.address(row.sender)
        for target in by_id[row.wa_id]:
            if row.chat not in chats[target.chat].addresses:
                continue
            if not kind.by_author or people.may_be(address, target.sender):
                by_target.setdefault(target, []).append((address, row))
    return {
        target: _counting(kind, people, target, chats[target.chat].contact, stored)
        for target, stored in by_target.items()
    }


def _rows(db: sqlite3.Connection, kind: AddOn, ids: Sequence[str]) -> list[_Row]:
    # Numbered: the ids stand twice in the statement where files bring add-ons, too.
    places = ", ".join(f"?{number}" for number in range(1, len(ids) + 1))
    said = _ROWS.format(
        worth=kind.worth, columns=", ".join(kind.columns) or "NULL", table=kind.table, ids=places
    )
    if kind.imported is not None:
        number, columns = kind.imported
        said += _IMPORTED_ROWS.format(columns=columns, ids=places, number=number)
    return [_Row._make((*row[:5], row[5:])) for row in db.execute(said, ids)]


class _Chat(NamedTuple):
    """With whom a chat is, and the addresses that it has or had."""

    contact: int | None
    addresses: set[int]


def _chats(db: sqlite3.Connection, chats: Collection[int]) -> dict[int, _Chat]:
    by_chat = {chat: _Chat(None, set()) for chat in chats}
    for chat, contact, address in db.execute(
        f"""SELECT c.id, c.contact_id, v.address_id FROM chats AS c JOIN chat_addresses AS v
        ON v.chat_id = c.id WHERE v.chat_id IN ({placeholders(chats)})""",  # noqa: S608
        [*chats],
    ).fetchall():
        by_chat[chat] = _Chat(contact, by_chat[chat].addresses | {address})
    return by_chat


def _counting(
    kind: AddOn, people: People, target: Target, chat_with: int | None, stored: list[tuple[Address, _Row]]
) -> list[StoredAddOn]:
    """The add-ons of one message that count, each with the person whose it is."""
    if kind.by_author:
        persons = [target.sender] * len(stored)
    elif any(address.reassigned for address, _ in stored):
        seen = [Observation(address, row.at) for address, row in stored]
        persons = people.persons(seen, unit=kind.unit, chat_with=chat_with)
    else:
        persons = [address.contact for address, _ in stored]
    addons = [StoredAddOn(who, row.at, row.says) for who, (_, row) in zip(persons, stored, strict=True)]
    if len(addons) > 1:
        if len({(one.person, one.at) for one in addons}) < len(addons):
            addons = _once_a_moment(kind, stored, addons)
        addons.sort(key=_MOMENT)
    return addons


def _once_a_moment(
    kind: AddOn, stored: list[tuple[Address, _Row]], addons: list[StoredAddOn]
) -> list[StoredAddOn]:
    """Keep the add-on that counts where one person has several of one moment."""
    key = [kind.columns.index(column) for column in kind.key]
    best: dict[tuple[Any, ...], tuple[tuple[Any, ...], StoredAddOn]] = {}
    for (address, row), one in zip(stored, addons, strict=True):
        # None cannot be compared: a vote that is still sealed has no worth.
        rank = (not address.is_number, row.worth is not None, row.worth)
        moment = (one.person, one.at, *[one.says[n] for n in key])
        if moment not in best or rank > best[moment][0]:
            best[moment] = (rank, one)
    return [one for _, one in best.values()]


def current_addons(
    db: sqlite3.Connection, kind: AddOn, targets: Collection[Target]
) -> dict[Target, list[StoredAddOn]]:
    """The newest of each person, oldest first."""
    by_target = read_addons(db, kind, targets)
    for target, addons in by_target.items():
        if len(addons) > 1:
            by_target[target] = sorted({one.person: one for one in addons}.values(), key=_MOMENT)
    return by_target


def addon_chats(db: sqlite3.Connection, address: int) -> list[int]:
    """The chats that have, or had, an address."""
    return column(db, _CHATS, (address,))


class AddOnMessage(NamedTuple):
    """A message with add-ons."""

    id: int
    target: Target
    ref: int
    via: int | None
    revoked: bool
    imported: bool


def addon_messages(db: sqlite3.Connection, wa_id: str, chat_address: int) -> list[AddOnMessage]:
    """The messages with an id in the chats that have, or had, an address; one, but for copies of it."""
    return [
        AddOnMessage(
            message,
            Target(chat, wa_id, sender),
            ref,
            via,
            revoked_at is not None,
            bool(flags & Flag.IMPORTED),
        )
        for chat in addon_chats(db, chat_address)
        for message, sender, ref, via, revoked_at, flags in db.execute(
            "SELECT id, sender_id, ref, via, revoked_at, flags FROM messages WHERE (chat_id, wa_id) = (?, ?)",
            (chat, wa_id),
        ).fetchall()
    ]


def target_of(db: sqlite3.Connection, message: int) -> Target:
    """A message as a target."""
    row = db.execute("SELECT chat_id, wa_id, sender_id FROM messages WHERE id = ?", (message,)).fetchone()
    return Target(*row)


def erase_addons(db: sqlite3.Connection, target: Target) -> bool:
    """Delete the add-ons of a message that was deleted for everyone; whether one showed whose it is."""
    people, named = People(db), False
    contact, addresses = _chats(db, {target.chat})[target.chat]
    drop_imported_addons(db, target.chat, target.wa_id)
    for kind in ADDONS:
        if not kind.erased:
            continue
        for _, chat, sender, at, *_ in _rows(db, kind, [target.wa_id]):
            if chat not in addresses:
                continue
            if kind.by_author and not people.may_be(people.address(sender), target.sender):
                continue
            named |= names_person(
                kind, people.address(chat), people.address(sender), direct=contact is not None
            )
            db.execute(
                f"DELETE FROM {kind.table} WHERE (wa_id, chat_address, sender_address, at) = (?, ?, ?, ?)",  # noqa: S608
                (target.wa_id, chat, sender, at),
            )
    return named


def drop_imported_addons(db: sqlite3.Connection, chat: int, wa_id: str) -> None:
    """Delete what files said of a message that came over the connection, or was deleted for everyone."""
    db.execute(
        """DELETE FROM imported_addons WHERE wa_id = ?
        AND chat_address IN (SELECT address_id FROM chat_addresses WHERE chat_id = ?)""",
        (wa_id, chat),
    )


def names_person(kind: AddOn, chat: Address, sender: Address, *, direct: bool) -> bool:
    """Return whether an add-on shows, by the LID of chat or group author, whose its message is."""
    address = chat if direct else sender
    return address.jid.endswith("@lid") and (direct or kind.by_author)


def purge_addons(db: sqlite3.Connection) -> None:
    """Delete all add-ons of the messages in the temporary table `gone` (chat_id, wa_id)."""
    for table in (*(kind.table for kind in ADDONS), "imported_addons", "waiting_addons"):
        db.execute(
            f"""DELETE FROM {table} WHERE (wa_id, chat_address) IN (
            SELECT g.wa_id, v.address_id FROM gone AS g JOIN chat_addresses AS v USING (chat_id))"""  # noqa: S608
        )


def purge_stray_addons(db: sqlite3.Connection, chat: int | None, before: int | None) -> int:
    """Delete add-ons of messages that are not here, of one chat or all, before a time or all.

    Returns:
        How many rows.
    """
    # A table with an index: SQLite would work out the view again for each row.
    db.execute("CREATE TEMP TABLE chats_now AS SELECT address_id, chat_id FROM chat_addresses")
    db.execute("CREATE INDEX temp.chats_now_address ON chats_now (address_id)")
    deleted = 0
    for table, unit in (*((kind.table, kind.unit) for kind in ADDONS), ("imported_addons", 1000)):
        deleted += db.execute(
            f"""DELETE FROM {table} AS t WHERE (?1 IS NULL OR at < ?1)
            AND (?2 IS NULL OR chat_address IN (SELECT address_id FROM chats_now WHERE chat_id = ?2))
            AND NOT EXISTS (SELECT 1 FROM chats_now AS p JOIN messages AS m
                ON m.chat_id = p.chat_id AND m.wa_id = t.wa_id WHERE p.address_id = t.chat_address)""",  # noqa: S608
            (None if before is None else before * unit, chat),
        ).rowcount
        db.execute(
            f"""DELETE FROM waiting_addons AS w WHERE kind = ? AND NOT EXISTS (SELECT 1 FROM {table} AS t
            WHERE (t.wa_id, t.chat_address, t.sender_address, t.at)
             = (w.wa_id, w.chat_address, w.sender_address, w.at))""",  # noqa: S608
            (table,),
        )
    db.execute("DROP TABLE chats_now")
    return deleted


def names_send(db: sqlite3.Connection, wa_id: str) -> bool:
    """Check whether a message has an add-on that shows that WhatsApp has it."""
    return any(
        db.execute(
            f"SELECT 1 FROM {kind.table} WHERE wa_id = ? AND {kind.names_send} LIMIT 1",  # noqa: S608
            (wa_id,),
        ).fetchone()
        for kind in ADDONS
        if kind.names_send
    )
