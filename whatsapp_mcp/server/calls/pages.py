"""The web pages of a server, as tools name them."""

from __future__ import annotations

from typing import NamedTuple


class Pages(NamedTuple):
    """The web pages of a server that has some.

    Attributes:
        sign_in: The command that prints a URL which lets a person in.
        link: URL of the page on which a phone is linked; without a sign-in it shows nothing.
    """

    sign_in: str
    link: str
