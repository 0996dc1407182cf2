"""`whatsapp-mcp demo`: the main job on a WhatsApp of its own, on this machine, with invented people.

The simulated WhatsApp runs in this process. The server is the real one, started as an MCP application starts
it; its client process is the real one too, started by a command that points it at the simulator.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
from rich.console import Console

from whatsapp_mcp.cli.installation import SCRIPTS, adding, command
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.system import END_OR_HANG_UP, receive_signals

CONFIG: Final = """\
[account]
device_name = "whatsapp-mcp demo"

[policy]
mode = "standard"
"""
ELSEWHERE: Final = """\
The demo runs on Linux: its simulated WhatsApp has to make the client library trust it, and knows how to do
that there alone. Everything else runs here too: link a phone with whatsapp-mcp link."""
MISSING: Final = """\
The demo needs PyNaCl, which only its simulated WhatsApp uses. Install it with the extra `demo`:

  {}"""


def run_demo(*, stdio: bool = False, once: bool = False) -> ExitCode:
    """Show the main job, then serve until Ctrl-C; `INTERRUPTED` when that came before it was shown.

    Args:
        stdio: Serve MCP over stdin and stdout rather than HTTP; then everything else goes to stderr.
        once: End after the main job instead of serving.
    """
    console = Console(stderr=stdio, highlight=False, soft_wrap=True)
    if sys.platform != "linux":
        console.print(ELSEWHERE, markup=False)
        return ExitCode.FAILED
    if importlib.util.find_spec("nacl") is None:
        console.print(MISSING.format(adding("demo")), markup=False)
        return ExitCode.FAILED
    return anyio.run(_run, console, stdio, once)


async def _run(console: Console, stdio: bool, once: bool) -> ExitCode:
    done = anyio.Event()
    code: ExitCode | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, tasks.cancel_scope)
            with tempfile.TemporaryDirectory(prefix="whatsapp-mcp-demo-") as folder:
                code = await _play(console, Path(folder), stdio, once, done)
            tasks.cancel_scope.cancel()
    except* SystemExit:
        # How Rich ends when nobody reads on, as `head` does not: the demo ends with it.
        code = ExitCode.INTERRUPTED
    if code is not None:
        return code
    return ExitCode.OK if done.is_set() else ExitCode.INTERRUPTED


async def _end_on_signal(scope: anyio.CancelScope) -> None:
    with receive_signals(END_OR_HANG_UP) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _play(console: Console, home: Path, stdio: bool, once: bool, done: anyio.Event) -> ExitCode:
    """Show the main job (then `done` is set), and serve unless it is for `once`."""
    from whatsapp_mcp.cli.demo import agent
    from whatsapp_mcp.server.transports import load_or_make
    from whatsapp_simulator.scenario import Scenario
    from whatsapp_simulator.whatsapp import WhatsApp
    from whatsapp_simulator.world import World

    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    log = home / "server.log"
    token = load_or_make(home)
    # Nobody joins a demo that ends at once; two of them may run beside each other.
    port = None if stdio else agent.free_port(usual=not once)
    url = f"http://{agent.HOST}:{port}/mcp"
    shown = False
    async with WhatsApp() as whatsapp, anyio.create_task_group() as tasks:
        scenario = Scenario(whatsapp, World.load())
        variables = agent.environment(whatsapp, home)
        async with agent.running(variables, port, log) as server:
            tasks.start_soon(_end_with, server, tasks.cancel_scope)
            try:
                async with agent.over_stdio(variables) if stdio else agent.over_http(url, token) as client:
                    shown = await agent.show(client, scenario, tasks, console)
            except* agent.DemoFailed as failed:
                console.print(str(failed.exceptions[0]), style="red", markup=False)
            except* agent.SERVER_GONE:
                console.print("The server has ended. Its log:", style="red")
            if shown:
                done.set()
            if shown and not once:
                _tell_how_to_join(console, agent.join(variables), None if stdio else url, token)
                await anyio.sleep_forever()
            if shown:
                _tell_what_is_next(console)
        tasks.cancel_scope.cancel()
    if shown or stdio:
        return ExitCode.OK
    console.print(log.read_text(encoding="utf-8", errors="replace"), markup=False)
    return ExitCode.FAILED


async def _end_with(server: anyio.abc.Process, scope: anyio.CancelScope) -> None:
    """An application that closes stdin ends its server, and with it the demo."""
    await server.wait()
    scope.cancel()


def _tell_what_is_next(console: Console) -> None:
    # Whoever has it installed must not be led to the checkout that shows the demo.
    program = SCRIPTS[0] if shutil.which(SCRIPTS[0]) else shlex.join(command())
    console.rule("What next?")
    steps = {
        "demo": "the same, and it goes on: your browser can open its pages, your own application can join",
        "link": "link your phone (read in the README what an unofficial client risks)",
        "install claude-code": "connect an application; --help names the others",
    }
    for arguments, what in steps.items():
        console.print(f"{program} {arguments}\n    {what}", markup=False)


def _tell_how_to_join(console: Console, join: str, url: str | None, token: str) -> None:
    console.rule("The people go on talking. Ctrl-C ends it.")
    lines = [f"A stdio server joins with   {join} {shlex.join(command())}"]
    if url is not None:
        lines = [
            f"Pages in a browser: this prints a URL that opens them\n  {join} {shlex.join(command())} page",
            f"MCP over streamable HTTP    {url}",
            f"MCP over SSE                {url.removesuffix('/mcp')}/sse",
            f"Token                       {token}",
            *lines,
            "Claude Code",
            f'  claude mcp add --transport http whatsapp-demo {url} --header "Authorization: Bearer {token}"',
        ]
    console.print("\n".join(lines), markup=False)
