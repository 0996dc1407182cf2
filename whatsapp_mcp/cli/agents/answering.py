"""`whatsapp-mcp agent …`: which chats have an agent, what waits there, and who is let in."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson
from whatsapp_mcp.cli.terminal import aligned, isolated
from whatsapp_mcp.device.operations import agents
from whatsapp_mcp.jid import number_of, parse_chat
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.models import AgentChat, AgentStatus, Pairing

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

    jid = parse_chat(chat)

    async def let_out(devices: Devices, _: ReadingArchive) -> None:
        await asked(devices, lambda device: device.do(agents.drop_pairing, jid))

    with_known_device(account, let_out)
    typer.echo(f"{number_of(jid) or jid} is no longer let in.")


def _ask_status(account: str) -> AgentStatus:
    from whatsapp_mcp.cli.connection import asked, with_known_device

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
    told = f"{chat.open} open" if chat.open else ""
    if last is not None and last.done_at is not None:
        when = f"{local(last.done_at, zone):%Y-%m-%d %H:%M}"
        told += f"{', ' if told else ''}last {last.state.value} {when}"
        told += f": {last.reason}" if last.reason else ""
    return isolated(printable(chat.name)), number_of(chat.chat) or chat.chat, chat.agent, told


def _asking_row(pairing: Pairing, zone: tzinfo) -> tuple[str, ...]:
    from whatsapp_mcp.archive.exporting import printable

    given = f"since {local(pairing.given_at, zone):%H:%M}"
    return isolated(printable(pairing.name)), number_of(pairing.chat) or pairing.chat, given
