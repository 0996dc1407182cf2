"""`whatsapp-mcp voice …`: install, list and remove models of speech.

`install` is the only thing in this package that fetches a model.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import AsJson
from whatsapp_mcp.cli.outcome import advice, aligned
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.features.reading.voice.progress import JsonProgress, TerminalProgress
from whatsapp_mcp.text.choices import SPEECH_MODELS

if TYPE_CHECKING:
    from whatsapp_mcp import settings

app = App(
    epilog='With voice.engine = "service" no model is needed: the audio of messages is sent to voice.url.',
    no_args_is_help=True,
)
_HUB_VARIABLE = "HF_ENDPOINT"
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        autocompletion=lambda: [*SPEECH_MODELS],
        help=f"One of {', '.join(SPEECH_MODELS)}.",
    ),
]


@app.command()
def install(
    model: Model = "small",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a Whisper model.

    Shows its size and asks first. If it was interrupted, it goes on where it ended.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.features.reading.speech import hub, models

    loaded = settings.load()
    address = os.environ.get(_HUB_VARIABLE) or hub.DEFAULT
    report = JsonProgress(sys.stdout) if as_json else TerminalProgress(sys.stderr)
    with hub.open_hub(address, proxy=loaded.network.proxy_url) as hub:
        offer = hub.offer(model)
        present = models.installed(loaded.home, model)
        if present is not None and present.record.revision == offer.revision and present.is_whole():
            report.installed(present.record)
            return
        report.offered(offer)
        _agree(yes)
        with report:
            done = hub.install(
                offer,
                loaded.home,
                now=datetime.now(UTC),
                free_bytes=loaded.media.free_megabytes * 1_000_000,
                progress=report.advanced,
            )
    report.installed(done.record)
    if not as_json:
        _say_what_is_missing(loaded, model)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the installed models."""
    from whatsapp_mcp import settings
    from whatsapp_mcp.features.reading.speech import models

    loaded = settings.load()
    installed = models.all_installed(loaded.home)
    if as_json:
        typer.echo(json.dumps({"models": [asdict(model.record) for model in installed]}))
        return
    rows = [
        (
            model.name,
            f"{model.record.size / 1e6:.0f} MB",
            model.record.revision[:12],
            "used" if model.name == loaded.voice.model else "",
        )
        for model in installed
    ]
    typer.echo(aligned([("MODEL", "SIZE", "REVISION", ""), *rows]) if rows else "No model is installed.")


@app.command()
def remove(model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")]) -> None:
    """Delete a model.

    And what is left of an interrupted installation.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.features.reading.speech import models

    try:
        was_there = models.remove(settings.load().home, model)
    except OSError as error:
        raise Busy(f"The model cannot be deleted: {error.strerror}.", "Check the home folder.") from error
    if not was_there:
        raise InvalidArgument(
            "This model is not installed.", "`whatsapp-mcp voice list` lists those that are."
        )
    typer.echo(f"The model {model} is deleted.", err=True)


def _agree(yes: bool) -> None:
    """Go on only if the person agrees to the download.

    Raises:
        InvalidArgument: Nobody can be asked.
    """
    if yes:
        return
    if not _is_asked():
        raise InvalidArgument("Nobody can be asked whether to download it.", "Give --yes to agree.")
    typer.confirm("Download it?", abort=True, err=True)


def _is_asked() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin.isatty()


def _say_what_is_missing(loaded: settings.Settings, model: str) -> None:
    """Print the steps that remain before servers use the model."""
    from whatsapp_mcp.features.reading.speech import options

    if loaded.voice.model != model:
        line = f'Write `model = "{model}"` into the [voice] section of config.toml to use it.'
    elif (missing := options.why_no_speech(loaded)) is not None:
        line = f"{missing.message} {advice(missing.code, missing.action)}"
    else:
        line = "Running servers use it within a minute."
    typer.echo(line, err=True)
