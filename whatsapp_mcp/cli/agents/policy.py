"""`whatsapp-mcp policy`: what an agent may do, said before it happens."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import ExitCode, aligned, isolated
from whatsapp_mcp.errors import ChatNotFound, InvalidArgument
from whatsapp_mcp.jid import looks_like_jid, parse_number

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.cli.agents.expectations import Expectation
    from whatsapp_mcp.models import ChatFacts
    from whatsapp_mcp.policy import Act, CallerState, Decision
    from whatsapp_mcp.settings import AccountFolder

app = App(no_args_is_help=True)
_AGENT = "an agent"


class _Explained(NamedTuple):
    """A decision, and what it was about."""

    act: Act
    situation: CallerState
    decision: Decision


@app.command()
def explain(
    tool: Annotated[str, typer.Option(metavar="NAME", help="The tool that is called.")],
    chat: Annotated[
        str | None, typer.Option(metavar="CHAT", help="Number, jid or name of the chat that it reaches.")
    ] = None,
    principal: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who calls, as `exposures` lists it.")
    ] = None,
    tainted: Annotated[
        bool, typer.Option("--tainted", help="As after a stranger's words were handed out.")
    ] = False,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Say what would happen, and by which rule.

    What the content of a message may add (a card number, words of another chat) is not part of it.
    """
    folder = known_account(account)
    explanation = anyio.run(_explained, folder, tool, chat, principal, tainted)
    typer.echo(json.dumps(_data(explanation), ensure_ascii=False) if as_json else _told(explanation))


@app.command("test")
def compare(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="TOML with [[expect]] tables.")
    ],
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Compare the policy with what you expect.

    Each [[expect]] has a tool and a verdict (allow, ask or deny); chat and tainted = true where they matter.
    Exits with 1 if any differs.
    """
    from whatsapp_mcp.cli.agents.expectations import read

    folder = known_account(account)
    expected = read(file)

    async def run() -> list[_Explained]:
        return [await _explained(folder, one.tool, one.chat, None, one.tainted) for one in expected]

    pairs = list(zip(expected, anyio.run(run), strict=True))
    differing = [(one, found) for one, found in pairs if one.verdict != found.decision.verdict]
    if as_json:
        rows = [{"expected": one.verdict, **_data(found)} for one, found in pairs]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        typer.echo(_compared(differing) if differing else f"All {len(pairs)} as expected.")
    raise typer.Exit(ExitCode.FAILED if differing else ExitCode.OK)


async def _explained(
    folder: AccountFolder, tool: str, chat: str | None, principal: str | None, tainted: bool
) -> _Explained:
    """Explain the policy's decision; reads the archive and the ledger and changes nothing.

    Raises:
        InvalidArgument: There is no such tool.
        ChatNotFound, AmbiguousChat: No chat is called so, or more than one.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.archive import open_archive
    from whatsapp_mcp.ledger import open_ledger
    from whatsapp_mcp.models import Caller
    from whatsapp_mcp.policy import Act, CallerState, Policy, decide
    from whatsapp_mcp.server.tools import declared, tool_names

    declaration = declared(tool)
    if declaration is None:
        near = difflib.get_close_matches(tool, tool_names(), n=3)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise InvalidArgument(
            f"There is no tool {tool!r}.{meant}",
            "Give its name as applications that use this server list it.",
        )
    policy = Policy.of(settings.load().for_account(folder.name))
    async with open_archive(folder) as archive:
        chats = [await _facts(archive, chat)] if chat else []
    caller = Caller(principal or _AGENT, tool=tool)
    if principal and not tainted:
        async with open_ledger(folder) as ledger:
            whose = ledger.tainted().get(principal, frozenset())
        tainted = bool(whose) if policy.mode == "lockdown" else "stranger" in whose
    act = Act(tool, declaration.effect, declaration.audience, chats)
    situation = CallerState(caller, tainted)
    return _Explained(act, situation, decide(policy, act, situation))


async def _facts(archive: ReadingArchive, text: str) -> ChatFacts:
    from whatsapp_mcp.server.arguments import choose

    if looks_like_jid(text):
        return await archive.chat_facts(text)
    candidates = await archive.resolve_chat(text, limit=20)
    try:
        return await archive.chat_facts(choose(candidates, text).jid)
    except ChatNotFound:
        with suppress(InvalidArgument):  # a number that was never written to
            return await archive.chat_facts(str(parse_number(text)))
        raise


def _told(explanation: _Explained) -> str:
    from whatsapp_mcp.policy import visible

    act, situation, decision = explanation
    lines = [
        f"{decision.verdict}: {decision.reason}",
        f"  rule    {decision.rule}",
        f"  tool    {act.name}: {act.effect.value}, seen by {act.audience.value}",
    ]
    lines += [f"  chat    {_named(chat)}" for chat in act.chats]
    taint = "tainted" if situation.tainted else "not tainted"
    lines.append(f"  caller  {visible(situation.caller.principal)}, {taint}")
    return isolated("\n".join(lines))


def _named(chat: ChatFacts) -> str:
    from whatsapp_mcp.policy import visible

    name = f"{visible(chat.name)} " if chat.name else ""
    notes: Sequence[str] = (
        "oneself" if chat.is_own else "",
        "" if chat.is_own or not chat.is_person else ("known" if chat.is_known else "not known"),
        "with people who are not known" if chat.has_strangers else "",
        "the owner wrote there" if chat.owner_wrote else "",
    )
    return f"{name}{chat.number or chat.jid} ({', '.join([chat.kind.value, *filter(None, notes)])})"


def _data(explanation: _Explained) -> dict[str, Any]:
    act, situation, decision = explanation
    return {
        "verdict": decision.verdict,
        "rule": decision.rule,
        "reason": decision.reason,
        "tool": act.name,
        "effect": act.effect.value,
        "audience": act.audience.value,
        "chats": [chat.jid for chat in act.chats],
        "principal": situation.caller.principal,
        "tainted": situation.tainted,
    }


def _compared(differing: Sequence[tuple[Expectation, _Explained]]) -> str:
    from whatsapp_mcp.policy import visible

    rows = [("EXPECTED", "IS", "TOOL", "CHAT", "BECAUSE")]
    for one, (_, _, decision) in differing:
        because = f"{decision.reason} ({decision.rule})"
        rows.append((one.verdict, decision.verdict, one.tool, visible(one.chat or ""), because))
    return isolated(aligned(rows))
