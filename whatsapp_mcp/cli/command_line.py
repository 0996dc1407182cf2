"""What every command has in common: its look, how it fails, and what a line without a command means.

Help and usage errors are Typer's plain ones; a `WhatsAppError` ends a command with one line of that form.
"""

from __future__ import annotations

from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from whatsapp_mcp.cli.outcome import ExitCode, exit_code, print_error
from whatsapp_mcp.errors import WhatsAppError


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
        try:
            if ctx.params.get("account") == "":
                # Not at import: what completes a line of the shell has no time for the settings.
                from whatsapp_mcp.cli.options import the_account

                ctx.params["account"] = the_account()
            return super().invoke(ctx)
        except WhatsAppError as error:
            print_error(error, ctx.params.get("account") or "default")
            raise typer.Exit(exit_code(error)) from error
        except typer.Abort as abort:
            # Typer makes the same of "no" and of Ctrl-C at a question.
            if isinstance(abort.__context__, KeyboardInterrupt):
                raise typer.Exit(ExitCode.INTERRUPTED) from abort
            raise


class CommandLine(TyperGroup):
    """The commands; without one it is `serve`, which may have its options all the same."""

    default_command: ClassVar = "serve"

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Put the default command where none is given."""
        if not ctx.resilient_parsing and (not args or args[0].partition("=")[0] in self._default_options()):
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)

    def _default_options(self) -> set[str]:
        return {name for option in self.commands[self.default_command].params for name in option.opts}


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
