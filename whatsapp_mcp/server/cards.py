"""The cards that hosts with MCP Apps draw beside the result of a tool: one HTML file each.

A card takes nothing from outside: what it knows its host tells it, or a tool or a resource of this server
that it asks for through its host. Whatever a host lets a card call a model may call as well, so a card can do
no more than an agent: that of an approval shows what is asked and has no button that answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHARED: Final = ("card.css", "bridge.js")
"""Files that stand in every card, each where a comment names it."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card.

    Attributes:
        name: What it is about.
    """

    name: str

    @property
    def uri(self) -> str:
        """The URI of the card, as tools name it in their metadata."""
        return f"ui://{self.name}"

    def html(self) -> str:
        """All of it in one file."""
        folder = Path(__file__).with_name("card_files")
        text = (folder / f"{self.name}.html").read_text(encoding="utf-8")
        for name in _SHARED:
            text = text.replace(f"/* {name} */", (folder / name).read_text(encoding="utf-8"))
        return text


APPROVAL: Final = Card("approval")
"""The card of a question to a person: recipient, exact text, pictures, and its outcome."""
LINK: Final = Card("link")
"""The QR or the code with which a phone is linked, as long as it is valid, and then whose phone it is."""
CARDS: Final = (APPROVAL, LINK)
