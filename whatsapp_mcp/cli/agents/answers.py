"""`whatsapp-mcp approve` and `exposures`: what a person decides, and forgets, at the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import typer

from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.cli.outcome import ExitCode, rfc3339
from whatsapp_mcp.cli.terminal import shown
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Device, Devices
    from whatsapp_mcp.ledger import Exposure
    from whatsapp_mcp.models import Approval

T = TypeVar("T")


def approve(
    account: str, number: str | None, answer: bool | None, *, only_list: bool, as_json: bool
) -> ExitCode:
    """Show what waits for a person, and take their answers.

    Args:
        account: Which.
        number: The id of one question; None for all.
        answer: The answer, without asking for it; None asks.
        only_list: Whether nothing is answered.
        as_json: Whether a program reads what is printed.

    Raises:
        InvalidArgument: There is no such open question, or nobody is here to be asked.
        WhatsAppError: The leader cannot be asked.
    """
    from whatsapp_mcp import settings

    if answer is not None and (number is None or only_list):
        raise InvalidArgument("--yes and --no answer one question.", "Give its id.")
    waiting = _ask_leader(account, lambda device: device.do(approvals.approvals))
    chosen = [one for one in waiting if number in {None, one.id}]
    if number is not None and not chosen:
        raise InvalidArgument(f"No question {number} waits.", "List them with `whatsapp-mcp approve --list`.")
    if answer is not None:
        chosen = [_decide(account, one.id, answer) for one in chosen]
    elif not only_list and not as_json and chosen:
        _ask_each(account, chosen)
        return ExitCode.OK
    zone = settings.load().zone
    if as_json:
        typer.echo(json.dumps([_as_data(one) for one in chosen], ensure_ascii=False))
    elif answer is not None:
        typer.echo(_outcome(chosen[0]))
    else:
        typer.echo("\n\n".join(described(one, zone) for one in chosen) or "Nothing waits.")
    return ExitCode.OK


def _ask_each(account: str, questions: list[Approval]) -> None:
    from whatsapp_mcp import settings

    if not sys.stdin.isatty():
        raise InvalidArgument(
            "Nobody is here to be asked: standard input is no terminal.",
            "Run it in a terminal, or give an id with --yes or --no.",
        )
    zone = settings.load().zone
    for one in questions:
        typer.echo(described(one, zone))
        approved = typer.confirm("Shall it be done?", default=None, err=True)
        typer.echo(_outcome(_decide(account, one.id, approved)) + "\n")


def _decide(account: str, number: str, approved: bool) -> Approval:
    return _ask_leader(account, lambda device: device.do(approvals.decide, number, approved, "terminal"))


def _outcome(approval: Approval) -> str:
    from whatsapp_mcp.models import ApprovalState

    if approval.state is ApprovalState.DENIED:
        return f"{approval.id}: no. The same is not asked again for an hour."
    if approval.state is ApprovalState.VOID:
        return f"{approval.id}: it is no longer what you were asked about, and is not done."
    if approval.send_id is not None:
        return f"{approval.id}: yes. The message goes out."
    return f"{approval.id}: yes. The agent may do it once."


def described(approval: Approval, zone: tzinfo) -> str:
    """What a person reads: who asks for what, why, and until when."""
    from whatsapp_mcp.policy import visible

    asked, until = local(approval.created_at, zone), local(approval.expires_at, zone)
    who = f" by {visible(approval.client)}" if approval.client else ""
    lines = [
        f"{approval.id}  {visible(approval.tool)}, asked for{who} at {asked:%H:%M}",
        *(f"    {visible(line)}" for line in approval.question),
        f"  because {visible(approval.reason)}; until {until:%H:%M}",
    ]
    return shown("\n".join(lines), sys.stdout)


def _as_data(approval: Approval) -> dict[str, Any]:
    data = asdict(approval)
    times = ("created_at", "expires_at", "decided_at")
    return data | {name: rfc3339(at) if (at := data[name]) else None for name in times}


def exposures(account: str, cleared: str | None, *, clear_all: bool, as_json: bool) -> None:
    """Show to whom words were handed out that the policy remembers, or forget it.

    Args:
        account: Which.
        cleared: The principal whose entries are forgotten.
        clear_all: Whether all are.
        as_json: Whether a program reads what is printed.

    Raises:
        InvalidArgument: Nothing is remembered of this principal.
    """
    from whatsapp_mcp.ledger import Exposure, open_ledger
    from whatsapp_mcp.policy import visible

    folder = known_account(account)

    async def run() -> dict[str, frozenset[Exposure]]:
        async with open_ledger(folder) as ledger:
            if cleared is not None and cleared not in ledger.tainted():
                raise InvalidArgument(
                    f"Nothing is remembered of {cleared!r}.", "List them with `whatsapp-mcp exposures`."
                )
            if cleared is not None or clear_all:
                await ledger.clear(cleared)
            return ledger.tainted()

    remembered = anyio.run(run)
    if as_json:
        typer.echo(json.dumps({who: sorted(whose) for who, whose in remembered.items()}))
        return
    words = {Exposure.STRANGER: "strangers'", Exposure.CONTACT: "contacts'"}
    for principal, whose in remembered.items():
        typer.echo(f"{visible(principal)}: {' and '.join(words[one] for one in sorted(whose))} words")
    if not remembered:
        typer.echo("Nothing is remembered.")


def _ask_leader(account: str, ask: Callable[[Device], Awaitable[T]]) -> T:
    from whatsapp_mcp.cli.connection import asked, with_known_device

    async def run(devices: Devices, _: ReadingArchive) -> T:
        return await asked(devices, ask)

    return with_known_device(account, run)
