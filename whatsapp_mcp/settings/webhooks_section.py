"""The section `[[webhooks]]` of `config.toml`: who is told over HTTP what happens."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from whatsapp_mcp.network import address_of, is_public
from whatsapp_mcp.settings.section import Section

WebhookEvent = Literal["message", "edit", "revoke", "reaction", "vote", "receipt", "send", "purge"]
_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"
_SECRET: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|keyring:[A-Za-z0-9_.-]{1,64}")
_NOT_IN_A_URL: Final = re.compile(r"[\x00-\x20\x7f#]")


def _secret_place(value: str) -> str:
    """Where a secret is."""
    if _SECRET.fullmatch(value) is None:
        # Without the value: somebody may have written the secret itself.
        raise ValueError("a secret is named as env:VARIABLE or keyring:NAME, and never written here")
    return value


def _web_parts(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    plain = parts.username is None and value.isascii() and not _NOT_IN_A_URL.search(value)
    return parts if usable and plain else None


class WebhookSettings(Section):
    """One `[[webhooks]]`: a URL to which events are posted, signed with each of its secrets.

    `secrets` name where they are: `env:VARIABLE` of the server, or `keyring:NAME`. `chats` narrows it to
    these (number, jid or exact name); `own` adds what this account wrote itself. `private_network` allows the
    URL's origin to be on this computer or in a private network, and plain HTTP to it.
    """

    name: str = Field(pattern=_NAME)
    url: str
    secrets: tuple[Annotated[str, AfterValidator(_secret_place)], ...] = Field(min_length=1, max_length=4)
    events: tuple[WebhookEvent, ...] = Field(default=("message",), min_length=1)
    chats: tuple[str, ...] = ()
    own: bool = False
    private_network: bool = False

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        """The value; what is wrong is said without its words: a path may be a secret."""
        if _web_parts(value) is None:
            raise ValueError("it is not a URL such as https://hooks.example.org/whatsapp")
        return value

    @model_validator(mode="after")
    def _is_public_or_allowed(self) -> Self:
        parts = urlsplit(self.url)
        if self.private_network:
            return self
        if parts.scheme != "https":
            raise ValueError("its url must be https, unless private_network = true")
        if _is_private(parts.hostname or ""):
            raise ValueError("its url is on a private network, which needs private_network = true")
        return self

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL: what may be shown of it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def _is_private(host: str) -> bool:
    """Whether a host is, as it is written, no address of the public internet. Names are looked up later."""
    if (address := address_of(host)) is not None:
        return not is_public(address)
    name = host.rstrip(".")
    return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))
