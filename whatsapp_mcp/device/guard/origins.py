"""The origin of an act's content: taking something from another chat counts as reading that chat.

Files, forwards and quotes may take a chat's words to where they can be read, the chat with oneself among
them. So the rules that hold for reading a chat hold for them, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.guard.facts import keys_of, look_at, messages_with, paths_of
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import Message, SendRequest, files_of, words_are_strangers
from whatsapp_mcp.policy import Act, Audience, CallerState, Decision, Effect, Policy, decide

_STRICTNESS: Final = ("allow", "ask", "deny")


async def readings(
    archive: Archive, policy: Policy, name: str, arguments: Mapping[str, Any], situation: CallerState
) -> list[Act]:
    """Return an act of reading for each item that an operation takes from another chat.

    Args:
        archive: Has the messages.
        policy: What was said in several chats may be read in the one about which it is least strict.
        name: Of the operation.
        arguments: By name.
        situation: Who asks.
    """
    request = arguments.get("request")
    to = (await archive.chat_facts(request.chat)).addresses if isinstance(request, SendRequest) else ()
    reading_acts: list[Act] = []
    for messages in await _origins(archive, arguments):
        chats = dict.fromkeys(message.chat for message in messages)
        if chats and chats.keys().isdisjoint(to):
            facts = [await archive.chat_facts(chat) for chat in chats]
            acts = [Act(name, Effect.READ, Audience.NOBODY, [chat]) for chat in facts]
            reading_acts.append(min(acts, key=lambda act: strictness(decide(policy, act, situation))))
    return reading_acts


def strictness(decision: Decision) -> int:
    """Return how strict a decision is: higher is stricter."""
    return _STRICTNESS.index(decision.verdict)


def of_origin(decision: Decision) -> Decision:
    """The decision about an act, if it was made about what the act carries."""
    # An agent may not know which chat it is of which it may know nothing.
    rule = 'read = "deny"' if decision.verdict == "deny" else decision.rule
    return Decision(decision.verdict, rule, f"it carries what is from another chat, and {decision.reason}")


async def exposed_by(archive: Archive, request: SendRequest) -> frozenset[Exposure]:
    """Return whose words the files of a send may hold: a copy does not say who sent the file.

    What is forwarded says that it is.
    """
    exposures: set[Exposure] = set()
    for file in files_of(request.content):
        for message in await _carrying(archive, file.path):
            if words_are_strangers(message):
                exposures.add(Exposure.STRANGER)
            elif not message.from_me:
                exposures.add(Exposure.CONTACT)
    return frozenset(exposures)


async def _origins(archive: Archive, arguments: Mapping[str, Any]) -> list[Sequence[Message]]:
    """Return, for each item that an act takes along, the messages that carry it."""
    origins = [await _carrying(archive, path) for path in paths_of(arguments)]
    request = arguments.get("request")
    for key, chat in keys_of(request) if isinstance(request, SendRequest) else ():
        with suppress(MessageNotFound):  # which is said when it is sent
            origins.append((await archive.message(key, chat=chat),))
    return origins


async def _carrying(archive: Archive, path: str) -> Sequence[Message]:
    """The messages that carry a file, the newest of each."""
    looked = await anyio.to_thread.run_sync(look_at, Path(path))
    if looked is None:
        return ()
    return [await archive.message(ref) async for ref in messages_with(archive, Path(path), looked)]
