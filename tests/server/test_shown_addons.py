"""Every kind of add-on is shown: to programs, and to the model."""

from __future__ import annotations

import sqlite3
from datetime import UTC

import pytest

from tests.archive.worlds import PLACES, archived
from whatsapp_mcp.archive.read import message_rows
from whatsapp_mcp.archive.state import ADDONS, AddOn, addon_kinds
from whatsapp_mcp.models import Page
from whatsapp_mcp.server.render.data import messages_data
from whatsapp_mcp.server.render.text import messages_text

ELSEWHERE = {
    addon_kinds.REVOKES: "the message's own row tells that it was deleted",
    addon_kinds.SEALED: "nobody can read it yet",
    addon_kinds.EARLY_RECEIPTS: "they wait for their message",
}
"""What is not read when messages are shown, and why."""


def shown(db: sqlite3.Connection) -> tuple[object, object]:
    """All messages: as data, and as text."""
    found = message_rows.message_rows(db, "ORDER BY m.id")
    data = messages_data(Page(message_rows.messages(db, found)), UTC)
    return data, messages_text(data, header="All", detail="full")


@pytest.mark.parametrize(
    "kind", [kind for kind in ADDONS if kind not in ELSEWHERE], ids=lambda kind: kind.table
)
def test_an_add_on_is_shown_with_its_message(kind: AddOn) -> None:
    with archived([PLACES["everything"]], introduced=True) as db:
        data, text = shown(db)
        db.execute(f"DELETE FROM {kind.table}")
        without = shown(db)
    assert data != without[0]
    assert text != without[1]
