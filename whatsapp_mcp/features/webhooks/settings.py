"""The section `[[webhooks]]` of `config.toml`: who is told over HTTP what happens."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)

from whatsapp_mcp.text.network_addresses import address_of, is_public

WebhookEvent = Literal["message", "edit", "revoke", "reaction", "vote", "receipt", "send", "purge"]
_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"
_SECRET: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|keyring:[A-Za-z0-9_.-]{1,64}")
_SIMPLE_NAME: Final = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
_NOT_IN_A_URL: Final = re.compile(r"[\x00-\x20\x7f#]")


def _secret_place(value: str) -> str:
    """Check that a value names the place of a secret, and return it."""
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


class WebhookSettings(BaseModel):
    """One `[[webhooks]]`: a URL to which events are posted, signed with each of its secrets.

    `secrets` name where they are: `env:VARIABLE` of the server, or `keyring:NAME`. `chats` narrows it to
    these (number, jid or exact name); `own` adds what this account wrote itself. `private_network` allows the
    URL's origin to be on this computer or in a private network, and plain HTTP to it.
    """

    # As every section; `Section` itself is of the room that lists this one.
    model_config = ConfigDict(extra="forbid", frozen=True)

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

    @model_serializer(mode="plain", when_used="json")
    def shown(self) -> str:
        """Return the text that a page shows, without the URL's path, which may be a secret."""
        return f"{self.name}: {self.origin}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL: what may be shown of it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def _is_private(host: str) -> bool:
    """Return whether a host, as it is written, is not a public address. Names are looked up later."""
    if (address := address_of(host)) is not None:
        return not is_public(address)
    name = host.rstrip(".")
    return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


def _each_has_a_name(value: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
    if len({webhook.name for webhook in value}) < len(value):
        raise ValueError("two webhooks have the same name")
    return value


Webhooks = Annotated[tuple[WebhookSettings, ...], AfterValidator(_each_has_a_name)]
"""The value of the setting `webhooks`."""


def secret_variable(account: str) -> str | None:
    """Return the prefix of variables for secrets of an account's own webhooks; a word without `_` follows.

    `-` of a name becomes `__`. So none of them is another account's, in whatever way names begin each other.

    Returns:
        None where the name does not allow it: it has other characters, or two of `-` and `_` in a row.
    """
    if _SIMPLE_NAME.fullmatch(account) is None:
        return None
    return f"WHATSAPP_HOOK_{account.replace('-', '__').upper()}_"


def own_webhook_faults(account: str, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """List faults of webhooks in an account's own settings text, each with its section and key.

    Whoever writes it runs no machine, so it names no address that only the machine reaches, and no secrets of
    others.
    """
    hooks = values.get("webhooks")
    faults: list[tuple[str, str, str]] = []
    for hook in cast("list[object]", hooks) if isinstance(hooks, list) else ():
        if isinstance(hook, dict):
            faults += _faults(secret_variable(account), cast("dict[str, object]", hook))
    return faults


def _faults(begins: str | None, hook: dict[str, object]) -> list[tuple[str, str, str]]:
    faults: list[tuple[str, str, str]] = []
    if hook.get("private_network", False) is not False:
        faults.append(
            ("the network of a machine is opened in its config.toml alone", "webhooks", "private_network")
        )
    secrets = hook.get("secrets")
    for secret in cast("list[object]", secrets) if isinstance(secrets, list) else ():
        if begins is None or re.fullmatch(f"env:{begins}[A-Z0-9]+", str(secret)) is None:
            said = "none" if begins is None else f"env:{begins}1 (or another word of A-Z and 0-9)"
            faults.append((f"secrets that this account may name: {said}", "webhooks", "secrets"))
    return faults
