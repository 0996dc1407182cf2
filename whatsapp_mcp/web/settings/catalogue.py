"""The settings that can be changed on a page, each with what it means.

What decides where words, files or keys go (`server`, `voice`, `network`, `encryption`, `media.roots`) is not
among them: it is changed in `config.toml` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import Assignment

if TYPE_CHECKING:
    from whatsapp_mcp.settings import Settings

_LONGEST: Final = 2_000
"""Characters of a value."""


@dataclass(frozen=True, slots=True)
class Editable:
    """A setting with its place, and what each value means.

    Attributes:
        section: Where it stands: `("policy", "budgets")`.
        key: Its name there.
        label: What a person calls it.
        help: What it does.
        choices: The values that it may have, each explained; none for a value that is typed.
        kind: What a typed value is.
        warns: Values that a person is warned of.
    """

    section: tuple[str, ...]
    key: str
    label: str
    help: str
    choices: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str = "text"
    warns: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def name(self) -> str:
        """As documentation writes it: `policy.mode`."""
        return ".".join((*self.section, self.key))

    def current(self, settings: Settings) -> str:
        """The value in force, as the form shows it."""
        value: object = settings
        for part in (*self.section, self.key):
            value = getattr(value, part)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if self.kind == "span":
            start, end = getattr(value, "start", None), getattr(value, "end", None)
            return f"{start:%H:%M}-{end:%H:%M}"
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        return str(value)

    def change(self, given: str) -> Assignment:
        """The change that a form asks for.

        Raises:
            InvalidArgument: It is none of the choices, no number, or too long.
        """
        text = given.strip()
        if len(text) > _LONGEST:
            raise InvalidArgument(f"The value of {self.name} is too long.", "Give a shorter one.")
        if self.choices and text not in self.choices:
            raise InvalidArgument(f"{self.name} has no such value.", "Choose one of the page.")
        try:
            return Assignment(self.section, self.key, self._value(text))
        except ValueError:
            raise InvalidArgument(f"{self.name} is a number.", "Give one.") from None

    def _value(self, text: str) -> str | bool | int | float | list[str] | None:
        match self.kind:
            case "bool":
                return text == "true"
            case "whole":
                return int(text) if text else None
            case "number":
                return float(text) if text else None
            case "list":
                return [part for one in text.split(",") if (part := one.strip())] or None
            case _:
                return text or None


_POLICY: Final = ("policy",)
_BUDGETS: Final = ("policy", "budgets")
EDITABLE: Final = (
    Editable(
        _POLICY,
        "mode",
        "Mode",
        "What an agent may do without asking you.",
        {
            "standard": "An agent writes to people in your phone’s address book. Whatever a stranger or "
            "everyone would see waits for your yes. After it was given a stranger’s words, everything that "
            "others would see waits, for 24 hours.",
            "lockdown": "As standard, but everybody’s words count as a stranger’s, and strangers’ words are "
            "kept back until you release them. For agents that run unattended.",
            "read_only": "An agent reads and exports. Everything else is refused, at the terminal as well.",
            "open": "Everything, without questions and budgets; nothing is kept back. For tests.",
        },
        warns={"open": "In the mode open nothing is asked: whoever writes to you may steer the agent."},
    ),
    Editable(
        _POLICY,
        "approval",
        "How you are asked",
        "The page and the terminal show every question as well.",
        {
            "auto": "In the application that the agent runs in, where it is known to show questions; else on "
            "your phone.",
            "elicitation": "In the application, whichever it is. Some answer by themselves: choose this only "
            "if you have seen yours ask.",
            "phone": "On your phone, in the chat with yourself, which you answer with 👍 or 👎.",
            "page": "On this page and in the terminal alone.",
            "host": "Not by this server. It relies on the application to ask before each act.",
        },
        warns={"host": "With host this server asks nothing before an act."},
    ),
    Editable(
        _POLICY,
        "quiet_hours",
        "Quiet hours",
        "When nothing is done that others see, such as 22:00-07:00. Empty: never.",
        kind="span",
    ),
    Editable(
        _POLICY,
        "tools_off",
        "Tools that are off",
        "Names with commas, such as delete_chat, unlink_device. Empty: none.",
        kind="list",
    ),
    Editable(
        _POLICY,
        "tools_on",
        "Only these tools",
        "If any are named, agents may use these alone. Empty: all.",
        kind="list",
    ),
    Editable(
        _POLICY,
        "audit_text",
        "Keep texts in the record",
        "Whether the record of what agents did keeps what they sent, word for word.",
        {"false": "Only that something was sent, and to whom.", "true": "The text as well, for 400 days."},
        kind="bool",
    ),
    Editable(
        _BUDGETS,
        "per_minute",
        "Acts a minute",
        "That others see. Acting fast gets accounts banned.",
        {},
        "whole",
    ),
    Editable(
        _BUDGETS, "per_hour", "Acts an hour", "The first week after linking begins with a fifth.", {}, "whole"
    ),
    Editable(_BUDGETS, "per_day", "Acts a day", "Growing likewise.", {}, "whole"),
    Editable(
        _BUDGETS, "new_chats_per_day", "New chats a day", "First messages to people or groups.", {}, "whole"
    ),
    Editable(
        _BUDGETS,
        "same_text_per_day",
        "Chats for one text",
        "To how many the same text goes in a day.",
        {},
        "whole",
    ),
    Editable(
        _BUDGETS, "gap_seconds", "Seconds between sends", "To different chats, on average.", {}, "number"
    ),
    Editable(
        ("media",),
        "read",
        "Read files",
        "Whether words in documents, pictures and voice notes are read, so that search finds them.",
        {"true": "In the background.", "false": "Only when it is asked for."},
        kind="bool",
    ),
    Editable((), "timezone", "Time zone", "An IANA name such as Europe/Berlin. Empty: this computer’s."),
)
BY_NAME: Final = {one.name: one for one in EDITABLE}
SUBJECTS: Final = {
    "number": "Person with this phone number",
    "name": "Person with this name in your address book",
    "group": "Group or channel with this name",
    "jid": "Chat with this address",
    "kind": "All of a kind: direct, group, channel or status",
    "people": "All contacts or all strangers: contacts or strangers",
}
"""What a rule may be about, the most specific after `jid` first."""
VERDICTS: Final = {"": "as the mode says", "allow": "allow", "ask": "ask me", "deny": "deny"}
