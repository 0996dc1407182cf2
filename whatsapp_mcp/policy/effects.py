"""What a tool or an operation does, and who sees it: every one declares both."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """What is done, as far as the policy distinguishes it."""

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
    """What a person alone may do: decide an approval, confirm somebody, clear what was handed out."""


class Audience(StrEnum):
    """Who sees the effect."""

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
