"""What worker threads leave behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import re, sys, threading
from pathlib import Path
if sys.argv[1] == "shared":
    from whatsapp_mcp.system import share_arenas
    share_arenas()
together = threading.Barrier(9)
def work():
    kept = [bytes(50_000) for _ in range(20)]
    together.wait(10)
    together.wait(10)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
together.wait(10)
places = re.findall(r"^([0-9a-f]+)-[0-9a-f]+ rw-p .* 0 *$", Path("/proc/self/maps").read_text(), re.M)
print(sum(int(start, 16) % (64 << 20) == 0 for start in places))
together.wait(10)
"""


def arenas(how: str) -> int:
    """In how many places eight threads have their memory, besides the heap."""
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, check=True, timeout=60
    )
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_threads_take_their_memory_from_one_place_besides_the_heap() -> None:
    usual = arenas("usual")
    if usual < 4:
        pytest.skip("this libc gives threads no places of their own")
    assert arenas("shared") <= 1
