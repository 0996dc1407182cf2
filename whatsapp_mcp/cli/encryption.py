"""`whatsapp-mcp encryption …`: encrypt the databases of an account, change the key, make them plain again.

Each command takes the leader's lock, so it is refused while a server has the account.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, known_account
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.system import replaced

if TYPE_CHECKING:
    from whatsapp_mcp.settings import AccountFolder

NOT_ENCRYPTED = """\
Not encrypted: client.db, which is the client library's own and holds the keys of the linked device and
names and numbers of contacts; client.log. Downloads and exports are readable for an hour after each use."""

app = App(no_args_is_help=True)


@app.command()
def enable(
    delete_copies: Annotated[
        bool, typer.Option("--delete-copies", help="Delete quarantined databases and backups of upgrades.")
    ] = False,
    account: Account = "",
) -> None:
    """Encrypt the databases of an account.

    The [encryption] section of config.toml says where the key is. Run it again if it was interrupted.
    """
    from whatsapp_mcp.files.conversion import encrypt

    with _alone(account) as folder:
        if folder.vault.exists and folder.vault.step is None:
            raise InvalidArgument(
                "The account is encrypted already.", "`encryption change-key` changes its key."
            )
        _delete_copies(folder, agreed=delete_copies)
        files = folder.files_to_seal()
        encrypt(folder.vault, folder.databases, files, lambda name: typer.echo(f"{name} is encrypted"))
        typer.echo(
            f"The account is encrypted; its key is in {folder.vault.source}. Without it nobody can read"
        )
        typer.echo(f"the databases any more: keep a copy elsewhere.\n{NOT_ENCRYPTED}")


@app.command("change-key")
def change_key(
    old_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with the former key; config.toml says where the new one is then."
        ),
    ] = None,
    account: Account = "",
) -> None:
    """Change the key of an encrypted account.

    Makes a new key in the place of the former one, or goes over to one that is elsewhere.
    """
    from whatsapp_mcp.files.vault import KeySource

    with _alone(account) as folder:
        _need_encrypted(folder)
        former = None if old_key_file is None else KeySource(file=old_key_file.absolute())
        folder.vault.change_key(former)
        typer.echo(f"The key in {folder.vault.source} opens the account now; the former one does not.")


@app.command()
def disable(account: Account = "") -> None:
    """Make an encrypted account plain.

    Run it again if it was interrupted.
    """
    from whatsapp_mcp.files.conversion import decrypt

    with _alone(account) as folder:
        _need_encrypted(folder)
        files = folder.files_to_seal()
        decrypt(folder.vault, folder.databases, files, lambda name: typer.echo(f"{name} is plain"))
        typer.echo("The account is not encrypted any more.")


@app.command()
def status(account: Account = "") -> None:
    """Tell whether an account is encrypted.

    And where its key is.
    """
    from whatsapp_mcp.files.vault import Step

    folder = known_account(account)
    vault = folder.vault
    if not vault.exists:
        typer.echo("The account is not encrypted.")
        return
    vault.unlock()
    done = "encrypted" if vault.step is None else f"partly encrypted: {vault.step.value} was interrupted"
    typer.echo(f"The account is {done}. The key is in {vault.source} and opens it.\n{NOT_ENCRYPTED}")
    if vault.step is not None:
        command = "enable" if vault.step is Step.ENCRYPTING else "disable"
        raise Busy("It was not finished.", f"Run `whatsapp-mcp encryption {command}`.")


@app.command("open")
def open_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sealed file, such as an export.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Where it is written as it was.")],
    account: Account = "",
) -> None:
    """Write a sealed file as it was.

    The sealed one stays.
    """
    from whatsapp_mcp.files.sealed_files import SEALED, read_sealed, sealed

    key = known_account(account).vault.files_key()
    if key is None:
        raise InvalidArgument("The account is not encrypted.", "Its files can be opened as they are.")
    source = file if file.suffix == SEALED else sealed(file)
    try:
        with replaced(target) as part, part.open("wb") as out:
            out.writelines(read_sealed(source, key))
    except OSError as error:
        raise Busy(f"{error.filename}: {error.strerror}.", "Name another file.") from error


@contextmanager
def _alone(account: str) -> Generator[AccountFolder]:
    """The account's folder, while no server has it.

    Raises:
        Busy: A server runs.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.device.leader import LeaderLock

    known_account(account)
    folder = settings.load().account_folder(account)
    lock = LeaderLock(folder)
    if not lock.acquire():
        raise Busy(
            f"A server of this account is running (process {lock.holder()}).",
            "End the applications and services that use whatsapp-mcp, then try again.",
        )
    try:
        yield folder
    finally:
        lock.release()


def _need_encrypted(folder: AccountFolder) -> None:
    if not folder.vault.exists:
        raise InvalidArgument("The account is not encrypted.", "`encryption enable` encrypts it.")


def _delete_copies(folder: AccountFolder, *, agreed: bool) -> None:
    """Delete databases that are kept beside and stay plain.

    Raises:
        InvalidArgument: There are some, and the person has not agreed; nothing has changed.
    """
    beside = (path for each in folder.with_databases if each.is_dir() for path in each.iterdir())
    copies = [path for path in beside if ".db.damaged" in path.name or ".db.version-" in path.name]
    if copies and not agreed:
        names = ", ".join(sorted(path.name for path in copies))
        raise InvalidArgument(
            f"{names} would stay readable.", "Move them elsewhere, or give --delete-copies to delete them."
        )
    for path in copies:
        path.unlink()
