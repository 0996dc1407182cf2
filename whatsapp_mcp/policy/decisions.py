"""The rules of an account, and `decide`: the one place in which the policy is applied.

The rules are its mode, those for chats, tools switched off, and chats with their own agent. Of acts:

| what | `standard` | `lockdown` |
|---|---|---|
| seen by everyone, or by somebody who is not known | asks | asks |
| seen by a group with people who are not known, in which the owner never wrote | asks | asks |
| seen by others, exported, fetched, named or destroyed by a tainted principal | asks | asks |
| content that wants a look (`Act.concerns`) | asks | asks |
| a file is imported | asks | asks |
| anything else | allowed | allowed |
| what an agent says in the chat that the person gave it, and is bound to | allowed | as above |

A principal is tainted by strangers' words, in `lockdown` by anybody's. `open` allows everything that no rule
forbids, `read_only` nothing but reading and exporting; both ask about an import. A person who acts without an
agent is asked nothing.
A caller that is bound to one chat is refused whatever reaches beyond it, in every mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.models import UNKNOWN, ChatFacts, ChatKind
from whatsapp_mcp.policy.acts import SEEN, Act, Audience, CallerState, Effect
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
Purpose = Literal["read", "send"]
_OWN_DEVICE: Final = frozenset({Effect.READ, Effect.LINK, Effect.EXPORT, Effect.IMPORT})
"""Effects that a read-only account allows: nobody else sees them."""
_WHEN_TAINTED: Final = frozenset({Effect.EXPORT, Effect.FETCH, Effect.DESTROY, Effect.NAME})
"""Effects that need approval for a tainted principal although nobody else sees them: they may carry words
out, delete evidence of an attack, or leave a name under which the next message goes to somebody else."""


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


class Decision(NamedTuple):
    """The policy's decision about an act.

    Attributes:
        verdict: `allow`, `ask` a person, or `deny`.
        rule: Which rule decided, as a person finds it in the documentation or in `config.toml`.
        reason: Why, as a clause: "Ann is not in the address book".
    """

    verdict: Verdict
    rule: str
    reason: str


def decide(policy: Policy, act: Act, situation: CallerState) -> Decision:
    """Return the policy's decision about an act."""
    decision = forbidden(policy, act, situation) or _asked(policy, act, situation)
    # A host shows the path of a file that is imported, and not what it is; and it asks about a tool only if
    # it was told that the tool is destructive.
    is_left_to_host = (
        policy.leaves_to_host and situation.caller.hinted and act.effect not in {Effect.READ, Effect.IMPORT}
    )
    if decision.verdict == "ask" and is_left_to_host:
        return Decision("allow", 'approval = "host"', f"the host asks; {decision.reason}")
    return decision


def require(policy: Policy, act: Act, situation: CallerState) -> None:
    """Refuse what the policy forbids whatever a person would answer.

    Raises:
        Denied: It is forbidden; nothing has been changed.
    """
    decision = forbidden(policy, act, situation)
    if decision is not None and decision.verdict == "deny":
        raise denied(act, decision)


def is_offered(policy: Policy, act: Act) -> bool:
    """Return whether agents may do an act at all, whomever it is about and whatever a person answers."""
    decision = forbidden(policy, act, CallerState(UNKNOWN))
    return decision is None or decision.verdict != "deny"


def denied(act: Act, decision: Decision) -> Denied:
    """The error of an act that is forbidden."""
    if act.effect is Effect.PERSON:
        return Denied(f"{decision.reason[0].upper()}{decision.reason[1:]}.", "Tell the user.")
    return Denied(
        f"{decision.reason[0].upper()}{decision.reason[1:]}, so {act.name} is refused ({decision.rule}).",
        "Tell the user; only the person can change the policy in config.toml.",
    )


def forbidden(policy: Policy, act: Act, situation: CallerState) -> Decision | None:
    """The decision about an act that no answer of a person could change; None if one could."""
    caller = situation.caller
    # Before everything else: no mode and no right of the caller leads out of the chat it is bound to.
    if caller.chat and not _is_inside(act, caller.chat):
        return Decision("deny", "--chat", "this agent is bound to one chat")
    if act.effect is Effect.PERSON:
        if caller.is_trusted:
            return Decision("allow", "person", "a person does it")
        return Decision("deny", "person", f"only a person may do {act.name}, and no agent for them")
    if policy.mode == "read_only" and act.effect not in _OWN_DEVICE:
        return Decision("deny", 'mode = "read_only"', "this account is read-only")
    if not caller.is_trusted and policy.is_off(act.name):
        return Decision("deny", "tools_off, tools_on", f"{act.name} is switched off")
    purpose = "read" if act.effect is Effect.READ or act.effect is Effect.EXPORT else "send"
    if act.audience in SEEN or purpose == "read":
        for chat in act.chats:
            ruling = policy.ruling(chat, purpose)
            if ruling is not None and ruling.verdict == "deny" and not caller.is_person:
                return Decision("deny", ruling.rule, f"a rule forbids to {purpose} there")
    return None


def _is_inside(act: Act, chat: str) -> bool:
    """Return whether an act stays within a chat."""
    return act.in_chat and all(chat in {each.jid, each.lid} for each in act.chats)


def _asked(policy: Policy, act: Act, situation: CallerState) -> Decision:
    if situation.caller.is_trusted or act.effect is Effect.LINK:
        return Decision("allow", "person", "no agent asks for it")
    if act.effect is Effect.IMPORT:
        return Decision("ask", "imports", "whoever made the file can have made up what it says")
    allowed: Decision | None = None
    if act.audience in SEEN or act.effect is Effect.READ or act.effect is Effect.EXPORT:
        purpose = "send" if act.audience in SEEN and act.effect is not Effect.READ else "read"
        rulings = [policy.ruling(chat, purpose) for chat in act.chats]
        for ruling in rulings:
            if ruling is not None and ruling.verdict == "ask":
                return Decision("ask", ruling.rule, "a rule wants every one asked about")
        if rulings and all(ruling is not None and ruling.verdict == "allow" for ruling in rulings):
            first = rulings[0]
            assert first is not None
            allowed = Decision("allow", first.rule, "a rule allows it")
    if policy.mode == "open":
        return allowed or Decision("allow", 'mode = "open"', "nothing is asked")
    return _risky(policy, act, situation, allowed)


def _risky(policy: Policy, act: Act, situation: CallerState, allowed: Decision | None) -> Decision:
    rule = f'mode = "{policy.mode}"'
    # Before `allowed`: a rule says who may be written to, and not that a secret may be sent.
    if act.effect is not Effect.READ and act.concerns:
        return Decision("ask", rule, act.concerns[0])
    if allowed is not None:
        return allowed
    if act.effect is Effect.READ:
        return Decision("allow", rule, "reading")
    if situation.is_answer and policy.mode == "standard":
        # It can have read nothing but this chat: nobody learns there what they were not told there.
        return Decision("allow", "[agent.chats]", "the person has given this chat an agent")
    if act.audience is Audience.EVERYONE:
        return Decision("ask", rule, "people who are not chosen one by one would see it")
    if act.audience is Audience.CHAT:
        for chat in act.chats:
            if (reason := _unfamiliar(chat)) is not None:
                return Decision("ask", rule, reason)
    if situation.tainted and (act.is_seen or act.effect in _WHEN_TAINTED):
        whose = "anybody's" if policy.mode == "lockdown" else "a stranger's"
        return Decision("ask", rule, f"{whose} words were read in the last 24 hours")
    return Decision("allow", rule, "familiar")


def _unfamiliar(chat: ChatFacts) -> str | None:
    """Why people in a chat are not familiar; None if they are."""
    if chat.is_own:
        return None
    if chat.is_person:
        return None if chat.is_known else "the recipient is not in the address book"
    if chat.kind is not ChatKind.GROUP:
        return "people who are not chosen one by one would see it"
    if chat.has_strangers and not chat.owner_wrote:
        return "the group has people who are not in the address book, and the user never wrote there"
    return None
