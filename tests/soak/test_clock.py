"""The wall clock that soaks set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.soak.clock import WallClock

_CHILD = """
import json, time
import datetime as module
from datetime import UTC, datetime
import pydantic

class Told(pydantic.BaseModel):
    at: datetime

input()
now = datetime.now(UTC)
told = Told.model_validate({"at": now.isoformat()}).at
print(json.dumps({
    "time": time.time(),
    "time_ns": time.time_ns() / 1e9,
    "now": now.timestamp(),
    "monotonic": time.monotonic(),
    "same_kind": isinstance(now, module.datetime) and isinstance(told, datetime) and told == now,
}))
"""


def _ask(clock: WallClock, ahead: float) -> dict[str, Any]:
    environment = clock.environment(dict(os.environ))
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        clock.set(ahead)
        told, _ = child.communicate("\n", timeout=60)
    return json.loads(told)


def test_a_running_process_sees_the_wall_clock_jump_and_its_monotonic_clock_go_on(tmp_path: Path) -> None:
    clock = WallClock(tmp_path / "wall-clock")
    for ahead in (86_400.0, -3_600.0):
        told = _ask(clock, ahead)
        for name in ("time", "time_ns", "now"):
            assert abs(told[name] - time.time() - ahead) < 60, name
        assert abs(told["monotonic"] - time.monotonic()) < 60
        assert told["same_kind"]
