"""`[accounts.NAME.<section>]` of `config.toml`: what one account has other than the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from whatsapp_mcp.settings.account_folder import is_account_name

ACCOUNTS: Final = "accounts"
PER_ACCOUNT: Final = frozenset(
    {"account", "agent", "encryption", "media", "network", "policy", "retention", "voice", "webhooks"}
)
"""The sections that an account may have of its own."""


class FaultyOverride(ValueError):
    """What stands under `[accounts]` is no section of an account.

    Attributes:
        path: Where it stands: `("accounts", "work", "server")`.
    """

    def __init__(self, what: str, *path: str) -> None:
        super().__init__(what)
        self.path = (ACCOUNTS, *path)


def overrides_of(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the sections of each account out of the values of `config.toml`.

    Raises:
        FaultyOverride: One of them is no section, or none that an account may have of its own.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for name, sections in _table(values.pop(ACCOUNTS, {})).items():
        if not is_account_name(name):
            raise FaultyOverride("it is not a name of an account", name)
        overrides[name] = _table(sections, name)
        for section in overrides[name]:
            if section not in PER_ACCOUNT:
                raise FaultyOverride(
                    f"it is no section of an account, which has {', '.join(sorted(PER_ACCOUNT))}",
                    name,
                    section,
                )
    return overrides


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
