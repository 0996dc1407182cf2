"""Floods of calls where only reading is allowed: valid ones change nothing, malformed ones break nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from benchmarks.injections import floods
from benchmarks.injections.floods import Values
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.models import ContactUpdate
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
COUNT = 400


async def test_floods_of_calls_change_and_break_nothing_where_only_reading_is_allowed(tmp_path: Path) -> None:
    async with floods.read_only(tmp_path / "home") as (made, flooded):
        await floods.call_tools(made, flooded, COUNT, 1, malformed=False)
        await floods.call_socket(made, flooded, COUNT, 1)
        await floods.call_tools(made, flooded, COUNT, 2, malformed=True)
        await floods.spoil_socket(made, flooded, COUNT, 2)
    assert (flooded.crashes, flooded.hangs, flooded.changed) == ([], [], [])
    assert flooded.calls == 4 * COUNT
    assert {"ok", "DENIED", "INVALID_ARGUMENT"} <= flooded.answers.keys()


async def test_a_change_of_the_archive_is_noticed(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        before = floods.fingerprint(tmp_path)
        await archive.write(
            recording.record_contacts, [ContactUpdate("15550002222@s.whatsapp.net", saved_name="Ann")]
        )
        after = floods.fingerprint(tmp_path)
    assert {"contacts", "names"} <= {table for table in after if after[table] != before[table]}


def test_valid_values_follow_the_schema() -> None:
    schema = {
        "properties": {
            "chat": {"type": "string"},
            "kind": {"enum": ["a"]},
            "limit": {"$ref": "#/$defs/Count"},
        },
        "required": ["chat", "kind", "limit"],
        "$defs": {"Count": {"anyOf": [{"type": "integer"}]}},
    }
    made = Values(random.Random(1), {"chat": ["Ann"]}).arguments(schema)
    assert made["chat"] == "Ann"
    assert made["kind"] == "a"
    assert isinstance(made["limit"], int)


def test_a_malformed_frame_is_one_line() -> None:
    values = Values(random.Random(3), {})
    frame = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "status", "params": {}}).encode()
    assert all(b"\n" not in values.bytes(frame) for _ in range(200))
