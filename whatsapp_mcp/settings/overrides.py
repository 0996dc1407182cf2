"""What one account has other than the rest.

In `config.toml` it stands under `[accounts.NAME.<section>]`. Where a database has the account it
stands there, as a text of the account's own with the sections at its top level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

from whatsapp_mcp.files.home import is_account_name
from whatsapp_mcp.text.network_addresses import address_of, leads_here

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


def sections_of(values: dict[str, Any]) -> dict[str, Any]:
    """The sections in the values of an account's own text.

    Whoever writes it runs no machine, so it names nothing of one: no files, no limit of a disk, and no
    address that only the machine itself reaches.

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
    return values


def _has(values: object, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = cast("dict[str, Any]", values)[key]
    return True


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
