"""`whatsapp-mcp doctor`: runs all checks, and shows what they found to a person, a program or an issue."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.cli.doctor import (
    accounts,
    databases,
    home,
    online,
    program,
)
from whatsapp_mcp.cli.doctor.bundle import report
from whatsapp_mcp.cli.doctor.finding import AccountCheck, Check, Finding, HomeCheck
from whatsapp_mcp.cli.outcome import ExitCode, for_account
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError, cause
from whatsapp_mcp.system import write_private

P = ParamSpec("P")
PROGRAM: Final[tuple[Check, ...]] = (
    program.installation,
    program.versions,
    program.age,
    program.extras,
    program.sqlite,
    program.libmagic,
    program.library,
    program.pictures,
)
HOME: Final[tuple[HomeCheck, ...]] = (
    home.settings_in_force,
    home.home,
    home.file_system,
    home.disk,
    home.permissions,
    home.accounts,
    home.clock,
    home.time_zone,
    home.port,
    home.applications,
)
ACCOUNT: Final[tuple[AccountCheck, ...]] = (
    accounts.keys,
    accounts.leader,
    accounts.meeting_place,
    accounts.files,
    databases.integrity,
    databases.archive,
    accounts.groups,
    accounts.leftovers,
)


def program_checks() -> list[Check]:
    """Return the checks of the installation, including those of features."""
    from whatsapp_mcp.features.reading import doctor as reading_checks

    checks: list[Check] = [*PROGRAM]
    checks.append(reading_checks.documents)
    return checks


def home_checks() -> list[HomeCheck]:
    """Return the checks of the computer, including those of features."""
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
    reported_by: dict[str, str] = {}
    for finding in _all(over_network=over_network):
        if finding.ok or reported_by.setdefault(finding.detail, finding.name) == finding.name:
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
    """Run a check; an error that ends the check becomes a finding as well."""
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
        return Finding(name, False, f"{error.name or 'a package'} cannot be imported", program.REINSTALL)


def _of(account: str, finding: Finding) -> Finding:
    """The finding with its account, also in the commands that it names."""
    action = for_account(finding.action, account) if finding.action else None
    return replace(finding, account=account, action=action)


def run(*, online: bool = False, bundle: bool = False, yes: bool = False, as_json: bool = False) -> ExitCode:
    """Run the checks and tell what they found.

    Args:
        online: Whether WhatsApp's servers are asked, too.
        bundle: Show the report for an issue, and write it to a file.
        yes: Write it without asking.
        as_json: Print the findings for a program.

    Raises:
        InvalidArgument: The report cannot be written, or is asked for as JSON.
        typer.Abort: The person does not want it to be written.
    """
    if bundle and as_json:
        raise InvalidArgument("The report of --bundle is text.", "Use --json without --bundle.")
    examined = examine(over_network=online)
    findings = list(examined if bundle or as_json else _printed(examined))
    if bundle:
        _write(report(findings), yes=yes)
    elif as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        typer.echo(_summary(findings))
    return ExitCode.OK if all(finding.ok for finding in findings) else ExitCode.FAILED


def _printed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, each printed as it comes: some checks take seconds."""
    out = Console(highlight=False)
    for finding in findings:
        out.print(f"{_mark(finding)} {escape(_title(finding))}: {escape(finding.detail)}", soft_wrap=True)
        if finding.action:
            out.print(f"     {escape(finding.action)}", soft_wrap=True)
        yield finding


def _summary(findings: Sequence[Finding]) -> str:
    """All of it in one line."""
    failed = [_title(finding) for finding in findings if not finding.ok]
    if failed:
        return f"{len(failed)} of {len(findings)} failed: {', '.join(failed)}."
    notes = sum(finding.action is not None for finding in findings)
    return f"All is well, with {notes} {'note' if notes == 1 else 'notes'}." if notes else "All is well."


def _title(finding: Finding) -> str:
    return f"{finding.name} [{finding.account}]" if finding.account else finding.name


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "[red]FAIL[/red]"
    return "[yellow]note[/yellow]" if finding.action else "[green]ok  [/green]"


def _write(text: str, *, yes: bool) -> None:
    """Show the report, and write it to the current folder if that is wanted.

    Raises:
        typer.Abort: It is not.
        InvalidArgument: The file cannot be written.
    """
    typer.echo(text)
    path = Path(f"whatsapp-mcp-doctor-{datetime.now(UTC):%Y%m%d-%H%M%S}.txt").absolute()
    if not yes:
        typer.confirm(f"Write this to {path}?", abort=True, err=True)
    try:
        write_private(path, text.encode())
    except OSError as error:
        raise InvalidArgument(
            f"{path} cannot be written: {cause(error)}.", "Run it in a folder that you can write."
        ) from error
    typer.echo(f"Written to {path}. Read it before you give it to anybody.", err=True)
