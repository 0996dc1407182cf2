"""Every command of `whatsapp-mcp-fleet`, as Typer sees them."""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any, ClassVar, Final

import anyio

from whatsapp_fleet.cli.loading import loaded_settings
from whatsapp_mcp.cli.app import AllCommands, demo
from whatsapp_mcp.cli.app import app as single
from whatsapp_mcp.cli.app import serve as serve_accounts
from whatsapp_mcp.cli.command_line import App, Later
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.system import share_arenas

_CLI: Final = "whatsapp_fleet.cli"
_OF_ONE_COMPUTER: Final = {"demo", "install", "client-config", "service", "uninstall"}
"""Commands for applications and services of a computer that has its accounts itself."""


class FleetCommands(AllCommands):
    """The commands of one computer for its accounts, and those of machines that share them."""

    sections: ClassVar = {
        "Fleet": ["node", "fleet"],
        **{
            title: [name for name in names if name not in _OF_ONE_COMPUTER]
            for title, names in AllCommands.sections.items()
        },
    }
    later: ClassVar = (
        *(each for each in AllCommands.later if each.name not in {"accounts", *_OF_ONE_COMPUTER}),
        Later("accounts", f"{_CLI}.accounts", "app", "List, add, rename, move and remove accounts."),
        Later("fleet", f"{_CLI}.commands", "app", "Manage accounts that several machines share."),
    )


app = App(
    name="whatsapp-mcp-fleet",
    cls=FleetCommands,
    help="Let LLM agents use WhatsApp accounts that several machines share in a PostgreSQL database.",
    epilog="Exit codes: 0; 1 not ready or failed; 2 usage or configuration; 130 interrupted.",
)
app.registered_callback = single.registered_callback
app.registered_commands += [
    each for each in single.registered_commands if each.callback not in (demo, serve_accounts)
]


@app.command(epilog="Other commands: whatsapp-mcp-fleet --help")
@wraps(serve_accounts, assigned=("__annotations__",))
def serve(*, no_auth: bool, **options: Any) -> None:
    """Serve the accounts of the database over HTTP, as a replica."""
    settings = loaded_settings()
    from whatsapp_fleet.node import serve_replica
    from whatsapp_mcp.server.main import ServeOptions

    serve_replica(ServeOptions(auth=not no_auth, **options), settings)


@app.command()
def node() -> None:
    """Lead accounts that several machines share.

    They are kept in the PostgreSQL database that the setting `database` names. The node leads those that fall
    to it until a signal comes, then gives them up in order.
    """
    lead_accounts()


def lead_accounts(platform: str = sys.platform) -> None:
    """Lead accounts until a signal comes.

    Args:
        platform: As `sys.platform` says it.

    Raises:
        Unsupported: An extra is not installed, or the system has no clock of leases.
        InvalidArgument: A setting or the database cannot be used, or another node uses the home folder.
    """
    loaded = loaded_settings()
    if platform != "linux":
        raise Unsupported(
            "A node runs on Linux alone: other systems have no timer that ends a client with its lease.",
            "Run it on a Linux machine or in a container.",
        )
    share_arenas()
    from whatsapp_fleet.node import run_node
    from whatsapp_mcp.server.log import log_to_stderr

    log_to_stderr(loaded.log_level, loaded.log_format)
    anyio.run(run_node, loaded)
