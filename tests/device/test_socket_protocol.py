"""The types that cross the socket, as a snapshot beside the number of its protocol.

`python -m tests.device.test_socket_protocol` writes the snapshot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tests.core import CORE_OPERATIONS
from whatsapp_mcp.device.leader.serving import PROTOCOL, Hello, Welcome
from whatsapp_mcp.device.operations import Operation
from whatsapp_mcp.errors import Candidate, WhatsAppError
from whatsapp_mcp.models import ConnectionState

SNAPSHOT = Path(__file__).parent / "socket_protocol.json"
COMMAND = "python -m tests.device.test_socket_protocol"
OPEN = {ConnectionState.__name__}
"""Enumerations of which a server takes members that it does not know: more of them change no shape."""


FRAME: dict[tuple[str, str], TypeAdapter[Any]] = {
    ("hello", "params"): TypeAdapter(Hello),
    ("hello", "result"): TypeAdapter(Welcome),
    ("error", "candidate"): TypeAdapter(Candidate),
}


def shapes() -> dict[str, Any]:
    """Every type that crosses the socket as JSON Schema, but for those of operations of features."""
    error = WhatsAppError("", candidates=[Candidate()], retry_after=1.0).to_payload()
    return {**shapes_of(CORE_OPERATIONS, FRAME), "error": sorted(error)}


def shapes_of(
    operations: Mapping[str, Operation], further: Mapping[tuple[str, str], TypeAdapter[Any]] = {}
) -> dict[str, Any]:
    """The types of these operations, without titles and descriptions."""
    adapters = dict(further)
    for name, operation in operations.items():
        adapters[name, "result"] = operation.result
        for parameter, adapter in operation.parameters.items():
            adapters[name, f"params.{parameter}"] = adapter
    schemas, shared = TypeAdapter[Any].json_schemas(
        [(key, "serialization", adapter) for key, adapter in adapters.items()]
    )
    types = {
        name: {"type": "string"} if name in OPEN else schema
        for name, schema in shared.get("$defs", {}).items()
    }
    calls = {".".join(key): schema for (key, _), schema in schemas.items()}
    return {"calls": _each(calls), "types": _each(types)}


def _bare(schema: Any) -> Any:
    """A schema without what is only for people."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        # The keys below "properties" are names of ours, which may be "title".
        key: _each(value) if key == "properties" else _bare(value)
        for key, value in sorted(schema.items())
        if key not in {"title", "description"}
    }


def _each(schemas: dict[str, Any]) -> dict[str, Any]:
    return {name: _bare(schema) for name, schema in sorted(schemas.items())}


def fault(kept: dict[str, Any], number: int, now: dict[str, Any]) -> str | None:
    """What is to be done about types that have changed since the snapshot; None if they have not."""
    same = {key: kept[key] for key in now} == now
    if same and number == kept["protocol"]:
        return None
    if number <= kept["protocol"]:
        return (
            "The types that cross the socket have changed and PROTOCOL has not, so that servers of two "
            "versions would misread each other: add 1 to PROTOCOL in whatsapp_mcp/device/leader/serving.py, "
            f"then run `{COMMAND}`."
        )
    return f"PROTOCOL was raised: run `{COMMAND}` to keep the types that go with it."


def test_no_type_that_crosses_the_socket_changes_without_the_number_of_its_protocol() -> None:
    told = fault(json.loads(SNAPSHOT.read_text(encoding="utf-8")), PROTOCOL, shapes())
    assert told is None, told


def test_a_changed_type_says_what_to_do() -> None:
    kept = {"protocol": PROTOCOL, **shapes()}
    changed = shapes()
    del changed["types"]["SendResult"]["properties"]["reason"]
    assert fault(kept, PROTOCOL, shapes()) is None
    assert "add 1 to PROTOCOL" in (fault(kept, PROTOCOL, changed) or "")
    assert COMMAND in (fault(kept, PROTOCOL + 1, changed) or "")


def test_the_shape_of_a_type_is_its_members_and_not_its_words() -> None:
    said = {"description": "Words.", "title": "Words", "properties": {"title": {"title": "Title"}}}
    assert _bare(said) == {"properties": {"title": {}}}


def write(snapshot: Path, now: dict[str, Any]) -> str | None:
    """Write a snapshot, unless the number has still to be raised; what is wrong otherwise."""
    if snapshot.exists():
        kept = json.loads(snapshot.read_text(encoding="utf-8"))
        told = fault(kept, PROTOCOL, now)
        if told is not None and kept["protocol"] >= PROTOCOL:
            return told
    text = json.dumps({"protocol": PROTOCOL, **now}, indent=1, ensure_ascii=False)
    snapshot.write_text(text + "\n", encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(write(SNAPSHOT, shapes()))
