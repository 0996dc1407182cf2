"""The types of imports that cross the socket, as a snapshot beside the number of its protocol.

`python -m tests.features.imports.test_socket_protocol` writes the snapshot.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.device.test_socket_protocol import fault, shapes_of, write
from whatsapp_mcp.device.leader.serving import PROTOCOL
from whatsapp_mcp.device.operations.registry import OPERATIONS

SNAPSHOT = Path(__file__).parent / "socket_protocol.json"
NOW = shapes_of({name: one for name, one in OPERATIONS.items() if one.part == "Imports"})


def test_no_type_of_imports_changes_without_the_number_of_the_protocol() -> None:
    told = fault(json.loads(SNAPSHOT.read_text(encoding="utf-8")), PROTOCOL, NOW)
    assert told is None, told


if __name__ == "__main__":
    sys.exit(write(SNAPSHOT, NOW))
