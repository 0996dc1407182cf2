"""The section `[agent]` of `config.toml`: which chats are handed on to an agent, and how it is run."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import parse_chat
from whatsapp_mcp.settings.section import Section, UserPath
from whatsapp_mcp.text.emoji import is_emoji

AgentKind = Literal["command", "channel", "clients"]
OWN_CHAT: Final = "self"
"""The chat with oneself, as a key of `[agent.chats]`."""


def _chat(text: str) -> str:
    """A key of `[agent.chats]` as a jid."""
    if text.strip() == OWN_CHAT:
        return OWN_CHAT
    try:
        return parse_chat(text)
    except InvalidArgument:
        raise ValueError(f'{text!r} is neither "self", a number with + nor a jid') from None


def _reaction(value: str) -> str:
    if value and not is_emoji(value):
        raise ValueError(f"{value!r} is not one emoji")
    return value


def _words(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('it is a list, such as ["/usr/bin/my-agent", "--fast"]: no shell reads it')
    return value


class AgentLimits(Section):
    """`[agent.limits]`: how long a command may run, and how much it may answer.

    `seconds` is for one run. `per_hour` are answers to one chat. `turns` are messages of one chat that are
    handed on without two minutes between them: two programs would answer each other for ever. `characters`
    are those of one answer. `cost_per_day` bounds what the runs of the last 24 hours reported.
    """

    seconds: float = Field(default=300.0, ge=1, le=3600)
    per_hour: int = Field(default=30, ge=1)
    turns: int = Field(default=20, ge=1)
    characters: int = Field(default=8_000, ge=1, le=60_000)
    cost_per_day: float | None = Field(default=None, ge=0)


class AgentSettings(Section):
    """`[agent]`: an agent that people reach by writing to this account. Without chats it is off.

    `chats` names the chats that are handed on, each to one agent: to the `command`, to a Claude Code
    `channel`, or to MCP `clients` that wait for messages. `strangers = "pairing"` gives whoever else writes a
    code, with which the person may let them in; `paired` is their agent. `environment` names variables that
    the command gets, `folder` is where it runs. `output = "json"` reads `result` and `total_cost_usd` from
    what it prints. `settle` are seconds of quiet after which a burst of messages is handed on. `working` is a
    reaction while the command runs, `away` what is said when nobody answers; both are left out when empty.
    """

    command: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    chats: dict[Annotated[str, AfterValidator(_chat)], AgentKind] = Field(default={})
    strangers: Literal["off", "pairing"] = "off"
    paired: AgentKind = "command"
    environment: tuple[str, ...] = ()
    folder: UserPath | None = None
    output: Literal["text", "json"] = "text"
    settle: float = Field(default=2.0, ge=0, le=60)
    working: Annotated[str, AfterValidator(_reaction)] = "👀"
    away: str = Field(default="", max_length=1_000)
    limits: AgentLimits = AgentLimits()

    @model_validator(mode="after")
    def _has_command(self) -> Self:
        kinds = {*self.chats.values(), *([self.paired] if self.strangers == "pairing" else [])}
        if "command" in kinds and not self.command:
            raise ValueError("a chat is given to the command, and command is not set")
        return self

    @property
    def is_on(self) -> bool:
        """True if any chat is handed on to an agent."""
        return bool(self.chats) or self.strangers != "off"
