"""Who is in a group: stored by address, as it came; whose that was then is resolved when it is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from whatsapp_mcp.archive.database import placeholders, value
from whatsapp_mcp.archive.state import chat_settings
from whatsapp_mcp.archive.state.number_history import Address, Observation, People
from whatsapp_mcp.decoding import MEMBERS

LEFT: Final = -1
"""Role of somebody who is no member any more."""


def store_members(
    db: sqlite3.Connection,
    group: int,
    address: Address,
    members: Sequence[tuple[Address, int | None]],
    at: int,
    *,
    whole: bool,
    looked_up: bool,
) -> None:
    """Take over who is in a group: what is older than the newest whole list says nothing.

    Args:
        db: The archive, in a write transaction.
        group: Number of its chat.
        address: Its own.
        members: Those in the update, with their role; None: left.
        at: Time of the update, in seconds.
        whole: These are all.
        looked_up: Read from the device just now, so the newest whatever the clocks say.
    """
    newest = "SELECT max(at) FROM chat_settings WHERE (address_id, field) = (?, ?)"
    listed = value(db, newest, (address.id, MEMBERS)) or 0
    if looked_up:
        # A whole list replaces what is there and need not be later: who joins in the same second counts.
        at = max(at, listed if whole else listed + 1)
    if at < listed:
        return
    if whole:
        chat_settings.store_chat_setting(db, address, MEMBERS, 1, at)
        db.execute("DELETE FROM members WHERE chat_id = ? AND (at < ? OR ?)", (group, at, looked_up))
    db.executemany(
        "INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?)",
        [(group, member.id, at, LEFT if role is None else role) for member, role in members],
    )


def current_members(
    db: sqlite3.Connection, groups: Collection[int], *, imported: bool = False
) -> dict[int, dict[int, int]]:
    """The members of groups with their roles, by contact.

    Args:
        db: The archive.
        groups: Their chats.
        imported: Of a group of which nothing else tells who is in it, what files say, which proves nothing.
    """
    if not groups:  # asked for each page of messages, mostly of none
        return {}
    seen: dict[int, list[tuple[Observation, int]]] = {group: [] for group in groups}
    for group, at, role, *address in db.execute(
        f"""SELECT m.chat_id, m.at, m.role, a.id, a.jid, a.contact_id, a.reassigned FROM members AS m
        JOIN addresses AS a ON a.id = m.address_id
        WHERE m.chat_id IN ({placeholders(groups)})""",  # noqa: S608
        [*groups],
    ).fetchall():
        seen[group].append((Observation(Address(*address), at), role))
    people = People(db)
    current = {group: _of_group(people, found) for group, found in seen.items()}
    if imported and (unknown := [group for group, found in seen.items() if not found]):
        for group, contact, role in db.execute(
            f"""SELECT c.id, a.contact_id, max(i.role) FROM chats AS c JOIN addresses AS g ON g.jid = c.jid
            JOIN imported_members AS i ON i.chat_address = g.id JOIN addresses AS a ON a.id = i.address_id
            WHERE c.id IN ({placeholders(unknown)}) GROUP BY c.id, a.contact_id""",  # noqa: S608
            unknown,
        ).fetchall():
            current[group][contact] = role
    return current


def _of_group(people: People, seen: list[tuple[Observation, int]]) -> dict[int, int]:
    newest: dict[int, tuple[int, bool, int]] = {}
    persons = people.persons([one for one, _ in seen])
    for person, ((address, at), role) in zip(persons, seen, strict=True):
        newest[person] = max((at, not address.is_number, role), newest.get(person, (-1, False, LEFT)))
    return {person: role for person, (_, _, role) in newest.items() if role != LEFT}
