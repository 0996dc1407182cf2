"""What people and chats are called, and how they are found by name."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.archive.database import fold

NAME_SQL: Final = """CASE WHEN {c}.id = 0 THEN coalesce({c}.push_name, 'You') ELSE
 coalesce({c}.saved_name, {c}.business_name, {c}.push_name,
 CASE WHEN {c}.pn LIKE '%@s.whatsapp.net' THEN '+' || substr({c}.pn, 1, instr({c}.pn, '@') - 1) END,
 {c}.pn, {c}.lid) END"""
"""A contact's shown name: saved, business, push name, number, LID; `{c}` is the table's alias."""


STRANGER_SQL: Final = """{c}.saved_name IS NULL AND {c}.id != 0
 AND coalesce({c}.business_name, {c}.push_name) IS NOT NULL"""
"""Whether the shown name of a contact is of their own choice."""


def searchable(*parts: str | None) -> str:
    """The names of something as one folded text; a line break stands between them."""
    return "\n".join(dict.fromkeys(fold(part).strip() for part in parts if part and part.strip()))
