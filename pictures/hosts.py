"""An agent at work in a real MCP host: that, the server and its answers are real, the model is scripted."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pictures.conversation import Conversation, Turn
from pictures.drawing import Frame, draw, write_moving, write_still
from pictures.terminal import Terminal
from pictures.terminals import linked_in
from pictures.world import Account, account
from tests.hosts.claude_code import ClaudeCode
from tests.hosts.host import Host, User, new_user
from tests.hosts.scripted_model import Call, listening
from whatsapp_mcp.cli.demo.agent import FRIEND, OFFER

COLUMNS: Final = 100
LINES: Final = 36
CLAUDE: Final = (
    Turn(
        "Who is waiting for an answer from me?",
        (
            Call("list_chats", {"unanswered": "me", "limit": 8}),
            Call("list_messages", {"chat": FRIEND, "limit": 5}),
        ),
        "Above all Ann and Elif:\n\n"
        "- **Ann Byrne**: shall she take both tins of varnish, 38 euro each? The shop closes at six.\n"
        "- **Elif**: you are to collect Emil from football at four and to bring bread.\n"
        "- **Priya Nair**: may Noah come home with Emil on Wednesday?\n\n"
        "T. Keller, who is not in your address book, wrote as well. I have not opened that.",
        "Shall I take both",
    ),
    Turn(
        "Tell Ann: yes please, both tins.",
        (Call("send_message", {"chat": FRIEND, "text": "Yes please, both tins."}),),
        "Done, it was sent to Ann.",
        "^(sent|delivered) to Ann",
    ),
    Turn(
        "And tell T. Keller: yes, it is still there.",
        (Call("send_message", {"chat": "+491713920012", "text": OFFER}),),
        "You allowed it, and it was sent to T. Keller.",
        "^(sent|delivered) to .*T. Keller",
    ),
)
_DOWN, _RIGHT, _ENTER, _ESCAPE = "\x1b[B", "\x1b[C", "\r", "\x1b"
_WORD, _PAUSE, _TO_READ, _TO_END = 0.15, 1.0, 4.5, 7.0
"""Seconds for which a frame is seen."""


@dataclass(frozen=True)
class Sitting:
    """A person at a terminal in which a host runs.

    Attributes:
        browser: Draws the terminal.
        terminal: The terminal.
        frames: What a moving picture of it shows.
    """

    browser: Any
    terminal: Terminal
    frames: list[Frame]

    async def sees(self, pattern: str, seconds: float) -> None:
        """Wait until a text that fits the pattern is there; it is looked at for so long."""
        await self.terminal.shows(pattern)
        self.frames.append(Frame(await draw(self.browser, self.terminal, 1), seconds))

    async def presses(self, *keys: str) -> None:
        """Press keys, each when the screen is at rest."""
        for key in keys:
            self.terminal.types(key)
            await self.terminal.rests()

    async def asks(self, text: str) -> None:
        """Type a question, word by word, and send it."""
        for word in re.findall(r"\S+ ?", text):
            # What is pasted is never taken for a shortcut.
            self.terminal.pastes(word)
            await self.sees(re.escape(word.strip()), _WORD)
        self.terminal.types(_ENTER)


async def claude_code(browser: Any, folder: Path) -> None:
    """From linking to an answer, a message that is sent, and one that a person allows, in Claude Code."""
    options = ("--model", "scripted", "--permission-mode", "default", "--allowedTools", "mcp__whatsapp")
    async with _seated(ClaudeCode(), CLAUDE) as (here, user), here.served() as server:
        frames = await linked_in(browser, here, Terminal(COLUMNS, LINES + 3))
        await server.knows_people()
        project = _project(user)
        state = json.loads((user.home / ".claude.json").read_text(encoding="utf-8"))
        (user.home / ".claude.json").write_text(json.dumps(state | _settled(project)), encoding="utf-8")
        terminal = Terminal(COLUMNS, LINES)
        sitting = Sitting(browser, terminal, frames)
        async with terminal.running([*_program(user), *options], user.environment, project):
            await terminal.shows("❯")
            # It does not wait for its servers before the first question.
            await sitting.presses("/mcp", _ENTER)
            await terminal.shows("✔ whatsapp")
            await sitting.presses(_ESCAPE)
            for turn in CLAUDE[:2]:
                await sitting.asks(turn.asked)
                await sitting.sees(re.escape(turn.answer.split()[-1]), _TO_READ)
            write_still(folder / "claude-code.png", await draw(browser, terminal))
            await sitting.asks(CLAUDE[2].asked)
            await sitting.sees("Shall it be done", _TO_READ)
            write_still(folder / "claude-code-approval.png", await draw(browser, terminal))
            await sitting.presses(_RIGHT, _DOWN, _ENTER)
            await sitting.sees("Yes, do it", _PAUSE)
            await sitting.presses(_ENTER)
            await sitting.sees(r"to T\. Keller\.", _TO_END)
        write_moving(folder / "first-answer.gif", frames)


def _settled(project: Path) -> dict[str, Any]:
    """What Claude Code remembers of somebody who has used it before: it neither greets nor asks."""
    return {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["none"], "rejected": []},
        "projects": {str(project): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
    }


@asynccontextmanager
async def _seated(host: Host, turns: Sequence[Turn]) -> AsyncGenerator[tuple[Account, User]]:
    """An account that is not linked yet, and a person in whose host the server is installed."""
    model = Conversation(host.dialect, turns)
    # A host may write its last file after it has been ended.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, listening(model):
        async with account(Path(place)) as here:
            user = new_user(host, Path(place) / "jonas", here.launch, model.url)
            await user.whatsapp_mcp("install", host.name, "--yes")
            yield here, user
    model.check()


def _project(user: User) -> Path:
    """The folder in which the host is started."""
    project = user.home / "boat"
    project.mkdir()
    return project


def _program(user: User) -> list[str]:
    name, _ = user.host.program
    return [str(user.home / "bin" / name)]
