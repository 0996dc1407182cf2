"""The rules of an account: its mode, its rules for chats, tools switched off, chats with their own agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from whatsapp_mcp.models import ChatFacts, ChatKind
from whatsapp_mcp.settings import (
    OWN_CHAT,
    AgentKind,
    AgentSettings,
    ChatRule,
    PolicyMode,
    PolicySettings,
    Settings,
    Verdict,
)

_RANKS: Final = {
    subject: rank for rank, subject in enumerate(("jid", "number", "name", "group", "kind", "people"))
}
"""The most specific first."""


def agent_of(agent: AgentSettings, chat: ChatFacts, is_paired: Callable[..., bool]) -> AgentKind | None:
    """The agent of a chat; None where it has none.

    Args:
        agent: The section `[agent]`.
        chat: What is known of the chat.
        is_paired: Whether a person has let in whoever has one of these addresses.
    """
    if chat.is_own:
        return agent.chats.get(OWN_CHAT)
    for address in (chat.jid, chat.lid):
        if address in agent.chats:
            return agent.chats[address]
    if chat.is_person and agent.strangers == "pairing" and is_paired(chat.jid, chat.lid):
        return agent.paired
    return None


Purpose = Literal["read", "send"]


class Ruling(NamedTuple):
    """The verdict of a rule on a chat, and the rule as a person wrote it."""

    verdict: Verdict
    rule: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of an account.

    Attributes:
        policy: The section `[policy]`.
    """

    policy: PolicySettings = field(default_factory=PolicySettings)

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that these settings name."""
        return cls(settings.policy)

    @classmethod
    def in_mode(cls, mode: PolicyMode) -> Policy:
        """A policy of this mode without rules of its own."""
        return cls(PolicySettings(mode=mode))

    @property
    def mode(self) -> PolicyMode:
        """`read_only`, `standard`, `lockdown` or `open`."""
        return self.policy.mode

    @property
    def withholds(self) -> bool:
        """True if strangers' words are withheld until they are asked for."""
        return self.mode != "open"

    @property
    def leaves_to_host(self) -> bool:
        """True if the host alone asks the person."""
        return self.policy.approval == "host"

    @property
    def asks_on_phone(self) -> bool:
        """True if the person may be asked on the phone."""
        return self.policy.approval in {"auto", "phone"}

    def is_off(self, tool: str) -> bool:
        """Return whether a tool is switched off."""
        only = self.policy.tools_on
        return tool in self.policy.tools_off or (bool(only) and tool not in only)

    def ruling(self, chat: ChatFacts, purpose: Purpose) -> Ruling | None:
        """Return the ruling of the most specific rule for this chat; None if no rule is about it."""
        best: tuple[int, ChatRule] | None = None
        for rule in self.policy.chats:
            verdict = rule.read if purpose == "read" else rule.send
            rank = _RANKS[rule.subject]
            if verdict is not None and (best is None or rank < best[0]) and _is_about(rule, chat):
                best = rank, rule
        if best is None:
            return None
        rule = best[1]
        verdict = rule.read if purpose == "read" else rule.send
        assert verdict is not None
        return Ruling(verdict, f'{rule.subject} = "{rule.value}", {purpose} = "{verdict}"')

    @property
    def rules_reading(self) -> bool:
        """True if any rule is about reading."""
        return any(rule.read is not None for rule in self.policy.chats)


def _is_about(rule: ChatRule, chat: ChatFacts) -> bool:
    return _TESTS[rule.subject](rule.value, chat)


def _is_of_people(value: str, chat: ChatFacts) -> bool:
    if chat.is_own:
        return False
    if chat.is_person:
        return chat.is_known == (value == "contacts")
    # Channels and lists have readers whom nobody chose, so they count as strangers.
    return value == "strangers" and (chat.kind is not ChatKind.GROUP or chat.has_strangers)


_TESTS: Final[dict[str, Callable[[str, ChatFacts], bool]]] = {
    "jid": lambda value, chat: value in {chat.jid, chat.lid},
    "number": lambda value, chat: value == chat.number,
    # A name that somebody chose for themselves is nobody's name here.
    "name": lambda value, chat: chat.is_person and chat.is_known and value == chat.name,
    "group": lambda value, chat: not chat.is_person and value == chat.name,
    "kind": lambda value, chat: value == chat.kind.value,
    "people": _is_of_people,
}
