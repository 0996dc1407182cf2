"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.cli.advice import for_account
from whatsapp_mcp.cli.doctor import accounts, applications, databases, home, machine, online, program, readers
from whatsapp_mcp.cli.doctor.finding import AccountCheck, Check, Finding, HomeCheck
from whatsapp_mcp.errors import WhatsAppError

PROGRAM: Final[tuple[Check, ...]] = (
    program.installation,
    program.versions,
    program.age,
    program.extras,
    program.sqlite,
    readers.libmagic,
    readers.library,
    readers.pictures,
    readers.documents,
)
HOME: Final[tuple[HomeCheck, ...]] = (
    home.settings_in_force,
    home.home,
    home.file_system,
    home.disk,
    home.permissions,
    machine.clock,
    machine.time_zone,
    machine.port,
    readers.speech,
    applications.applications,
)
ACCOUNT: Final[tuple[AccountCheck, ...]] = (
    accounts.keys,
    accounts.leader,
    accounts.meeting_place,
    databases.integrity,
    accounts.leftovers,
)


def examine(*, over_network: bool = False) -> list[Finding]:
    """Run every check; one that fails does not stop the others.

    What depends on the settings is left out while these cannot be read.

    Args:
        over_network: Whether WhatsApp's servers may be asked, too.
    """
    found = [check() for check in PROGRAM]
    try:
        loaded = settings_module.load()
    except WhatsAppError as error:
        return [*found, Finding.of_error("settings", error)]
    found += [check(loaded) for check in HOME]
    for name in loaded.accounts():
        try:
            folder = loaded.account_folder(name)
        except WhatsAppError as error:
            found.append(replace(Finding.of_error("account", error), account=name))
            continue
        found += [_of(name, check(folder)) for check in ACCOUNT]
    if over_network:
        found += online.findings(loaded)
    return found


def _of(account: str, finding: Finding) -> Finding:
    """The finding with its account, also in the commands that it names."""
    action = for_account(finding.action, account) if finding.action else None
    return replace(finding, account=account, action=action)
