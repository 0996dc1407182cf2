"""`whatsapp-mcp people …`: say who is known although the phone's address book does not name them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import aligned, isolated
from whatsapp_mcp.errors import ContactNotFound
from whatsapp_mcp.jid import is_person

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.models import Contact

app = App(no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="WHO", help="Number, jid or name.")]


@app.command()
def confirm(who: Who, account: Account = "") -> None:
    """Let somebody count as known.

    As people in the phone's address book do.

    Look at the number: anybody may choose a name.
    """
    _say(account, who, known=True)


@app.command()
def forget(who: Who, account: Account = "") -> None:
    """Take a confirmation back."""
    _say(account, who, known=False)


@app.command("list")
def list_confirmed(as_json: AsJson = False, account: Account = "") -> None:
    """List who is confirmed."""
    from whatsapp_mcp.archive import open_archive
    from whatsapp_mcp.archive.exporting import printable

    async def read() -> tuple[Contact, ...]:
        async with open_archive(known_account(account)) as archive:
            return await archive.confirmed()

    people = anyio.run(read)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in people], ensure_ascii=False))
    else:
        rows = [(isolated(printable(each.name)), each.number or each.jid) for each in people]
        typer.echo(aligned(rows) if rows else "Nobody is confirmed.")


def _say(account: str, who: str, *, known: bool) -> None:
    from whatsapp_mcp.archive.exporting import printable
    from whatsapp_mcp.cli.connection import asked, with_known_device
    from whatsapp_mcp.device.operations import contacts

    async def say(devices: Devices, archive: ReadingArchive) -> Contact:
        jid = await _person(archive, who)
        await asked(devices, lambda device: device.do(contacts.confirm_person, jid, known))
        contact = await archive.contact(jid)
        assert contact is not None
        return contact

    person = with_known_device(account, say)
    called = f"{printable(person.name)} ({person.number or person.jid})"
    if known:
        typer.echo(f"{called} is known now.")
    elif person.known:
        typer.echo(f"{called} is in the phone's address book, and stays known.")
    else:
        typer.echo(f"{called} is no longer known.")


async def _person(archive: ReadingArchive, text: str) -> str:
    """The jid of the one person that a text means.

    Raises:
        AmbiguousChat, ChatNotFound: It means several, or none.
        ContactNotFound: It means a group or channel.
    """
    from whatsapp_mcp.server.arguments import choose

    jid = choose(await archive.resolve_chat(text), text).jid
    if not is_person(jid):
        raise ContactNotFound(f"{text!r} is no person.", "Give a number, a jid or a name.")
    return jid
