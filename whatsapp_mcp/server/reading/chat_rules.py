"""The person's rules for reading chats."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.jid import Jid, is_person
from whatsapp_mcp.models import ChatKind
from whatsapp_mcp.settings import Verdict

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.policy import Policy


class ChatRules:
    """The rules for reading, as far as they are about the chats of one call, and the chat it is bound to.

    Args:
        archive: Tells what the rules ask.
        policy: Has them.
        only: Jid of the one chat that may be read; empty for all.
    """

    def __init__(self, archive: ReadingArchive, policy: Policy, only: str = "") -> None:
        self._archive = archive
        self._policy = policy
        self._only = only
        self._known: dict[str, Verdict | None] = {}

    async def verdicts(self, chats: Iterable[str]) -> dict[str, Verdict]:
        """Return the verdicts of the rules on these chats, by jid; a chat without a rule is left out."""
        wanted = set(chats)
        for jid in wanted - self._known.keys():
            facts = await self._archive.chat_facts(jid)
            if self._only and self._only not in {facts.jid, facts.lid}:
                self._known[jid] = "deny"
                continue
            ruling = self._policy.ruling(facts, "read")
            self._known[jid] = ruling.verdict if ruling else None
        return {jid: verdict for jid in wanted if (verdict := self._known[jid]) is not None}


@lru_cache(1024)
def kind_of(jid: str) -> ChatKind:
    """Return the kind of chat that a jid names."""
    if is_person(jid):
        return ChatKind.DIRECT
    address = Jid.parse(jid)
    if address.is_group:
        return ChatKind.GROUP
    if address.is_channel:
        return ChatKind.CHANNEL
    return ChatKind.STATUS if jid == "status@broadcast" else ChatKind.BROADCAST


def forbidden() -> Denied:
    """The error of who names a chat that may not be read."""
    return Denied(
        "A rule forbids reading this chat.",
        "Tell the user; only the person can change the policy in config.toml.",
    )
