"""`whatsapp-mcp audit`: what agents did and read, and whether the record of it is whole."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, tzinfo
from typing import Any

import typer

from whatsapp_mcp import settings
from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.cli.outcome import rfc3339, shown
from whatsapp_mcp.ledger import AuditRow, Fault, Ledger
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.text import time_grammar


def tell(account: str, since: str, *, verify: bool, as_json: bool) -> list[Fault]:
    """Print the rows since a time and, if wanted, where the chain does not hold; answers these places.

    Raises:
        InvalidArgument: What is written is no time.
        NotLinked: There is no such account.
        Busy: The file cannot be read.
    """
    folder, zone = known_account(account), settings.load().zone
    rows, faults = _read(folder, time_grammar.since(since, zone, datetime.now(UTC)), verify=verify)
    if as_json:
        said: dict[str, Any] = {"rows": [_data(row) for row in rows]}
        if verify:
            said["faults"] = [fault._asdict() for fault in faults]
        typer.echo(json.dumps(said, ensure_ascii=False, default=rfc3339))
        return faults
    for row in rows:
        typer.echo(shown(_line(row, zone), sys.stdout))
    for fault in faults:
        typer.echo(f"Row {fault.seq}: {fault.what}." if fault.seq else f"Anywhere: {fault.what}.", err=True)
    if verify and not faults:
        typer.echo("The audit is whole.", err=True)
    return faults


def _read(
    folder: AccountFolder, since: datetime | None, *, verify: bool
) -> tuple[list[AuditRow], list[Fault]]:
    if not folder.ledger_db.exists():
        return [], []
    ledger = Ledger(folder)
    try:
        # What cannot be read is no reason to say nothing of it.
        faults = ledger.audit.verify() if verify else []
        return ([] if any(not fault.seq for fault in faults) else ledger.audit.rows(since)), faults
    finally:
        ledger.close()


def _line(row: AuditRow, zone: tzinfo) -> str:
    entry = row.entry
    caller = entry.caller
    parts = [
        f"{row.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        f"#{row.seq}" if row.about is None else f"#{row.seq} (of #{row.about})",
        caller.principal,
        caller.tool or entry.operation,
    ]
    if entry.chats:
        parts.append(f"to {', '.join(entry.chats)}" if row.kind == "act" else f"in {', '.join(entry.chats)}")
    if entry.refs:
        parts.append(f"{len(entry.refs)} message{'' if len(entry.refs) == 1 else 's'}")
    if row.kind == "act":
        parts.append(f"{entry.verdict} by {entry.rule}" if entry.rule else entry.verdict)
    if entry.approval:
        parts.append(f"approval {entry.approval}{f' by {entry.way}' if entry.way else ''}")
    if row.kind != "reading":
        parts.append(entry.outcome)
    if row.text is not None:
        parts.append(json.dumps(row.text, ensure_ascii=False))
    return "  ".join(parts)


def _data(row: AuditRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "about": row.about,
        "principal": entry.caller.principal,
        "client": entry.caller.client,
        "tool": entry.caller.tool,
        "operation": entry.operation,
        "chats": entry.chats,
        "refs": entry.refs,
        "verdict": entry.verdict,
        "rule": entry.rule,
        "approval": entry.approval,
        "way": entry.way,
        "digest": entry.digest,
        "outcome": entry.outcome,
        "text": row.text,
    }
