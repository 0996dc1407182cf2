"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, ParamSpec

from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.cli.advice import for_account
from whatsapp_mcp.cli.doctor import (
    accounts,
    applications,
    contents,
    databases,
    home,
    machine,
    online,
    program,
    readers,
)
from whatsapp_mcp.cli.doctor.finding import AccountCheck, Check, Finding, HomeCheck
from whatsapp_mcp.errors import WhatsAppError, cause

P = ParamSpec("P")

PROGRAM: Final[tuple[Check, ...]] = (
    program.installation,
    program.versions,
    program.age,
    program.extras,
    program.sqlite,
    readers.libmagic,
    readers.library,
    readers.pictures,
)
HOME: Final[tuple[HomeCheck, ...]] = (
    home.settings_in_force,
    home.home,
    home.file_system,
    home.disk,
    home.permissions,
    home.accounts,
    machine.clock,
    machine.time_zone,
    machine.port,
    applications.applications,
)
ACCOUNT: Final[tuple[AccountCheck, ...]] = (
    accounts.keys,
    accounts.leader,
    accounts.meeting_place,
    accounts.files,
    databases.integrity,
    contents.archive,
    accounts.groups,
    accounts.leftovers,
)


def program_checks() -> list[Check]:
    """Those of the installation, with those of features."""
    from whatsapp_mcp.features.reading import doctor as reading_checks

    checks: list[Check] = [*PROGRAM]
    checks.append(reading_checks.documents)
    return checks


def home_checks() -> list[HomeCheck]:
    """Those of the computer, with those of features."""
    from whatsapp_mcp.features.reading import doctor as reading_checks

    checks: list[HomeCheck] = [*HOME]
    checks.append(reading_checks.speech)
    return checks


def examine(*, over_network: bool = False) -> Iterator[Finding]:
    """Run every check, each when its finding is asked for; one that fails does not stop the others.

    What depends on the settings is left out while these cannot be read. A fault that several checks run into,
    such as a wrong setting, is told by the first of them alone.

    Args:
        over_network: Whether WhatsApp's servers may be asked, too.
    """
    told: dict[str, str] = {}
    for finding in _all(over_network=over_network):
        if finding.ok or told.setdefault(finding.detail, finding.name) == finding.name:
            yield finding


def _all(*, over_network: bool) -> Iterator[Finding]:
    for check in program_checks():
        yield _found(check)
    try:
        loaded = settings_module.load()
    except WhatsAppError as error:
        yield Finding.of_error("settings", error)
        return
    for check in home_checks():
        yield _found(check, loaded)
    # Also those that cannot be accounts, which `loaded.accounts` leaves out.
    names = sorted(path.name for path in loaded.home.glob("accounts/[!.]*") if path.is_dir())
    if not names:
        yield accounts.NONE_YET
    for name in names:
        try:
            folder = loaded.account_folder(name)
        except WhatsAppError as error:
            action = f"{error.action} Rename {loaded.home / 'accounts' / name}, or move it away."
            yield Finding("account", False, error.message, action, account=name)
            continue
        for check in ACCOUNT:
            yield _of(name, _found(check, folder))
    if over_network:
        yield from online.findings(loaded)


def _found(check: Callable[P, Finding], *args: P.args, **kwargs: P.kwargs) -> Finding:
    """What a check finds; one that fails is a finding as well."""
    name = getattr(check, "__name__", "check").replace("_", " ")
    try:
        return check(*args, **kwargs)
    except WhatsAppError as error:
        return Finding.of_error(name, error)
    except OSError as error:
        said = f"{error.filename or 'a file'} cannot be used: {cause(error)}"
        return Finding(name, False, said, "See that you may read and write it, and that its disk works.")
    except sqlite3.Error as error:
        said = f"a database cannot be used: {cause(error)}"
        return Finding(name, False, said, "Run `whatsapp-mcp archive check`.")
    except ImportError as error:
        return Finding(name, False, f"{error.name or 'a package'} cannot be imported", readers.REINSTALL)


def _of(account: str, finding: Finding) -> Finding:
    """The finding with its account, also in the commands that it names."""
    action = for_account(finding.action, account) if finding.action else None
    return replace(finding, account=account, action=action)
