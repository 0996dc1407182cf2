"""Effects and acts: what every operation declares to do and who sees it; what the policy is asked about.

Scopes of a bearer token, `read`, `send` and `admin`, each allow some effects of tools:

| scope | tools |
|---|---|
| `read` | those that only read |
| `send` | those that act, destroy, fetch an address or write an export |
| `admin` | linking, unlinking, reconnecting and importing |
| `metrics` | none: it opens `/metrics` |

No scope includes another.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from whatsapp_mcp.errors import Denied, InvalidArgument
from whatsapp_mcp.models import Caller, ChatFacts
from whatsapp_mcp.text.choices import SCOPES, Scope

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE: Final = "_declared"
"""Attribute of a function that holds its declaration."""


class Effect(StrEnum):
    """The effect of an operation, as far as the policy distinguishes it."""

    READ = "read"
    """Answers from what is stored or what WhatsApp tells; changes nothing that anybody else sees."""
    LINK = "link"
    """Opens or renews the connection to WhatsApp; sends and changes nothing."""
    ACT = "act"
    """Sends or changes something on WhatsApp."""
    NAME = "name"
    """Gives somebody a name here, by which agents find them from then on; nobody else sees it."""
    DESTROY = "destroy"
    """Deletes or takes away what cannot be brought back."""
    FETCH = "fetch"
    """Requests a URL that an agent named."""
    EXPORT = "export"
    """Writes messages to where other programs read them."""
    IMPORT = "import"
    """Takes over what a file says was said, which whoever made the file can have made up."""
    PERSON = "person"
    """An action that only a person may take: deciding an approval, confirming somebody, clearing the record
    of what was handed out."""


class Audience(StrEnum):
    """The people who see an effect."""

    NOBODY = "nobody"
    """Nobody but the agent and its person."""
    ONESELF = "oneself"
    """The account's own devices, and whoever serves them."""
    CHAT = "chat"
    """The people of one chat."""
    EVERYONE = "everyone"
    """People who are not chosen one by one: all contacts, all followers, whoever looks."""


SEEN: frozenset[Audience] = frozenset({Audience.CHAT, Audience.EVERYONE})
"""Audiences that are other people."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Declaration of an operation: its effect, its audience and its reach.

    Attributes:
        effect: What is done.
        audience: Who sees it.
        reaches: The parameters that hold the jids of the chats and people that it reaches or is about.
        in_chat: A caller that is bound to one chat may do it there (`device/guard/one_chat.py`).
        begins_itself: It writes itself down (`Invocation.begin`) with what it accepts, and not before.
        is_state: It answers how the account is, and nothing that anybody wrote, so the policy has no say in
            it. The change feed of every server asks that for each message.
    """

    effect: Effect
    audience: Audience
    reaches: tuple[str, ...] = ()
    in_chat: bool = False
    begins_itself: bool = False
    is_state: bool = False


def has_effect(
    effect: Effect,
    audience: Audience = Audience.NOBODY,
    *reaches: str,
    in_chat: bool = False,
    begins_itself: bool = False,
    is_state: bool = False,
) -> Callable[[F], F]:
    """Declare what the function below does, which makes it an operation (`device.do`).

    Args:
        effect: What is done.
        audience: Who sees it; what others see is never left to the default, since acts name theirs.
        reaches: Parameters with the jids of chats and people: one jid or a tuple of them each.
        in_chat: Whether a caller that is bound to one chat may do it there. Then it reads, or is seen by the
            chat that it reaches; what else it touches is checked in `device/guard/one_chat.py`.
        begins_itself: Whether it calls `Invocation.begin` itself.
        is_state: Whether it answers how the account is, and nothing else.

    Raises:
        TypeError: An act without an audience of its own, one that people of a chat see without the
            parameter that says which, or a parameter that is not there; or something else done in a chat.
    """

    def declare(method: F) -> F:
        parameters = inspect.signature(method).parameters
        if missing := [name for name in reaches if name not in parameters]:
            raise TypeError(f"{method.__name__} has no parameter {missing[0]!r}")
        if effect is Effect.ACT and audience is Audience.NOBODY:
            raise TypeError(f"{method.__name__} acts: declare who sees it")
        acts_there = effect is Effect.ACT and audience is Audience.CHAT and reaches
        if in_chat and not (effect is Effect.READ or acts_there):
            raise TypeError(f"{method.__name__} reaches beyond a chat")
        setattr(method, _ATTRIBUTE, Declared(effect, audience, reaches, in_chat, begins_itself, is_state))
        return method

    return declare


def declared_of(method: Callable[..., Any]) -> Declared | None:
    """Return the declaration of a method; None if it has none."""
    return getattr(method, _ATTRIBUTE, None)


def digest_of(
    operation: str, arguments: Mapping[str, Any], chats: Sequence[ChatFacts], files: Mapping[str, str]
) -> str:
    """SHA-256, in hex, of all that a person is asked about.

    Args:
        operation: What is done.
        arguments: Its arguments as JSON: texts, quote, preview.
        chats: Whom it reaches: their numbers, and who is in a group.
        files: SHA-256 of every file's bytes, by its path.
    """
    # Members are a part of it: a yes for a group is none for people who join it afterwards.
    reached = [[chat.jid, chat.number, chat.members] for chat in chats]
    text = json.dumps([operation, arguments, reached, files], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is about to be done.

    Attributes:
        name: The tool or the operation, as rules and errors name it.
        effect: What it does.
        audience: Who sees it.
        chats: The chats and people that it reaches or is about; none where it is about none.
        concerns: What in its content wants a person's look: sentences of ours, such as "it has a card
            number in it".
        in_chat: A caller that is bound to one chat may do it, if these are that chat.
    """

    name: str
    effect: Effect
    audience: Audience
    chats: Sequence[ChatFacts] = ()
    concerns: Sequence[str] = ()
    in_chat: bool = False

    @property
    def is_seen(self) -> bool:
        """True if anybody but the owner sees the act."""
        if self.audience is Audience.CHAT:
            # An act whose chats are not named yet counts as seen by others.
            return not self.chats or not all(chat.is_own for chat in self.chats)
        return self.audience is Audience.EVERYONE


@dataclass(frozen=True, slots=True)
class CallerState:
    """The caller of an act, and whether untrusted words were handed out to them before.

    Attributes:
        caller: Who asks.
        tainted: Words whose author is not trusted were handed out to this principal in the last 24 hours: a
            stranger's, in `lockdown` anybody's.
        is_answer: The caller is bound to a chat to which the person has given an agent.
    """

    caller: Caller
    tainted: bool = False
    is_answer: bool = False


_SCOPE_OF: Final[dict[Effect, Scope]] = {
    Effect.READ: "read",
    Effect.LINK: "admin",
    Effect.ACT: "send",
    Effect.NAME: "send",
    Effect.DESTROY: "send",
    Effect.FETCH: "send",
    Effect.EXPORT: "send",
    Effect.IMPORT: "admin",
}
"""An effect that is not here belongs to no scope: what only a person may do is not for any token."""
_ADMIN_TOOLS: Final = frozenset({"unlink_device"})
"""Tools that need `admin` whatever their effect: they end what `admin` may begin."""


def scope_of(tool: str, effect: Effect) -> Scope | None:
    """The scope that a tool with this effect needs; None if no scope is enough."""
    return "admin" if tool in _ADMIN_TOOLS else _SCOPE_OF.get(effect)


def is_in_scope(scopes: frozenset[str] | None, tool: str, effect: Effect) -> bool:
    """Return whether the scopes allow a tool; None allows every tool, even one that no scope allows."""
    return scopes is None or scope_of(tool, effect) in scopes


def check_scope(scopes: frozenset[str] | None, tool: str, effect: Effect) -> None:
    """Let a tool pass, or refuse it.

    Raises:
        Denied: The scopes do not allow it.
    """
    if is_in_scope(scopes, tool, effect):
        return
    needed = scope_of(tool, effect)
    why = f"needs the scope {needed}, which this application does not have" if needed else "is for no token"
    raise Denied(f"{tool} {why}.", "Tell the user; only the person can give the application another token.")


def parse_scopes(text: str) -> frozenset[Scope]:
    """The scopes of a list with commas.

    Raises:
        InvalidArgument: One of them does not exist, or there is none.
    """
    given = {word.strip() for word in text.split(",")} - {""}
    if not given or not given <= set(SCOPES):
        raise InvalidArgument(
            f"{text!r} is not a list of scopes.", f"Give one or more of {', '.join(SCOPES)}, with commas."
        )
    return frozenset(scope for scope in SCOPES if scope in given)
