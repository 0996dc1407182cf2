"""`whatsapp-mcp doctor`: runs the checks and shows what they found, to a person, a program or an issue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from whatsapp_mcp.cli.doctor.bundle import report
from whatsapp_mcp.cli.doctor.examination import examine
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.system import write_private


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
    found = list(examined if bundle or as_json else _printed(examined))
    if bundle:
        _write(report(found), yes=yes)
    elif as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    else:
        typer.echo(_summary(found))
    return ExitCode.OK if all(finding.ok for finding in found) else ExitCode.FAILED


def _printed(found: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, each printed as it comes: some checks take seconds."""
    out = Console(highlight=False)
    for finding in found:
        out.print(f"{_mark(finding)} {escape(_title(finding))}: {escape(finding.detail)}", soft_wrap=True)
        if finding.action:
            out.print(f"     {escape(finding.action)}", soft_wrap=True)
        yield finding


def _summary(found: Sequence[Finding]) -> str:
    """All of it in one line."""
    failed = [_title(finding) for finding in found if not finding.ok]
    if failed:
        return f"{len(failed)} of {len(found)} failed: {', '.join(failed)}."
    notes = sum(finding.action is not None for finding in found)
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
