"""The part of `GuardedArchive` that tells what is new, who waits and what was promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, tzinfo

from whatsapp_mcp.models import ChatNews, Digest, Fact
from whatsapp_mcp.server.reading.guard import Guard
from whatsapp_mcp.server.reading.withholding import View


class GuardedDigest(Guard):
    """Facts of all chats that may be read."""

    async def digest(self, since: datetime, *, zone: tzinfo, now: datetime) -> Digest:
        """As `ReadingArchive.digest`; of words that stay back it tells only that they want an answer.

        Raises:
            WhatsAppError: It could not be written down whose words leave.
        """
        only = await self.only_chat()
        found = await self._archive.digest(since, zone=zone, now=now, only=only)
        every = [fact.message for news in found.chats for fact in news.facts]
        view = await self.view_of(every)
        view.verdicts = await self.verdicts(news.chat.jid for news in found.chats)
        chats = tuple(
            _shown(view, news, len(every)) for news in found.chats if view.verdict(news.chat.jid) != "deny"
        )
        handed_out = [fact.message for news in chats for fact in news.facts]
        await self.hand_out(view, every, handed_out, operation="digest")
        return replace(found, chats=chats)


def _shown(view: View, news: ChatNews, facts: int) -> ChatNews:
    """The news of a chat as they are handed out, of so many facts in all."""
    news.chat.last_message = None
    return ChatNews(
        view.chat(news.chat),
        news.new,
        tuple(filter(None, (_fact(view, one, facts) for one in news.facts))),
    )


def _fact(view: View, fact: Fact, facts: int) -> Fact | None:
    """A fact as it is handed out; None if what it tells stays back."""
    view.masker.begin(facts)
    view.message(fact.message)
    if fact.message.withheld is None:
        return fact
    return None if fact.owes is None else Fact(fact.message, fact.owes, weight=fact.weight // 2)
