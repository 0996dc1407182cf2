"""Shared parts of commands: their list, look and failures, and the meaning of a line without a command.

Help and usage errors are Typer's plain ones; a `WhatsAppError` ends a command with one line of that form.
"""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from whatsapp_mcp.cli.outcome import ExitCode, exit_code, print_error
from whatsapp_mcp.errors import Busy, WhatsAppError, cause, disk_failure

if TYPE_CHECKING:
    import sqlite3

_CLI: Final = "whatsapp_mcp.cli"
_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""Errors that a person can correct; any other keeps its traceback."""


class Command(TyperCommand):
    """A command that may raise `WhatsAppError` and `KeyboardInterrupt`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read the arguments; what is wrong with one is said without pydantic's preface."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # One that is missing has no message: its help says what it may be.
            error.message = (
                error.message.removeprefix("Value error, ") or getattr(error.param, "help", None) or ""
            )
            raise

    def invoke(self, ctx: typer.Context) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Run the command; its failure becomes a line and an exit code."""
        with _explained(ctx):
            if ctx.params.get("account") == "":
                # Not at import: what completes a line of the shell has no time for the settings.
                from whatsapp_mcp.cli.options import the_account

                ctx.params["account"] = the_account()
            return super().invoke(ctx)


@contextmanager
def _explained(ctx: typer.Context) -> Generator[None]:
    """Make a line and an exit code of a failure."""
    try:
        yield
    except WhatsAppError as error:
        print_error(error, ctx.params.get("account") or "default")
        raise typer.Exit(exit_code(error)) from error
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        why, action = disk_failure(error, "Make it writable for yourself, or name another.")
        what = "A file" if error.filename is None else os.fsdecode(error.filename)
        print_error(Busy(f"{what} cannot be written: {why}.", action))
        raise typer.Exit(ExitCode.FAILED) from error
    except _database_errors() as error:
        unusable = _unusable(error)
        print_error(unusable, ctx.params.get("account") or "default")
        raise typer.Exit(exit_code(unusable)) from error
    except typer.Abort as abort:
        # Typer makes the same of "no" and of Ctrl-C at a question.
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise typer.Exit(ExitCode.INTERRUPTED) from abort
        raise


class Later(TyperGroup):
    """A command, or commands below a name, whose module is loaded when it is meant.

    Args:
        name: As it is typed.
        module: Where the Typer app is that has the command, or whose commands have this name before them.
        app: What the app is called there.
        help: What the list of commands says.
        below: The command below whose name it is, if there is one.
        section: The section of that list, where `Commands.sections` does not name the command.
    """

    def __init__(
        self, name: str, module: str, app: str, help: str, *, below: str | None = None, section: str = ""
    ) -> None:
        super().__init__(name=name, help=help)
        self._place = module, app
        self.below = below
        self.section = section

    def load(self) -> TyperCommand | TyperGroup:
        """The command itself."""
        module, app = self._place
        group = get_group(getattr(importlib.import_module(module), app))
        if isinstance(command := group.commands.get(self.name or ""), TyperCommand):
            return command
        group.name, group.help = self.name, self.help
        for name, each in self.commands.items():
            group.add_command(each.load() if isinstance(each, Later) else each, name)
        return group


def _database_errors() -> type[sqlite3.Error]:
    """The errors of a database; asked for when there is one: to import `sqlite3` takes time."""
    import sqlite3

    return sqlite3.Error


def _unusable(error: sqlite3.Error) -> Busy:
    return Busy(f"A database of the account cannot be used: {cause(error)}.", "Run `whatsapp-mcp doctor`.")


class CommandLine(TyperGroup):
    """The commands; without one it is `serve`, which may have its options all the same."""

    default_command: ClassVar = "serve"

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Put the default command where none is given."""
        # While a line is completed, nothing may still become the name of a command.
        is_default = (
            args[0].partition("=")[0] in self._default_options() if args else not ctx.resilient_parsing
        )
        if is_default:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The command that is meant, loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Later) else command, rest

    def _default_options(self) -> set[str]:
        return {name for option in self.commands[self.default_command].params for name in option.opts}


class Commands(CommandLine):
    """The commands of the whole program, listed by what they are for.

    Attributes:
        sections: What each section of the help lists.
        later: Those whose modules are loaded when they are meant.
    """

    sections: ClassVar[Mapping[str, Sequence[str]]] = {
        "Start": "demo link install client-config doctor".split(),
        "Use": "status page approve scheduled people archive agent policy exposures".split(),
        "Accounts": "accounts pause resume reconnect unlink encryption".split(),
        "Operate": "serve service token audit logs uninstall".split(),
    }
    later: ClassVar[tuple[Later, ...]] = (
        Later("install", f"{_CLI}.hosts.commands", "app", "Let an MCP application start this server."),
        Later("client-config", f"{_CLI}.hosts.commands", "app", "Print an MCP application's configuration."),
        Later("uninstall", f"{_CLI}.uninstall", "app", "Take everything off this machine."),
        Later("accounts", f"{_CLI}.accounts", "app", "List, add, rename and remove accounts."),
        Later("service", f"{_CLI}.service", "app", "Keep a server always running."),
        Later("archive", f"{_CLI}.archive", "app", "Look after the archive of messages."),
        Later("token", f"{_CLI}.token", "app", "Manage the bearer tokens of the HTTP server."),
        Later("people", f"{_CLI}.people", "app", "Confirm people by hand."),
        Later("scheduled", f"{_CLI}.agents", "scheduled_app", "See what is to go out later."),
        Later("encryption", f"{_CLI}.encryption", "app", "Encrypt what is archived."),
        Later("policy", f"{_CLI}.agents", "app", "Say what the policy lets an agent do."),
        Later("agent", f"{_CLI}.agents", "answering_app", "Show agents of chats; let strangers in."),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for each in self.later:
            over = self.commands.get(each.below or "")
            (over if isinstance(over, Later) else self).add_command(each)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read the arguments; `--install-completion` among them writes files of the shell."""
        with _explained(ctx):
            return super().parse_args(ctx, args)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write the sections; their columns are aligned with each other."""
        sections = {
            title: [*names, *(each.name or "" for each in self.later if each.section == title)]
            for title, names in self.sections.items()
        }
        longest = max(len(name) for names in sections.values() for name in names)
        limit = formatter.width - longest - 6
        for title, names in sections.items():
            with formatter.section(title):
                rows = [
                    (name.ljust(longest), self.commands[name].get_short_help_str(limit)) for name in names
                ]
                formatter.write_dl(rows)


class ListByDefault(CommandLine):
    """Commands of which `list` is meant where none is named."""

    default_command: ClassVar = "list"


class App(typer.Typer):
    """A Typer app of such commands."""

    def __init__(self, *, cls: type[TyperGroup] = TyperGroup, **options: Any) -> None:
        super().__init__(
            cls=cls,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
            **options,
        )

    def command(self, name: str | None = None, **options: Any) -> Any:
        """Register a command."""
        return super().command(name, cls=Command, **options)
