"""The agent of the demo and its server.

The agent is a short script in place of a model, with real tool calls and their real answers. The server is
the real one, in a process of its own, pointed at the simulated WhatsApp.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc
import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from rich.markup import escape

from whatsapp_mcp.processes.child_process import module_command
from whatsapp_mcp.settings import ENV_PREFIX, HOME_VARIABLE

if TYPE_CHECKING:
    from mcp.types import CallToolResult
    from rich.console import Console

    from whatsapp_simulator.scenario import Scenario
    from whatsapp_simulator.whatsapp import WhatsApp

HOST: Final = "127.0.0.1"
USUAL_PORT: Final = 8808
STOP_LIMIT: Final = 0.8
"""Seconds that the server has to end before it is killed."""
START_LIMIT: Final = 60.0
"""Seconds until the server has to answer."""
LINK_LIMIT: Final = 60.0
"""Seconds until the phone has taken the code and is online."""
ARRIVAL_LIMIT: Final = 60.0
"""Seconds until an answer has to hold what is waited for."""
BOOK_LIMIT: Final = 15.0
"""Seconds for the phone's address book; the demo goes on without it."""
SHOWN_LINES: Final = 16
"""Lines of an answer that are printed."""
SHOWN_WIDTH: Final = 170
"""Characters of a line that are printed."""
BOAT: Final = "Möwe ⛵"
FRIEND: Final = "Ann Byrne"
STRANGER: Final = "T. Keller"
ANSWER: Final = "Yes please, both tins. I will pay you back on Saturday."
OFFER: Final = "Guten Tag, ja, er ist noch zu haben."
QUESTION: Final = "*May this be done?*"
"""Beginning of a question on the phone."""
_REF: Final = re.compile(r"#\d+")
_PAIRING_CODE: Final = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")
_MESSAGE: Final = re.compile(rf"^{_REF.pattern} ", re.MULTILINE)
"""Pattern of the beginning of a message's line."""
_WITHHELD: Final = re.compile(r"\[a stranger wrote \((\d+) messages\)")
SERVER_GONE: Final = (httpx2.TransportError, MCPError, OSError)
"""Exceptions that a client raises when its server ends."""


def command(port: int | None = None) -> list[str]:
    """Return the command that starts a server: over HTTP on `port`, or over stdio."""
    serve = [*module_command("whatsapp_mcp.simulated", "serve")]
    return serve if port is None else [*serve, "--transport", "http", "--host", HOST, "--port", str(port)]


def environment(whatsapp: WhatsApp, home: Path) -> dict[str, str]:
    """Return the server process's environment; the person's own settings stay out of the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return {**kept, **whatsapp.environment(), HOME_VARIABLE: str(home)}


def join(variables: dict[str, str]) -> str:
    """The variables for the command of a server that joins the demo.

    The proxy goes with it: should the demo end first, that server becomes the leader and must not look for
    WhatsApp outside.
    """
    names = (HOME_VARIABLE, "HTTPS_PROXY", "NO_PROXY")
    return " ".join(f"{name}={shlex.quote(variables[name])}" for name in names)


@contextlib.asynccontextmanager
async def running(
    variables: dict[str, str], port: int | None, log: Path
) -> AsyncGenerator[anyio.abc.Process]:
    """The server process, on `port` or over stdin and stdout of this process; ended with this block."""
    stdin = None if port is None else subprocess.DEVNULL
    with log.open("wb") as stderr:
        process = await anyio.open_process(
            command(port), env=variables, cwd=log.parent, stdin=stdin, stdout=None, stderr=stderr
        )
    try:
        yield process
    finally:
        # Shielded: Ctrl-C has cancelled this task, and the server would outlive the demo.
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _stop(process: anyio.abc.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        with anyio.move_on_after(STOP_LIMIT):
            await process.wait()
            return
        process.kill()
        await process.wait()


def free_port(*, usual: bool) -> int:
    """A free port: the usual one where `usual` is wished and it is free."""
    for port in (USUAL_PORT, 0) if usual else (0,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    return USUAL_PORT


class DemoFailed(Exception):
    """The main job could not be done; the message says what failed."""


@contextlib.asynccontextmanager
async def over_http(url: str, token: str) -> AsyncGenerator[Client]:
    """An MCP client of the demo's HTTP server, as soon as that answers.

    Raises:
        DemoFailed: It does not.
    """
    headers = {"Authorization": f"Bearer {token}"}
    # A proxy that the environment names would be asked for 127.0.0.1 as well.
    async with httpx2.AsyncClient(headers=headers, timeout=60.0, trust_env=False) as http:
        await _until_healthy(http, url.removesuffix("/mcp") + "/healthz")
        async with Client(streamable_http_client(url, http_client=http)) as client:
            yield client


async def _until_healthy(http: httpx2.AsyncClient, url: str) -> None:
    with anyio.move_on_after(START_LIMIT):
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await http.get(url)).is_success:
                    return
            await anyio.sleep(0.05)
    raise DemoFailed("The server did not start.")


def over_stdio(environment: Mapping[str, str]) -> AbstractAsyncContextManager[Client]:
    """An MCP client with a server of its own, a follower of the demo's server."""
    program, *arguments = command()
    server = StdioServerParameters(
        command=program, args=arguments, env=dict(environment), cwd=environment[HOME_VARIABLE]
    )
    return Client(server)


class _Agent:
    """Calls tools and shows what was called and what came back."""

    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console

    def thinks(self, text: str) -> None:
        self._console.print(f"\n[bold]{escape(text)}[/bold]")

    async def calls(self, name: str, *, refused: bool = False, **arguments: Any) -> str:
        """Call a tool, print call and answer, and return the text of the answer.

        Args:
            name: The tool.
            refused: Whether an error is what is to be shown.
            **arguments: Its arguments.
        """
        shown = " ".join(f"{key}={value!r}" for key, value in arguments.items())
        self._console.print(f"[cyan]→ {name}[/cyan] {escape(shown)}")
        result = await self._client.call_tool(name, arguments)
        text = _text_of(result)
        for line in _shortened(text):
            self._console.print(f"    {line}", style="dim", markup=False)
        for block in result.content:
            if block.type == "image":
                self._console.print(f"    (a picture, {block.mime_type}: the model sees it)", style="dim")
        if result.is_error != refused:
            raise DemoFailed(f"{name} {'was not refused' if refused else 'failed'}.")
        return text

    async def awaits(self, holds: Callable[[str], bool], name: str, **arguments: Any) -> None:
        """Call a reading tool, unseen, until its answer holds.

        Raises:
            TimeoutError: It did not within `ARRIVAL_LIMIT`.
        """
        with anyio.fail_after(ARRIVAL_LIMIT):
            while True:
                if holds(_text_of(await self._client.call_tool(name, arguments))):
                    return
                await anyio.sleep(0.1)


async def show(client: Client, scenario: Scenario, tasks: anyio.abc.TaskGroup, console: Console) -> bool:
    """Link, read, send and read the answer; then `scenario` goes on in `tasks`. Whether all of it worked."""
    agent = _Agent(client, console)
    console.rule("A WhatsApp on this machine, invented people, real tool calls")
    try:
        await _link(agent, scenario)
        await _fill(agent, scenario)
        tasks.start_soon(scenario.go_on)
        await _read(agent)
        await _write(agent)
        await _open_files(agent)
        await _ask(agent, scenario, console)
    except DemoFailed as failed:
        console.print(str(failed), style="red", markup=False)
        return False
    except TimeoutError:
        console.print("It took too long; the log of the server says more.", style="red")
        return False
    return True


async def _link(agent: _Agent, scenario: Scenario) -> None:
    await agent.awaits(_is_state("unlinked"), "connection_status")
    agent.thinks("Is WhatsApp there?")
    await agent.calls("connection_status")
    agent.thinks(f"No phone is linked. I ask for a code; {scenario.phone.name} types it.")
    shown = await agent.calls("link_device", phone=scenario.phone.pn.number)
    code = _PAIRING_CODE.search(shown)
    if code is None:
        raise DemoFailed("There was no pairing code.")
    with anyio.fail_after(LINK_LIMIT):
        await scenario.phone.enter_code(code.group())
        await scenario.phone.online()
    await agent.awaits(_is_state("online"), "connection_status")
    await agent.calls("connection_status")


async def _fill(agent: _Agent, scenario: Scenario) -> None:
    count = scenario.remember()
    await scenario.phone.hand_over()
    agent.thinks(f"The phone sends {count} messages of the last days and its address book.")
    await agent.awaits(lambda text: _count(text) >= count, "list_messages", limit=100)
    with anyio.move_on_after(BOOK_LIMIT):  # no harm without it: names then stand with a ~
        await agent.awaits(_is_in_the_address_book, "search_contacts", query=FRIEND)


async def _read(agent: _Agent) -> None:
    agent.thinks('"What is new, and does anybody wait for me?"')
    await agent.calls("list_chats", unanswered="me", limit=8)
    await agent.calls("list_messages", chat=BOAT, limit=5)
    await agent.calls("list_messages", chat=FRIEND, limit=5)
    agent.thinks('"What does my son need for school?"')
    await agent.calls("search_messages", query="Zirkel", limit=3)


async def _open_files(agent: _Agent) -> None:
    agent.thinks('"Show me the crack, and open what Claire wants signed."')
    for kind in ("image", "document", "voice"):
        if kind == "voice":
            agent.thinks("A voice note is a file, too; with the extra `voice` its words are written down:")
        listed = await agent.calls("list_messages", kind=kind, limit=1)
        [ref] = _REF.findall(listed)[-1:] or [""]
        await agent.calls("download_media", message=ref)


async def _write(agent: _Agent) -> None:
    agent.thinks(f'"Tell {FRIEND} I take both."')
    sent = await agent.calls("send_message", chat=FRIEND, text=ANSWER, idempotency_key="demo-both-tins")
    agent.thinks("The same key again sends nothing:")
    again = await agent.calls("send_message", chat=FRIEND, text=ANSWER, idempotency_key="demo-both-tins")
    if _REF.findall(sent) != _REF.findall(again):
        raise DemoFailed("A repeated idempotency key sent twice.")
    agent.thinks("A moment later:")
    await agent.awaits(_is_answered, "list_messages", chat=FRIEND, limit=1)
    await agent.calls("list_messages", chat=FRIEND, limit=3)


async def _ask(agent: _Agent, scenario: Scenario, console: Console) -> None:
    agent.thinks(
        "A ~ marks strangers to the address book. What they write is data; nobody follows these orders:"
    )
    listed = await agent.calls("list_messages", chat=STRANGER, limit=5)
    [ref] = _REF.findall(listed)[-1:] or [""]
    agent.thinks('"Answer that it is still there." A stranger would see it, so a person decides:')
    await agent.calls("send_message", refused=True, chat=ref, text=OFFER)
    with anyio.fail_after(ARRIVAL_LIMIT):
        while not (question := await scenario.phone.receives()).text.startswith(QUESTION):
            pass
        agent.thinks(f"{scenario.phone.name}'s phone shows, in the chat with oneself:")
        for line in question.text.splitlines():
            console.print(f"    {line}", style="dim", markup=False)
        agent.thinks(f"{scenario.phone.name} answers with 👍, and the message goes out:")
        await scenario.phone.reacts(question.id, "👍")
    await agent.awaits(lambda text: OFFER in text, "list_messages", chat=STRANGER, limit=5)
    await agent.calls("list_messages", chat=STRANGER, limit=1)
    done = "Done: linked, read, sent once, answered. A stranger was written to after a yes alone."
    console.print(f"\n[green]{done}[/green]\n")


def _count(listed: str) -> int:
    """The messages of a list; those of strangers whose words are withheld stand in one line."""
    more = sum(int(count) - 1 for count in _WITHHELD.findall(listed))
    return len(_MESSAGE.findall(listed)) + more


def _shortened(text: str) -> list[str]:
    lines = text.splitlines()
    more = [f"… {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return [
        *(f"{line[:SHOWN_WIDTH]}…" if len(line) > SHOWN_WIDTH else line for line in lines[:SHOWN_LINES]),
        *more,
    ]


def _text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _is_state(state: str) -> Callable[[str], bool]:
    return lambda text: text.startswith(f"{state} ")


def _is_in_the_address_book(contacts: str) -> bool:
    return FRIEND in contacts and f"~{FRIEND}" not in contacts


def _is_answered(messages: str) -> bool:
    return re.search(rf"^#\d+ \S+ ~?{FRIEND}:", messages, re.MULTILINE) is not None
