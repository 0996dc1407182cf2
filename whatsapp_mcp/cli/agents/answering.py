"""Decisions of a person about agents, at the terminal.

`whatsapp-mcp agent …` lists the chats that have an agent, and lets people in; `approve` answers what waits
for approval; `exposures` shows and forgets who was given strangers' words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import ExitCode, aligned, isolated, rfc3339, shown
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import number_of, parse_chat
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Device, Devices
    from whatsapp_mcp.ledger import Exposure
    from whatsapp_mcp.models import AgentChat, AgentStatus, Approval, Pairing

T = TypeVar("T")

app = App(no_args_is_help=True)


@app.command("status")
def show(as_json: AsJson = False, account: Account = "") -> None:
    """Show agents, what waits, and who asks.

    `[agent]` in config.toml says which chats are handed on, and to which agent.
    """
    from whatsapp_mcp import settings

    status = _ask_status(account)
    if as_json:
        typer.echo(json.dumps(asdict(status), ensure_ascii=False, default=str))
    else:
        typer.echo(_described(status, settings.load().zone))


@app.command()
def pair(
    code: Annotated[str, typer.Argument(metavar="CODE", help="What they were told.")],
    account: Account = "",
) -> None:
    """Let in whoever was told this code."""
    from whatsapp_mcp.cli.connection import asked, with_known_device
    from whatsapp_mcp.device.operations import agents

    async def let_in(devices: Devices, _: ReadingArchive) -> Pairing:
        return await asked(devices, lambda device: device.do(agents.pair, code))

    pairing = with_known_device(account, let_in)
    typer.echo(f"{number_of(pairing.chat) or pairing.chat} is let in.")


@app.command()
def drop(
    chat: Annotated[str, typer.Argument(metavar="CHAT", help="+number or jid.")],
    account: Account = "",
) -> None:
    """Answer this chat no more."""
    from whatsapp_mcp.cli.connection import asked, with_known_device
    from whatsapp_mcp.device.operations import agents

    jid = parse_chat(chat)

    async def let_out(devices: Devices, _: ReadingArchive) -> None:
        await asked(devices, lambda device: device.do(agents.drop_pairing, jid))

    with_known_device(account, let_out)
    typer.echo(f"{number_of(jid) or jid} is no longer let in.")


def _ask_status(account: str) -> AgentStatus:
    from whatsapp_mcp.cli.connection import asked, with_known_device
    from whatsapp_mcp.device.operations import agents

    async def read(devices: Devices, _: ReadingArchive) -> AgentStatus:
        return await asked(devices, lambda device: device.do(agents.agent_status))

    return with_known_device(account, read)


def _described(status: AgentStatus, zone: tzinfo) -> str:
    parts: list[str] = []
    if status.chats:
        parts.append(aligned([_chat_row(each, zone) for each in status.chats]))
    asking = [each for each in status.pairings if each.paired_at is None]
    if asking:
        parts.append("Ask to be let in (whatsapp-mcp agent pair CODE, once they told you theirs):")
        parts.append(aligned([_asking_row(each, zone) for each in asking]))
    if status.cost:
        parts.append(f"Cost of the last 24 hours: {status.cost:.2f}")
    return "\n".join(parts) or "No chat has an agent. Name some in [agent.chats] of config.toml."


def _chat_row(chat: AgentChat, zone: tzinfo) -> tuple[str, ...]:
    from whatsapp_mcp.archive.exporting import printable

    last = chat.last
    status = f"{chat.open} open" if chat.open else ""
    if last is not None and last.done_at is not None:
        when = f"{local(last.done_at, zone):%Y-%m-%d %H:%M}"
        status += f"{', ' if status else ''}last {last.state.value} {when}"
        status += f": {last.reason}" if last.reason else ""
    return isolated(printable(chat.name)), number_of(chat.chat) or chat.chat, chat.agent, status


def _asking_row(pairing: Pairing, zone: tzinfo) -> tuple[str, ...]:
    from whatsapp_mcp.archive.exporting import printable

    given = f"since {local(pairing.given_at, zone):%H:%M}"
    return isolated(printable(pairing.name)), number_of(pairing.chat) or pairing.chat, given


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
    from whatsapp_mcp.device.operations import approvals

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
        # No default: Enter alone must not decide anything.
        approved = typer.confirm("Shall it be done?", default=None, err=True)
        typer.echo(_outcome(_decide(account, one.id, approved)) + "\n")


def _decide(account: str, number: str, approved: bool) -> Approval:
    from whatsapp_mcp.device.operations import approvals

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
    """Return the text of an approval for a person: who asks for what, why, and until when."""
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
    return data | {name: rfc3339(moment) if (moment := data[name]) else None for name in times}


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
