"""`whatsapp-mcp demo` as a person runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc
import httpx2
import pytest
from anyio.streams.text import TextReceiveStream
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from rich.console import Console

from tests.cli.planted import planted, ran
from tests.docs.examples import examples
from tests.fixtures import HttpServer, client_of, command, said
from tests.web.site import sign_in
from whatsapp_mcp.cli.demo import _end_on_signal, _tell_what_is_next, agent, run_demo
from whatsapp_mcp.cli.installation import DISTRIBUTION

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="the demo runs on Linux")]

LIMIT = 90.0
END_LIMIT = 20.0


@dataclass
class Demo:
    """A running demo and what it has printed."""

    process: anyio.abc.Process
    printed: str = ""
    _grown: anyio.Event = field(default_factory=anyio.Event)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for text in TextReceiveStream(self.process.stdout):
            self.printed += text
            self._grown.set()
            self._grown = anyio.Event()

    async def prints(self, pattern: str) -> re.Match[str]:
        """The first place where the output fits the pattern."""
        with anyio.fail_after(LIMIT):
            while (found := re.search(pattern, self.printed)) is None:
                await self._grown.wait()
        return found

    async def ends(self) -> int:
        """The exit code."""
        with anyio.fail_after(END_LIMIT):
            return await self.process.wait()


@asynccontextmanager
async def running(*options: str, folder: Path | None = None) -> AsyncGenerator[Demo]:
    process = await anyio.open_process(
        command("demo", *options), stdin=subprocess.DEVNULL, stderr=None, env=dict(os.environ), cwd=folder
    )
    demo = Demo(process)
    async with process, anyio.create_task_group() as tasks:
        tasks.start_soon(demo.read)
        try:
            yield demo
        finally:  # it would be waited for, also after a failure
            if process.returncode is None:
                process.terminate()
            tasks.cancel_scope.cancel()


async def test_once_shows_the_main_job_and_ends_and_runs_no_module_of_the_current_folder(
    tmp_path: Path,
) -> None:
    strange = planted(tmp_path / "strange")
    async with running("--once", folder=strange) as demo:
        await demo.prints("Done: linked, read, sent once, answered.")
        assert await demo.ends() == 0
    for tool in ("connection_status", "link_device", "list_chats", "list_messages", "send_message"):
        assert f"→ {tool}" in demo.printed
    assert "Shall we do the keel on Saturday" in demo.printed
    for file in ("[image", "[document", "[voice"):
        assert re.search(rf"{re.escape(file)}.* is at /", demo.printed)
    assert "a picture, image/jpeg: the model sees it" in demo.printed
    for step in ("demo", "link", "install claude-code"):
        assert re.search(rf"^(?:/\S*)?whatsapp-mcp {step}$", demo.printed, re.MULTILINE)
    assert ran(strange) == []
    tutorial = Path(__file__).parents[2] / "docs" / "tutorial.md"
    [shown] = [one.body for one in examples(tutorial) if one.body.startswith("→")]
    assert alike(shown) in alike(demo.printed)


@pytest.mark.parametrize(
    ("found", "named"), [("/home/ann/.local/bin/whatsapp-mcp", "whatsapp-mcp"), (None, "/")]
)
def test_what_is_next_names_the_installed_program_where_there_is_one(
    found: str | None, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def which(_: str) -> str | None:
        return found

    monkeypatch.setattr(shutil, "which", which)
    _tell_what_is_next(Console(soft_wrap=True))
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" link")]
    assert line.startswith(named)


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    shown = f"{shlex.join(command('demo'))} | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", shown], capture_output=True, timeout=LIMIT, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"")


def alike(text: str) -> str:
    """Without what differs each time: days, times, refs, and the codes of fences; and without indentation."""
    text = re.sub(r"messages \d{6}>|\w{3} \d{4}-\d\d-\d\d|#\d+ \d\d:\d\d", "…", text)
    return "\n".join(line.strip() for line in text.splitlines())


async def test_it_then_serves_http_until_ctrl_c() -> None:
    async with running() as demo:
        base = (await demo.prints(r"(http://\S+)/mcp\n"))[1]
        token = (await demo.prints(r"Token\s+(\S+)\n"))[1]
        await demo.prints("Ctrl-C")
        async with client_of(HttpServer(base, token, demo.process), "http") as client:
            assert len((await said(client, "list_chats", limit=50)).splitlines()) > 10
        joining = shlex.split((await demo.prints(r"joins with\s+(.*) \S*whatsapp-mcp\n"))[1])
        variables = dict(each.split("=", 1) for each in joining)
        assert variables["HTTPS_PROXY"].startswith("http://127.0.0.1:")
        program, *arguments = command("serve")
        joined = StdioServerParameters(command=program, args=arguments, env={**os.environ, **variables})
        async with Client(joined) as client:
            assert len((await said(client, "list_chats", limit=50)).splitlines()) > 10
        page = (await demo.prints(r"opens them\n\s+(.* page)\n"))[1]
        printed = await anyio.run_process(["sh", "-c", page])
        async with httpx2.AsyncClient(follow_redirects=True, trust_env=False) as browser:
            opened = await sign_in(browser, printed.stdout.decode().strip())
            assert (opened.status_code, opened.url.path) == (200, "/")
        demo.process.send_signal(signal.SIGINT)
        assert await demo.ends() == 0


async def test_with_stdio_nothing_but_the_protocol_is_on_stdout() -> None:
    program, *arguments = command("demo", "--stdio")
    initialize = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    async with await anyio.open_process([program, *arguments], env=dict(os.environ)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdin.send(json.dumps(initialize).encode() + b"\n")
        stderr = ""
        with anyio.fail_after(LIMIT):
            async for text in TextReceiveStream(process.stderr):
                stderr += text
                if "Ctrl-C" in stderr:
                    break
        await process.stdin.aclose()
        stdout = b"".join([chunk async for chunk in process.stdout])
        with anyio.fail_after(END_LIMIT):
            assert await process.wait() == 0
    answers = [json.loads(line) for line in stdout.splitlines()]
    assert [answer["id"] for answer in answers if "result" in answer] == [1]
    assert "Done: linked, read, sent once, answered." in stderr


async def test_an_application_uses_the_demo_over_stdio() -> None:
    program, *arguments = command("demo", "--stdio")
    server = StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
    async with Client(server, read_timeout_seconds=LIMIT) as client:
        with anyio.fail_after(LIMIT):
            for tool, shown in (("connection_status", r"^online "), ("list_chats", r"^Möwe ")):
                while not re.search(shown, await said(client, tool), re.MULTILINE):  # noqa: ASYNC110
                    await anyio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_ctrl_c_and_a_closed_window_end_it(number: signal.Signals) -> None:
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, tasks.cancel_scope)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), number)
            await anyio.sleep_forever()


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit('no luck')",
        "import http.server, sys, threading\n"
        "class Page(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "    def do_POST(self): sys.stderr.write('no luck'); sys.stderr.flush(); __import__('os')._exit(1)\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Page).serve_forever()",
    ],
    ids=["at the start", "in a call"],
)
def test_a_server_that_ends_is_told_with_its_log(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(port: int | None = None) -> list[str]:
        return [sys.executable, "-c", program, str(port)]

    monkeypatch.setattr(agent, "command", broken)
    assert run_demo(once=True) == 1
    assert "no luck" in capsys.readouterr().out


def test_where_it_cannot_run_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert run_demo() == 1
    assert "The demo runs on Linux" in capsys.readouterr().out


def test_without_pynacl_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec

    def without_nacl(name: str) -> object:
        return None if name == "nacl" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", without_nacl)
    assert run_demo() == 1
    assert "install '" + DISTRIBUTION + "[demo" in capsys.readouterr().out
