"""`whatsapp-mcp webhooks …`: how webhooks are doing, and what they could not deliver."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import ExitCode, aligned, rfc3339
from whatsapp_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from whatsapp_mcp.features.webhooks.sender import Failure
    from whatsapp_mcp.features.webhooks.settings import WebhookSettings
    from whatsapp_mcp.ledger import FailedDelivery, WebhookProgress

app = App(
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the webhook.")]


@app.command("list")
def list_webhooks(as_json: AsJson = False, account: Account = "") -> None:
    """List the webhooks.

    With when each has last delivered, how many events failed, and what is wrong.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.ledger import open_ledger

    folder = known_account(account)
    webhooks = settings.load().for_account(account).webhooks

    async def read() -> list[tuple[WebhookSettings, WebhookProgress | None, int]]:
        async with open_ledger(folder) as ledger:
            record = ledger.webhooks
            return [(each, record.progress(each.name), len(record.failed(each.name))) for each in webhooks]

    entries = anyio.run(read)
    if as_json:
        typer.echo(json.dumps([_as_data(*each) for each in entries], ensure_ascii=False))
    elif entries:
        rows = [_as_data(*each) for each in entries]
        table = [("NAME", "ORIGIN", "EVENTS", "DELIVERED", "FAILED", "STATE")]
        table += [
            (row["name"], row["origin"], ",".join(row["events"]), row["delivered_at"] or "never",
             str(row["failed"]), _state(row))
            for row in rows
        ]  # fmt: skip
        typer.echo(aligned(table))
    else:
        typer.echo("There are no webhooks: write [[webhooks]] into config.toml.")


@app.command()
def failed(name: Name, as_json: AsJson = False, account: Account = "") -> None:
    """List the events that were given up."""
    rows = anyio.run(_failed, account, _named(name, account).name)
    if as_json:
        data = [
            {
                "seq": row.seq,
                "missed_after": row.missed_after,
                "failed_at": rfc3339(row.failed_at),
                "reason": row.reason,
                "replay": row.replay,
            }
            for row in rows
        ]
        typer.echo(json.dumps(data, ensure_ascii=False))
    elif rows:
        table = [("CHANGE", "FAILED AT", "WHY")]
        table += [(_changes(row), rfc3339(row.failed_at), row.reason) for row in rows]
        typer.echo(aligned(table))
    else:
        typer.echo("No event has failed.")


@app.command()
def replay(name: Name, account: Account = "") -> None:
    """Deliver failed events again.

    The server that delivers the webhook does it within seconds; without one, the next that runs.
    """
    from whatsapp_mcp.ledger import open_ledger

    webhook = _named(name, account)
    folder = known_account(account)

    async def ask() -> int:
        async with open_ledger(folder) as ledger:
            return await ledger.webhooks.replay(webhook.name)

    count = anyio.run(ask)
    typer.echo(f"{count} failed event{'' if count == 1 else 's'} will be delivered again.", err=True)


@app.command("test")
def post_test(name: Name, account: Account = "") -> None:
    """Post a signed test event from here."""
    failure = anyio.run(_test, _named(name, account), account)
    if failure is None:
        typer.echo("It was taken.")
        return
    typer.echo(f"It was not taken: {failure.reason}", err=True)
    raise typer.Exit(ExitCode.FAILED)


@app.command()
def secret() -> None:
    """Print a new secret for both sides."""
    from whatsapp_mcp.features.webhooks.signing import new_secret

    typer.echo(new_secret())


def _named(name: str, account: str) -> WebhookSettings:
    """The webhook of this name of an account.

    Raises:
        InvalidArgument: There is none.
    """
    from whatsapp_mcp import settings

    webhooks = settings.load().for_account(account).webhooks
    for webhook in webhooks:
        if webhook.name == name:
            return webhook
    known = ", ".join(webhook.name for webhook in webhooks)
    raise InvalidArgument(
        f"There is no webhook {name!r}.",
        f"Webhooks: {known}." if known else "Write [[webhooks]] into config.toml.",
    )


async def _failed(account: str, name: str) -> tuple[FailedDelivery, ...]:
    from whatsapp_mcp.ledger import open_ledger

    async with open_ledger(known_account(account)) as ledger:
        return ledger.webhooks.failed(name)


async def _test(webhook: WebhookSettings, account: str) -> Failure | None:
    from whatsapp_mcp import settings
    from whatsapp_mcp.features.webhooks.sender import Event, open_sender
    from whatsapp_mcp.features.webhooks.signing import find_secret

    loaded = settings.load().for_account(account)
    keys = [find_secret(place) for place in webhook.secrets]
    now = datetime.now(UTC)
    body = json.dumps({"type": "test", "timestamp": rfc3339(now)}).encode()
    async with open_sender(webhook, keys, lambda: now, loaded.network.proxy_url) as sender:
        return await sender.post(Event(f"test_{now.timestamp():.0f}", body))


def _as_data(webhook: WebhookSettings, progress: WebhookProgress | None, failed: int) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": webhook.name,
        "origin": webhook.origin,
        "events": list(webhook.events),
        "begun": progress is not None,
        "delivered_at": None,
        "failed": failed,
        "retry_at": None,
        "reason": None,
    }
    if progress is not None:
        data["delivered_at"] = rfc3339(progress.delivered_at) if progress.delivered_at else None
        data["retry_at"] = rfc3339(progress.retry_at) if progress.retry_at else None
        data["reason"] = progress.reason or None
    return data


def _changes(failed: FailedDelivery) -> str:
    """`6`; `3 to 6 (missed)` of an event that says that changes are gone."""
    if failed.missed_after is None:
        return str(failed.seq)
    return f"{failed.missed_after + 1} to {failed.seq} (missed)"


def _state(row: dict[str, Any]) -> str:
    if not row["begun"]:
        return "has not begun: no server delivers it yet"
    return f"tried again at {row['retry_at']}: {row['reason']}" if row["reason"] else "in order"
