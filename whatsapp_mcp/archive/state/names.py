"""What people and chats are called, and how they are found by name."""

from __future__ import annotations

from typing import Final, TypeGuard

from whatsapp_mcp.archive.database import fold
from whatsapp_mcp.jid import reads_as_address

NAME_SQL: Final = """CASE WHEN {c}.id = 0 THEN coalesce({c}.push_name, 'You') ELSE
 coalesce({c}.saved_name, {c}.given_name, {c}.business_name, {c}.push_name,
 CASE WHEN {c}.pn LIKE '%@s.whatsapp.net' THEN '+' || substr({c}.pn, 1, instr({c}.pn, '@') - 1) END,
 {c}.pn, {c}.lid) END"""
"""A contact's shown name: saved, given, business, push name, number, LID; `{c}` is the table's alias."""


STRANGER_SQL: Final = "{c}.known = 0 AND {c}.id != 0"
"""Whether a contact is not known: neither in the owner's address book nor confirmed by a person."""


def is_name(text: str | None) -> TypeGuard[str]:
    """Whether somebody may be called this; what reads as a number or a jid would pass for an address."""
    return bool(text) and not reads_as_address(text)


def searchable(*parts: str | None) -> str:
    """The names of something as one folded text; a line break stands between them."""
    return "\n".join(dict.fromkeys(fold(part).strip() for part in parts if part and part.strip()))
