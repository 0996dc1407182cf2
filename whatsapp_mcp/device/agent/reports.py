"""What a person is told of the agents of an account."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.models import AgentChat, AgentStatus
from whatsapp_mcp.settings import OWN_CHAT, AgentSettings


async def status_of(archive: Archive, ledger: Ledger, agent: AgentSettings, now: datetime) -> AgentStatus:
    """Which chats have an agent, what waits there, and who asks to be let in."""
    own = (await archive.own())[0]
    pairings = [replace(each, name=await _name(archive, each.chat)) for each in ledger.pairings.all(now)]
    named = {own or key if key == OWN_CHAT else key: kind for key, kind in agent.chats.items()}
    if agent.strangers == "pairing":
        named = {each.chat: agent.paired for each in pairings if each.paired_at is not None} | named
    waiting = ledger.handed_on.open()
    chats: list[AgentChat] = []
    for jid, kind in named.items():
        facts = None if jid == OWN_CHAT else await archive.chat_facts(jid)
        known = {jid} if facts is None else {facts.jid, facts.lid}
        count = sum(each.chat in known for each in waiting)
        last = next(iter(ledger.handed_on.latest(facts.jid if facts else jid, 1)), None)
        chats.append(AgentChat(jid, await _name(archive, jid), kind, count, last))
    return AgentStatus(tuple(chats), tuple(pairings), ledger.handed_on.cost_since(now - timedelta(days=1)))


async def _name(archive: Archive, jid: str) -> str:
    if jid == OWN_CHAT:
        return "yourself"
    chat = await archive.chat(jid)
    return chat.name if chat else jid
