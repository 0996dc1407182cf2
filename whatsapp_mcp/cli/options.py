"""Shared parts of several commands: options, the account that they name, and a question."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatsapp_mcp.errors import InvalidArgument, NotLinked
from whatsapp_mcp.files.home import accounts_in, home_in
from whatsapp_mcp.text import time_grammar
from whatsapp_mcp.text.choices import SCOPES
from whatsapp_mcp.text.zone import SystemZone

if TYPE_CHECKING:
    from whatsapp_mcp.settings import AccountFolder


def complete_account(incomplete: str) -> list[str]:
    """The accounts that are here and whose names begin so."""
    return [name for name in accounts_in(home_in(os.environ)) if name.startswith(incomplete)]


def complete_accounts(incomplete: str) -> list[str]:
    """The list so far, with each account that may follow."""
    return _continued(incomplete, accounts_in(home_in(os.environ)))


def complete_toolsets(incomplete: str) -> list[str]:
    """The list so far, with each toolset that may follow."""
    from whatsapp_mcp.server.tools import ALL_TOOLSETS, TOOLSETS

    return _continued(incomplete, [*TOOLSETS, ALL_TOOLSETS])


def complete_scopes(incomplete: str) -> list[str]:
    """The list so far, with each scope that may follow."""
    return _continued(incomplete, SCOPES)


def _continued(incomplete: str, names: Iterable[str]) -> list[str]:
    """Return the completions of an incomplete list with commas by one more name."""
    before, comma, begun = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun) and name not in given]


_ACCOUNT = "Local name of the WhatsApp account; needed where several are here."
Account = Annotated[
    str,
    typer.Option(metavar="NAME", show_default=False, autocompletion=complete_account, help=_ACCOUNT),
]
"""One account. A command that was given none gets the one that is here: see `Command`."""
AnyAccount = Annotated[
    str | None,
    typer.Option(
        "--account",
        metavar="NAME",
        autocompletion=complete_account,
        help="Local name of the WhatsApp account.",
    ),
]
"""One account; the command decides what it means that none was given."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


def port_number(text: str) -> int:
    """A port from the command line.

    Raises:
        typer.BadParameter: It is none.
    """
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise typer.BadParameter(f"{text!r} is not a port number from 0 to 65535.")


def end_of_length(text: str) -> datetime:
    """The moment at which a length of time from the command line is over.

    Raises:
        typer.BadParameter: It is none.
    """
    try:
        return time_grammar.ahead(text, SystemZone(), datetime.now(UTC)).astimezone(UTC)
    except InvalidArgument as error:
        raise typer.BadParameter(f"{error.message} {error.action}") from error


def the_account() -> str:
    """The name of the account that is here; `default` where there is none yet.

    Raises:
        InvalidArgument: There are several, or the settings are wrong.
    """
    names = account_names()
    if len(names) > 1:
        raise InvalidArgument(f"Accounts here: {', '.join(names)}.", "Name one of them with --account NAME.")
    return names[0]


def account_names() -> list[str]:
    """The names of the accounts that are here; `default` alone where there is none yet.

    Raises:
        InvalidArgument: The settings are wrong.
    """
    from whatsapp_mcp import settings

    return settings.load().accounts() or ["default"]


def known_account(name: str) -> AccountFolder:
    """The folder of an account that is here; nothing is made.

    Raises:
        InvalidArgument: The name cannot be one, or the settings are wrong.
        NotLinked: It is not here: never linked, or mistyped.
    """
    from whatsapp_mcp import settings

    loaded = settings.load()
    folder = loaded.account_folder(name)
    if folder.path.is_dir():
        return folder
    others = loaded.accounts()
    here = f" Accounts here: {', '.join(others)}." if others else ""
    raise NotLinked(f"No phone was ever linked as account {name!r}.{here}", "Run `whatsapp-mcp link`.")


def agreed(question: str, *, yes: bool) -> None:
    """Go on only after a yes.

    Raises:
        InvalidArgument: Nobody can be asked.
        typer.Abort: The answer was no, or Ctrl-C.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument(
            "Nobody can be asked whether to do this: standard input is no terminal.",
            "Run it in a terminal, or give --yes.",
        )
    typer.confirm(question, abort=True, err=True)
