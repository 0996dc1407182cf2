"""No process that holds keys or messages leaves its memory on the disk when it crashes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import client_of, http_server, link
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
_CRASHES = """
import os, resource
from whatsapp_mcp.processes.system_calls import forbid_core_dumps
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
forbid_core_dumps()
os.abort()
"""


def family(pid: int) -> set[int]:
    """A process with all that it has started, and those have."""
    found = {pid}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        found |= {each for child in children.read_text().split() for each in family(int(child))}
    return found


def started_as(pid: int) -> str:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def dumped_by(pid: int) -> tuple[str, str]:
    """The limits of a core dump of a process, and which memory the kernel puts into one."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    found = re.search(r"Max core file size +(\S+ +\S+)", limits)
    assert found is not None
    return " ".join(found[1].split()), Path(f"/proc/{pid}/coredump_filter").read_text().strip()


@pytest.mark.anyio
async def test_a_server_and_all_that_it_starts_leave_no_core_dump(whatsapp: WhatsApp, home: Path) -> None:
    async with http_server(whatsapp, home) as server, client_of(server, "http") as client:
        await link(client, whatsapp)
        processes = family(server.process.pid)
        assert any("whatsapp_mcp.client" in started_as(pid) for pid in processes)
        assert {dumped_by(pid) for pid in processes} == {("0 0", "00000000")}


def test_a_crash_leaves_no_memory(tmp_path: Path) -> None:
    script = f"import os; os.chdir({str(tmp_path)!r})\n{_CRASHES}"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", script], os.environ)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert [*tmp_path.iterdir()] == []


def test_a_command_leaves_none_either(tmp_path: Path) -> None:
    script = "import resource, whatsapp_mcp.cli as cli\ntry: cli.main()\nexcept SystemExit: pass\n"
    script += "print(resource.getrlimit(resource.RLIMIT_CORE))"
    said = subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.splitlines()[-1] == "(0, 0)"
