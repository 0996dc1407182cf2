"""What a JSON object says of itself is found however deep, long or broken the rest is."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.processes.frames import scalar_members

leaves = st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(st.dictionaries(st.text(), values, max_size=5), st.booleans())
def test_they_are_those_that_a_parser_finds(members: dict[str, Any], ascii_only: bool) -> None:
    expected = {
        key: value if isinstance(value, int | str) and not isinstance(value, bool) else None
        for key, value in members.items()
        if not isinstance(value, list | dict)
    }
    assert scalar_members(json.dumps(members, ensure_ascii=ascii_only)) == expected


@given(st.text() | values.map(json.dumps))
def test_any_text_is_taken(text: str) -> None:
    scalar_members(text)


@for_each(
    "params",
    [
        "[" * 3000 + "]" * 3000,
        '{"id":' * 3000 + "1" + "}" * 3000,
        "9" * 20_000,
        '"cut \\ud83d"',
        '{"id": 6, ',
    ],
)
def test_a_request_is_known_by_its_id_whatever_it_holds(params: str) -> None:
    found = scalar_members(f'{{"id":5,"method":"tools/call","params":{params}')
    assert (found["id"], found["method"]) == (5, "tools/call")


def test_an_id_of_too_many_digits_is_there_and_unknown() -> None:
    assert scalar_members(f'{{"id":{"9" * 20_000}}}') == {"id": None}


@for_each("part", ['"', '\\"', "{", '{"a":', "\\", '"\\"'])
def test_a_hostile_text_is_gone_through_once(part: str) -> None:
    begun = time.process_time()
    scalar_members('{"' + part * 300_000)
    assert time.process_time() - begun < 5
