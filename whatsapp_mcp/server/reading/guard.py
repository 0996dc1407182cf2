"""Base of all methods of `GuardedArchive`: how a call sees the archive, and what it records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.jid import is_person
from whatsapp_mcp.ledger import AuditEntry, Exposure, taint_of
from whatsapp_mcp.models import (
    UNKNOWN,
    Caller,
    Chat,
    ChatKind,
    Contact,
    LastMessage,
    Message,
    MessageFilter,
    Page,
    Permit,
    mention_keys,
    own_words,
)
from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.reading.amounts import of_refs
from whatsapp_mcp.server.reading.masking import Masker, Names, names_in
from whatsapp_mcp.server.reading.readable import ChatRules, Read, Seen, filled, forbidden, kind_of
from whatsapp_mcp.server.reading.withholding import View
from whatsapp_mcp.settings import Verdict

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.policy import Policy

T = TypeVar("T")
Ask = Callable[[Permit], Awaitable[None]]
"""Returns if a person agrees; else it raises a `WhatsAppError`."""
_SPEAKERS: Final = frozenset({ChatKind.CHANNEL, ChatKind.STATUS})
"""Chats that are named for what stands in them, by whomever."""


async def nobody_to_ask(_: Permit) -> None:
    """Deny every permit: no caller is known, so nobody can be asked.

    Raises:
        Denied: Always.
    """
    raise Denied("A person has to agree first.", "Tell the user.")


class Guard:
    """The archive, and for whom it is read.

    Args:
        archive: Reads.
        ledger: Remembers what is handed out.
        policy: Says what stays back.
        caller: To whom it is handed out.
        ask: Asks a person.
        named: Jid of a chat whose words are asked for.
        whole: All of its words are asked for, whoever wrote them.
        amount: How much of it is, where the caller knows it better than each read (`amounts`).
        context: How many messages stand before each that is listed.
        names: The names of strangers in the answer; None: each view is an answer of its own.
        is_one_of_several: The caller sees further accounts, in whose modes count other words than here.
    """

    def __init__(
        self,
        archive: ReadingArchive,
        ledger: Ledger,
        policy: Policy,
        caller: Caller = UNKNOWN,
        ask: Ask = nobody_to_ask,
        named: str | None = None,
        *,
        whole: bool = False,
        amount: str = "",
        context: int = 0,
        is_one_of_several: bool = False,
        names: Names | None = None,
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._policy = policy
        self._caller = caller
        self._ask = ask
        self._named = named
        self._whole = whole
        self._amount = amount
        self._context = context
        self._is_one_of_several = is_one_of_several and not caller.is_trusted
        self._names = names
        self._agreed: set[Permit] = set()
        self._listed = ""
        """Amount of the chat that the last list or search showed, in words."""
        self._released: set[int] = set()
        """Refs of the messages of which a person has agreed in this call that they are handed out."""
        self._withholds = policy.withholds and not caller.is_trusted
        # To be bound to a chat is a rule as well: no other may be read.
        has_rules = (policy.rules_reading and not caller.is_trusted) or bool(caller.chat)
        self._rules = ChatRules(archive, policy, caller.chat) if has_rules else None

    def view(self) -> View:
        """Return a view of people and chats."""
        return View(self._withholds, names=self._names or Names())

    async def _own(self, names: Iterable[str]) -> frozenset[str]:
        """The owner's jids, if one of these names is cut; an agent may have chosen the owner's."""
        if all(cut_name(each) == each for each in set(names)):
            return frozenset()
        number, lid, _ = await self._archive.own()
        return frozenset(filter(None, (number, lid)))

    async def _look_up(
        self,
        view: View,
        messages: Iterable[Message | LastMessage | None],
        chats: Iterable[str],
        names: Iterable[str],
    ) -> None:
        """Look up whose words messages hold, and whose these names are, beside those of the view before."""
        chats = set(chats)
        view.verdicts = await self.verdicts(chats)
        if not self._withholds:
            return
        view.own |= await self._own(names)
        ids, groups = own_words(messages), {jid for jid in chats if kind_of(jid) is ChatKind.GROUP}
        if not (ids or groups):
            return
        sources, familiar = await self._archive.distrust(ids, groups)
        view.familiar |= familiar
        mode = self._policy.mode
        view.tainted |= {each for each, whose in sources.items() if taint_of(whose).counts(mode)}

    async def view_of(self, messages: Sequence[Message], *, opens: bool = False, named: bool = False) -> View:
        """Return the view for these messages.

        Args:
            messages: The messages.
            opens: They are asked for.
            named: Their chat is asked for.
        """
        view = await self._bound_view()
        view.opens = opens
        await self._look_up(view, messages, [each.chat for each in messages], names_in(messages))
        if named and messages:
            view.opens = self._opens(
                messages[0].chat, messages[0].chat_stranger, view.verdict(messages[0].chat)
            )
        return view

    def _opens(self, chat: str, stranger: bool, verdict: Verdict | None) -> bool:
        """Return whether naming a chat is a request for its withheld words."""
        return self._whole or stranger or kind_of(chat) in _SPEAKERS or verdict == "ask"

    async def _opening(self, chat: str) -> tuple[bool, bool]:
        """Return whether naming a chat opens its words, and whether a person has to agree first."""
        stored_chat = await self._archive.chat(chat)
        verdict = (await self.verdicts([chat]) or {}).get(chat)
        opens = self._opens(chat, stored_chat is not None and stored_chat.stranger, verdict)
        return opens, verdict == "ask" or (opens and self._withholds and self._policy.mode == "lockdown")

    async def _bound_view(self) -> View:
        """Return the view; a caller bound to one chat sees the names of the people in it."""
        view = self.view()
        if only := await self.only_chat():
            person = await self._archive.contact(only) if is_person(only) else None
            members = (each.contact for each in await self._archive.members(only))
            view.inside = mention_keys([*members, *([person] if person else [])])
        return view

    async def verdicts(self, chats: Iterable[str]) -> dict[str, Verdict] | None:
        """Return the verdicts of the reading rules on these chats, by jid; None if there are no rules."""
        return None if self._rules is None else await self._rules.verdicts(chats)

    async def only_chat(self) -> str | None:
        """Jid of the chat that the caller is bound to, as the archive has it; None for all chats."""
        if not self._caller.chat:
            return None
        return (await self._archive.chat_facts(self._caller.chat)).jid

    async def require_inside(self, jid: str) -> None:
        """Refuse to tell anything of a chat to a caller that is bound to another.

        Raises:
            Denied: It is.
        """
        if self._caller.chat:
            await self.require_readable(jid)

    async def require_readable(self, jid: str | None) -> None:
        """Refuse to read a chat that is named.

        Raises:
            Denied: A rule forbids it.
        """
        verdicts = None if jid is None else await self.verdicts([jid])
        if verdicts and "deny" in verdicts.values():
            raise forbidden()

    async def inside(self, where: MessageFilter) -> MessageFilter:
        """A filter, as far as its chat may be read.

        Raises:
            Denied: It may not.
        """
        await self.require_readable(where.chat)
        only = await self.only_chat()
        return where if only is None else replace(where, chat=only)

    async def shown(
        self,
        messages: Sequence[Message],
        *,
        opens: bool = False,
        named: bool = False,
        amount: str = "",
        masker: Masker | None = None,
        among: int = 0,
    ) -> tuple[Message, ...]:
        """Messages as they are handed out.

        Args:
            messages: The messages.
            opens: They are asked for.
            named: Their chat is asked for.
            amount: How much that is, as `hand_out` takes it.
            masker: Masks the answer, where these are only a part of it.
            among: How many messages that may have.
        """
        view = await self.view_of(messages, opens=opens, named=named)
        view.masker = masker or view.masker
        shown = view.messages(messages, among=among)
        await self.hand_out(view, messages, shown, amount)
        return shown

    async def shown_chats(self, entries: Sequence[Chat]) -> tuple[Chat, ...]:
        """Chats as they are handed out."""
        view = await self._bound_view()
        last, chats = [chat.last_message for chat in entries], [chat.jid for chat in entries]
        await self._look_up(view, last, chats, [chat.name for chat in entries])
        shown = view.chats(entries)
        await self._expose(view, [chat for chat in shown if chat.last_message])
        read = [(chat.jid, last.ref) for chat in shown if (last := chat.last_message) and not last.withheld]
        if read:
            jids, refs = zip(*read, strict=True)
            self._ledger.audit.read(AuditEntry(self._caller, "chats", jids, refs))
        return shown

    async def shown_people(self, contacts: Sequence[Contact]) -> tuple[Contact, ...]:
        """People as they are handed out."""
        verdicts = await self.verdicts(each.jid for each in contacts)
        view = self.view()
        return tuple(
            [view.contact(each) for each in contacts if not verdicts or verdicts.get(each.jid) != "deny"]
        )

    async def hand_out(
        self,
        view: View,
        messages: Sequence[Message],
        shown: Sequence[Message],
        amount: str = "",
        *,
        operation: str = "messages",
    ) -> None:
        """Ask whoever has to agree, and write down whose words leave now.

        Args:
            view: How they were seen.
            messages: The messages as they were found.
            shown: As they are handed out.
            amount: How much that is, for the person who has to agree; empty: exactly these messages.
            operation: What is read, for the audit.

        Raises:
            WhatsAppError: Nobody has agreed, or it could not be written down: nothing may leave.
        """
        asks = view.asked or (self._policy.mode == "lockdown" and view.opens and view.strangers)
        refs = {message.ref for message in messages}
        if asks and shown and not refs <= self._released:
            await self.agree(
                Permit(
                    "release",
                    (messages[0].chat,),
                    (amount or of_refs([message.ref for message in messages]),),
                )
            )
            self._released |= refs
        # Before they leave: if it cannot be written down, the call fails and nothing is told.
        await self._expose(view, shown)
        read = [message for message in shown if not message.withheld]
        if read:
            chats, refs = {message.chat: None for message in read}, tuple(message.ref for message in read)
            self._ledger.audit.read(AuditEntry(self._caller, operation, tuple(chats), refs))

    async def agree(self, wanted: Permit) -> None:
        """Ask a person, once for what a call needs more than once.

        Raises:
            WhatsAppError: Nobody has agreed.
        """
        if wanted not in self._agreed:
            await self._ask(wanted)
            self._agreed.add(wanted)

    async def _expose(self, view: View, shown: Sequence[Message | Chat]) -> None:
        """Write down whose words leave now, as far as they count here or in another account.

        Args:
            view: How they were seen.
            shown: What is handed out; whose words it holds is not looked for where nothing is withheld.
        """
        if not (view.withholds or self._is_one_of_several):
            return
        # Where nothing stays back, nobody has looked whose words these are.
        anybodys = bool(shown) and not view.withholds
        if view.strangers or anybodys:
            await self._ledger.expose(self._caller.principal, Exposure.STRANGER)
        if (view.contacts or anybodys) and (self._policy.mode == "lockdown" or self._is_one_of_several):
            await self._ledger.expose(self._caller.principal, Exposure.CONTACT)

    async def pages(self, read: Read[T], cursor: str | None, limit: int, chat: Callable[[T], str]) -> Page[T]:
        """The next page, filled up, of what no rule forbids to read.

        Args:
            read: Reads the archive.
            cursor: Where to begin.
            limit: Items of a page.
            chat: The jid of the chat that an item is about.
        """
        rules = self._rules
        if rules is None:
            return await read(cursor, limit)

        async def sees(item: T, _: int) -> Seen:
            jid = chat(item)
            return Seen.HIDDEN if (await rules.verdicts([jid])).get(jid) == "deny" else Seen.SHOWN

        return await filled(read, cursor, limit, sees)

    async def is_named(self, chat: str) -> bool:
        """Return whether a chat is the one whose words are asked for, under any of its addresses."""
        if self._named is None or self._named == chat:
            return self._named is not None
        named = await self._archive.chat(self._named)
        return named is not None and named.jid == chat
