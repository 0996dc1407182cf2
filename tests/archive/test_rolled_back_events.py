"""An event that cannot be written leaves nothing behind of what it had begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.recorded import path_of
from whatsapp_mcp.archive import database
from whatsapp_mcp.archive.identity import Lookups
from whatsapp_mcp.archive.write.applying import WriteContext, begin_operation
from whatsapp_mcp.archive.write.ingestion import Ingest
from whatsapp_mcp.decoding import decode_events
from whatsapp_mcp.storage import transaction


def test_files_and_raw_forms_of_earlier_events_stay_when_a_later_one_is_rolled_back(tmp_path: Path) -> None:
    db, raw = database.connect(path_of(tmp_path, "there"))
    (event,) = decode_events(
        ev.journal(
            [
                ev.message("A1"),
            ]
        ),
        after=0,
    )
    with transaction(db):
        batch = Ingest(WriteContext(db, raw, begin_operation(db, 1000), 1000, Lookups()))
        with batch.savepoint():
            batch.write(event.updates, event.received_at)
        messages = vars(batch)["_updates"].messages
        messages.files.append("kept.jpg")
        held = dict(messages.raw)
        (message,) = held
        with pytest.raises(ValueError, match="poison"), batch.savepoint():
            messages.files.append("gone.jpg")
            vars(type(messages))["_retime"](messages, message, ev.NOON + 5, 1)
            assert messages.raw.keys() != held.keys()
            raise ValueError("poison")
        assert (messages.files, messages.raw, messages.new) == (["kept.jpg"], held, 1)
    db.close()
    raw.close()
