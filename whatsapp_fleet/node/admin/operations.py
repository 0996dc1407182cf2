"""The operations of the admin API: of each its method and path, what it is asked, and what it answers.

The shapes of bodies and queries are checked before anything is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from whatsapp_fleet.node.admin.administration import Administration
from whatsapp_fleet.node.admin.answers import (
    AccountData,
    AccountsData,
    CreatedData,
    LinkingData,
    NodesData,
    PrincipalData,
    PrincipalsData,
    RemovedData,
    WatchedData,
)
from whatsapp_mcp.models import LinkState
from whatsapp_mcp.server.render import StatusData, link_data, qr_png, status_data
from whatsapp_mcp.text.choices import Scope

_LONGEST_SETTINGS: Final = 64 * 1024
"""Characters."""
Path = Mapping[str, str]
"""The parts of a path that are filled in: `name` or `node`."""
Handler = Callable[[Administration, Path, Any], Awaitable[Any]]
_ACCOUNT: Final = "/accounts/{name}"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Body):
    """No argument."""


class NewAccount(_Body):
    """An account to be made; `settings` is TOML with the sections of an account."""

    name: str
    settings: str = Field(default="", max_length=_LONGEST_SETTINGS)


class NewSettings(_Body):
    """The settings of an account: TOML that replaces what it has of its own."""

    settings: str = Field(max_length=_LONGEST_SETTINGS)


class Phone(_Body):
    """The way of linking: by QR codes, or by a pairing code for this number in E.164."""

    phone: str | None = None


class AwaitedRevision(_Body):
    """Which state of linking is awaited: one with a revision above `after`, for `wait` seconds at most."""

    after: int = -1
    wait: Annotated[float, Field(ge=0, le=15)] = 0.0


class Pause(_Body):
    """Until when an account is paused; without a moment until it is resumed."""

    until: AwareDatetime | None = None


class Quarantine(_Body):
    """Why an account is quarantined, for other operators."""

    reason: str = Field(min_length=1, max_length=500)


class Removal(_Body):
    """Options of a removal: with `keep_linked` it does not log out of WhatsApp first."""

    keep_linked: bool = False


class PrincipalChange(_Body):
    """Which accounts somebody may use (null: all, as operators), and how often they may call in a minute."""

    accounts: tuple[str, ...] | None
    calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class NewPrincipal(PrincipalChange):
    """Somebody who may use accounts: holder of a token, or `oauth:SUBJECT`, a user of the OAuth issuer."""

    name: str
    scopes: tuple[Scope, ...] = Field(default=("read",), min_length=1)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: Its id in the OpenAPI document.
        method: Of HTTP.
        path: Below the root of the API.
        summary: What it does.
        asked: The shape of its body, or of its query where the method has none.
        answer: The shape of what it answers.
        act: Does it.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    asked: type[BaseModel]
    answer: type[Any]
    act: Handler


async def _link(admin: Administration, path: Path, asked: Phone) -> LinkingData:
    return _picture(await admin.link(path["name"], asked.phone))


async def _link_state(admin: Administration, path: Path, asked: AwaitedRevision) -> LinkingData:
    return _picture(await admin.link_state(path["name"], asked.after, asked.wait))


async def _pause(admin: Administration, path: Path, asked: Pause) -> StatusData:
    return status_data(await admin.pause(path["name"], asked.until), UTC)


async def _resume(admin: Administration, path: Path, _: Nothing) -> StatusData:
    return status_data(await admin.resume(path["name"]), UTC)


async def _create_principal(admin: Administration, _: Path, asked: NewPrincipal) -> CreatedData:
    return await admin.create_principal(asked.name, asked.scopes, asked.accounts, asked.calls_per_minute)


async def _change_principal(admin: Administration, path: Path, asked: PrincipalChange) -> PrincipalData:
    return await admin.change_principal(path["name"], asked.accounts, asked.calls_per_minute)


def _picture(link: LinkState) -> LinkingData:
    return LinkingData(
        link=link_data(link, UTC),
        revision=link.revision,
        png=qr_png(link.qr.text) if link.qr else None,
    )


OPERATIONS: Final = (
    Operation(
        "list_accounts", "GET", "/accounts", "Every account, and the node that leads it",
        Nothing, AccountsData, lambda admin, path, asked: admin.accounts(),
    ),
    Operation(
        "create_account", "POST", "/accounts", "Make an account, to be linked next",
        NewAccount, AccountData, lambda admin, path, asked: admin.create(asked.name, asked.settings),
    ),
    Operation(
        "watch_account", "GET", _ACCOUNT, "An account, its connection, and how far its archive is behind",
        Nothing, WatchedData, lambda admin, path, asked: admin.watch(path["name"]),
    ),
    Operation(
        "remove_account", "DELETE", _ACCOUNT, "Unlink an account and forget everything of it",
        Removal, RemovedData,
        lambda admin, path, asked: admin.remove(path["name"], keep_linked=asked.keep_linked),
    ),
    Operation(
        "change_settings", "PUT", f"{_ACCOUNT}/settings", "Replace an account's own settings",
        NewSettings, AccountData,
        lambda admin, path, asked: admin.change_settings(path["name"], asked.settings),
    ),
    Operation(
        "link_account", "POST", f"{_ACCOUNT}/link", "Begin linking: a QR code, or a pairing code",
        Phone, LinkingData, _link,
    ),
    Operation(
        "linking_of_account", "GET", f"{_ACCOUNT}/link", "How far linking has come, with the present code",
        AwaitedRevision, LinkingData, _link_state,
    ),
    Operation(
        "pause_account", "POST", f"{_ACCOUNT}/pause", "Close an account's connection for a while",
        Pause, StatusData, _pause,
    ),
    Operation(
        "resume_account", "POST", f"{_ACCOUNT}/resume", "End a pause", Nothing, StatusData, _resume
    ),
    Operation(
        "quarantine_account", "POST", f"{_ACCOUNT}/quarantine", "Let no node lead an account",
        Quarantine, AccountData, lambda admin, path, asked: admin.quarantine(path["name"], asked.reason),
    ),
    Operation(
        "drain_account", "POST", f"{_ACCOUNT}/drain", "Let the leader finish and give an account up",
        Nothing, AccountData, lambda admin, path, asked: admin.drain(path["name"]),
    ),
    Operation(
        "release_account", "POST", f"{_ACCOUNT}/release", "Let nodes lead an account again, at once",
        Nothing, AccountData, lambda admin, path, asked: admin.release(path["name"]),
    ),
    Operation(
        "list_nodes", "GET", "/nodes", "The nodes that run",
        Nothing, NodesData, lambda admin, path, asked: admin.nodes(),
    ),
    Operation(
        "drain_node", "POST", "/nodes/{node}/drain", "Let a node give its accounts to the others",
        Nothing, NodesData, lambda admin, path, asked: admin.drain_node(path["node"]),
    ),
    Operation(
        "list_principals", "GET", "/principals", "Who may use accounts",
        Nothing, PrincipalsData, lambda admin, path, asked: admin.principals(),
    ),
    Operation(
        "create_principal", "POST", "/principals", "Let somebody use accounts; shows the token once",
        NewPrincipal, CreatedData, _create_principal,
    ),
    Operation(
        "change_principal", "PUT", "/principals/{name}", "Change accounts and limit of a principal",
        PrincipalChange, PrincipalData, _change_principal,
    ),
    Operation(
        "revoke_principal", "DELETE", "/principals/{name}", "Let a principal do nothing any more",
        Nothing, PrincipalData, lambda admin, path, asked: admin.revoke_principal(path["name"]),
    ),
)  # fmt: skip
"""All of them, in the order of the document."""
