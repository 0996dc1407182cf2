"""What one account has other than the rest.

In `config.toml` it stands under `[accounts.NAME.<section>]`. Where a database has the account it
stands there, as a text of the account's own with the sections at its top level.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

from whatsapp_mcp.home import is_account_name
from whatsapp_mcp.network import address_of, leads_here

ACCOUNTS: Final = "accounts"
PER_ACCOUNT: Final = frozenset(
    {
        "account",
        "agent",
        "encryption",
        "media",
        "network",
        "policy",
        "privacy",
        "retention",
        "voice",
        "webhooks",
    }
)
"""The sections that an account may have of its own."""
_OF_A_MACHINE: Final = frozenset({"agent", "encryption", "voice"})
"""They name programs, files and secrets of the machine that runs them, so they are written there alone."""
OWN_TEXT: Final = PER_ACCOUNT - _OF_A_MACHINE
"""The sections that a text of its own may have."""


_OF_A_DISK: Final = (
    ("media", "free_megabytes"),
    ("media", "total_megabytes"),
    ("media", "keep", "total_megabytes"),
)
_SIMPLE_NAME: Final = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")


class FaultyOverride(ValueError):
    """What stands under `[accounts]` is no section of an account.

    Attributes:
        path: Where it stands: `("accounts", "work", "server")`.
    """

    def __init__(self, what: str, *path: str) -> None:
        super().__init__(what)
        self.path = path


def overrides_of(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the sections of each account out of the values of `config.toml`.

    Raises:
        FaultyOverride: One of them is no section, or none that an account may have of its own.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for name, sections in _table(values.pop(ACCOUNTS, {}), ACCOUNTS).items():
        if not is_account_name(name):
            raise FaultyOverride("it is not a name of an account", ACCOUNTS, name)
        overrides[name] = _table(sections, ACCOUNTS, name)
        for section in overrides[name]:
            if section not in PER_ACCOUNT:
                raise FaultyOverride(
                    f"it is no section of an account, which has {', '.join(sorted(PER_ACCOUNT))}",
                    ACCOUNTS,
                    name,
                    section,
                )
    return overrides


def sections_of(account: str, values: dict[str, Any]) -> dict[str, Any]:
    """The sections in the values of an account's own text.

    Whoever writes it runs no machine, so it names nothing of one: no files, no secrets of others, no limit of
    a disk, and no address that only the machine itself reaches.

    Args:
        account: Its name.
        values: Of the text.

    Raises:
        FaultyOverride: One of them is no section, or none that such a text may have; the path begins there.
    """
    for section in values:
        if section not in OWN_TEXT:
            raise FaultyOverride(f"the settings of an account have {', '.join(sorted(OWN_TEXT))}", section)
    if "roots" in _table(values.get("media", {}), "media"):
        raise FaultyOverride("folders of a machine are named in its config.toml alone", "media", "roots")
    for path in _OF_A_DISK:
        if _has(values, path):
            raise FaultyOverride("what the disk of a machine holds is said in its config.toml", *path)
    proxy = _table(values.get("network", {}), "network").get("proxy")
    if isinstance(proxy, str) and _is_of_the_machine(proxy):
        raise FaultyOverride(
            "a proxy at an address of the machine itself is named in its config.toml", "network", "proxy"
        )
    _check_webhooks(account, values.get("webhooks"))
    return values


def secret_variable(account: str) -> str | None:
    """How the variables begin that hold secrets of an account's own webhooks; a word without `_` follows.

    `-` of a name becomes `__`. So none of them is another account's, in whatever way names begin each other.

    Returns:
        None where the name does not allow it: it has other characters, or two of `-` and `_` in a row.
    """
    if _SIMPLE_NAME.fullmatch(account) is None:
        return None
    return f"WHATSAPP_HOOK_{account.replace('-', '__').upper()}_"


def _has(values: object, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = cast("dict[str, Any]", values)[key]
    return True


def _check_webhooks(account: str, hooks: object) -> None:
    begins = secret_variable(account)
    for hook in hooks if isinstance(hooks, list) else ():
        hook = _table(hook, "webhooks")
        if hook.get("private_network", False) is not False:
            raise FaultyOverride(
                "the network of a machine is opened in its config.toml alone", "webhooks", "private_network"
            )
        secrets = hook.get("secrets")
        for secret in secrets if isinstance(secrets, list) else ():
            if begins is None or re.fullmatch(f"env:{begins}[A-Z0-9]+", str(secret)) is None:
                said = "none" if begins is None else f"env:{begins}1 (or another word of A-Z and 0-9)"
                raise FaultyOverride(f"secrets that this account may name: {said}", "webhooks", "secrets")


def _is_of_the_machine(url: str) -> bool:
    """Whether a URL, as it is written, leads to the machine itself, or to what answers machines alone."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # which is said of the setting later
        return False
    if (address := address_of(host)) is not None:
        return leads_here(address)
    name = host.rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def laid_over(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The shared values with those of an account over them, key by key; a list replaces the shared one."""
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = laid_over(cast("dict[str, Any]", before), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged


def _table(value: object, *path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FaultyOverride("it is a section, not a value", *path)
    return cast("dict[str, Any]", value)
