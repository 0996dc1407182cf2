"""Messages and chats as an agent may see them: whose words stay back, what is masked, how names are cut.

Pure but for the models that it is given, which it changes: every call reads new ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from whatsapp_mcp.jid import is_person
from whatsapp_mcp.models import (
    NOTICES,
    Actor,
    Chat,
    ChatKind,
    Contact,
    LastMessage,
    Media,
    Mention,
    Message,
    MessageKind,
    PollOption,
    Reaction,
    file_words_are_senders,
    last_name_only,
    last_words_are_strangers,
    name_only,
    quote_is_strangers,
    words_are_strangers,
)
from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.reading.masking import (
    Carried,
    Masker,
    Names,
    by_number,
    mask_codes_in,
    mask_quote_in,
)
from whatsapp_mcp.server.reading.readable import kind_of
from whatsapp_mcp.settings import Verdict

_NAMING: Final = re.compile(
    r"(changed the (?:group's|business) name to |created the (?:group|community) )(.+)", re.DOTALL
)
"""Notices that hold a name that somebody chose."""
_OURS: Final = frozenset({ChatKind.STATUS, ChatKind.BROADCAST})
"""Chats that nobody else names."""
_HEX: Final = re.compile(r"[0-9A-F]{1,40}")
"""Ids as WhatsApp's apps make them; any other could be words of its sender's choice."""
_SILENT: Final = frozenset({MessageKind.UNDECRYPTABLE, MessageKind.UNKNOWN})
"""Kinds of messages that hold no words."""


@dataclass(slots=True)
class View:
    """One call's view of the archive.

    Attributes:
        withholds: Strangers' words stay back, codes are masked, names are cut.
        opens: What would stay back is asked for.
        tainted: WhatsApp's ids of sends whose words count as a stranger's.
        verdicts: What rules for reading say of chats, by jid.
        inside: The `mention_keys` of those whose names may be told, for a caller that is bound to one chat.
        reveals: The ref of the message whose codes are shown: of what stays back, it alone is opened then.
        counts: How many hits of a search stay back may be told.
        stripped: Where hits are counted, what the last message that stayed back carried.
        strangers, contacts: Whose words have been handed out.
        asked: A chat whose words a rule keeps back until a person agrees, or that was handed out so.
        names: The names of strangers in the answer.
        familiar: Jids of groups whose names count as no stranger's.
        own: Jids of the owner, if a name in the answer may be theirs and one that is cut: an agent may have
            chosen it.
        masker: Masks one-time codes, all of one answer.
    """

    withholds: bool
    opens: bool = False
    tainted: frozenset[str] = frozenset()
    verdicts: Mapping[str, Verdict] | None = None
    inside: frozenset[str] | None = None
    reveals: int | None = None
    counts: bool = False
    stripped: Carried | None = None
    strangers: bool = False
    contacts: bool = False
    asked: bool = False
    names: Names = field(default_factory=Names)
    masker: Masker = field(default_factory=Masker)
    familiar: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def verdict(self, chat: str) -> Verdict | None:
        """Return the verdict of the reading rules on a chat; None if no rule applies."""
        return self.verdicts.get(chat) if self.verdicts else None

    def keeps_back(self, message: Message) -> bool:
        """Return whether a list omits part of a message."""
        verdict = self.verdict(message.chat)
        if verdict == "ask":
            return True
        if not self.withholds or verdict == "allow":
            return False
        strangers = words_are_strangers(message, self.tainted) and message.kind not in NOTICES
        return strangers or (message.quote is not None and quote_is_strangers(message.quote, self.tainted))

    def messages(self, messages: Sequence[Message], *, among: int = 0) -> tuple[Message, ...]:
        """The messages as they are shown.

        Args:
            messages: The messages.
            among: How many the answer may have, where it is more than these.
        """
        shown: list[Message] = []
        for index, message in enumerate(messages):
            if self.verdicts and self.verdict(message.chat) == "deny":
                continue
            self.masker.begin((among or len(messages)) - index)
            self.message(message)
            shown.append(message)
        return collapsed(shown)

    def message(self, message: Message) -> None:
        """Make one message what is shown of it."""
        if self.inside is not None:
            name_only(message, self.inside)
        verdict = self.verdict(message.chat) if self.verdicts else None
        if not self.withholds and verdict != "ask":
            return
        strangers = words_are_strangers(message, self.tainted)
        self._cut_names(message)
        if message.kind in NOTICES:
            # Nobody tells whose idea a name was that somebody of this account has set.
            notice = _notice(message.kind, message.text)
            if strangers or (verdict == "ask" and not self._opens(message)):
                mentions = message.mentions
                _strip(message)
                message.mentions = mentions
            message.text = notice
        elif (strangers and verdict != "allow") or verdict == "ask":
            if self._opens(message):
                self._hand_out(message, strangers=strangers)
                self.asked |= verdict == "ask"
            else:
                message.withheld = 1 if _says_something(message) else None
                if self.counts and verdict != "ask":
                    self.stripped = Carried.of(message)
                _strip(message)
                return
        else:
            self._hand_out(message, strangers=strangers)
        if message.quote is not None and message.quote.text and not self._shows_quote(message):
            quote = message.quote
            message.quote = replace(quote, message_id=_id(quote.message_id), text=None, withheld=True)
        if self.withholds:
            self._cut_cards(message)
            _keep_file_words(message)
            mask_quote_in(message, self.masker)
            if message.ref != self.reveals and not (message.from_me and not strangers):
                mask_codes_in(message, self.masker)

    def _hand_out(self, message: Message, *, strangers: bool) -> None:
        if strangers:
            self.strangers |= _says_something(message)
        elif not message.from_me:
            self.contacts = True

    def _shows_quote(self, message: Message) -> bool:
        assert message.quote is not None
        if not self.withholds or not quote_is_strangers(message.quote, self.tainted):
            self.contacts |= not message.quote.from_me
            return True
        opens = self._opens(message)
        self.strangers |= opens
        return opens

    def _opens(self, message: Message) -> bool:
        return self.opens and self.reveals in {None, message.ref}

    def _cut_names(self, message: Message) -> None:
        """Cut the names that strangers chose, and those of groups and channels, whose author nobody tells."""
        if not self.withholds:
            return
        if message.chat_stranger or message.chat in self.own or not is_person(message.chat):
            message.chat_name = self.chosen(message.chat_name, message.chat)
        if message.sender_stranger or message.sender in self.own or not is_person(message.sender):
            message.sender_name = self.chosen(message.sender_name, message.sender)
        quote = message.quote
        if quote is not None and quote.sender_name and (quote.stranger or quote.from_me):
            name = cut_name(quote.sender_name) if quote.from_me else self._cut(quote.sender_name)
            message.quote = replace(quote, sender_name=name)
        if message.reactions:
            message.reactions = tuple(map(self._reaction, message.reactions))
        if message.poll:
            message.poll = tuple(
                PollOption(option.name, tuple(map(self.actor, option.voters))) for option in message.poll
            )
        if message.mentions:
            message.mentions = self._mentions(message.mentions)
        if message.kept_by is not None:
            message.kept_by = self.actor(message.kept_by)

    def _cut_cards(self, message: Message | LastMessage) -> None:
        """Cut what whoever made a card calls somebody, and leave out what else stands in it."""
        cards = (message.details or {}).get("contacts")
        if message.from_me or not cards:
            return
        shown = [
            {"name": cut_name(card.get("name", "")), "numbers": card.get("numbers", [])} for card in cards
        ]
        message.details = {**(message.details or {}), "contacts": shown}
        message.text = ", ".join(" ".join([card["name"], *card["numbers"]]).strip() for card in shown)
        if isinstance(message, Message):
            message.snippet = None

    def _reaction(self, reaction: Reaction) -> Reaction:
        return replace(
            reaction,
            sender_name=self.actor(Actor(reaction.sender_name, reaction.from_me, reaction.stranger)).name,
        )

    def actor(self, actor: Actor) -> Actor:
        """Somebody who did something, under the name that is shown."""
        if not self.withholds or not (actor.stranger or actor.from_me):
            return actor
        # An agent may have chosen the owner's.
        return replace(actor, name=cut_name(actor.name) if actor.from_me else self.chosen(actor.name))

    def chosen(self, name: str, jid: str = "") -> str:
        """A name that somebody chose whom the owner does not know; the number where it is one too many."""
        if jid and (jid in self.familiar or jid in self.own or kind_of(jid) in _OURS):
            return cut_name(name)
        shown = self._cut(name)
        return by_number(jid) if shown is None else shown

    def _cut(self, name: str) -> str | None:
        """Cut a name like `Names.cut`; when words are opened, keep all names and count them as words read."""
        shown = self.names.cut(name)
        if shown is None and self.opens:
            self.strangers = True
            return cut_name(name)
        return shown

    def _mentions(self, mentions: Mapping[str, Mention]) -> dict[str, Mention]:
        """Return the mentions to show; a stranger whose name exceeds the limit stays a number in the text."""
        shown: dict[str, Mention] = {}
        for key, one in mentions.items():
            name = self._cut(one.name) if one.stranger else cut_name(one.name) if one.from_me else one.name
            if name is not None:
                shown[key] = replace(one, name=name)
        return shown

    def chats(self, chats: Sequence[Chat]) -> tuple[Chat, ...]:
        """The chats of a list with their last messages, as they are shown."""
        readable = [chat for chat in chats if self.verdict(chat.jid) != "deny"]
        return tuple([self.chat(chat, len(readable) - index) for index, chat in enumerate(readable)])

    def chat(self, chat: Chat, among: int = 1) -> Chat:
        """A chat as it is shown, the first of so many that are still to come."""
        self.masker.begin(among)
        verdict = self.verdict(chat.jid)
        if self.withholds and (chat.stranger or chat.jid in self.own or not is_person(chat.jid)):
            chat.name = self.chosen(chat.name, chat.jid)
        last = chat.last_message
        if last is not None and self.inside is not None:
            last_name_only(last, self.inside)
        if last is not None and (self.withholds or verdict == "ask"):
            self._last(last, verdict)
            if last.before is not None:
                self._last(last.before, verdict)
        return chat

    def _last(self, last: LastMessage, verdict: Verdict | None) -> None:
        strangers = last_words_are_strangers(last, self.tainted)
        if self.withholds and last.stranger and last.sender_name:
            last.sender_name = self.chosen(last.sender_name)
        if last.mentions and self.withholds:
            last.mentions = self._mentions(last.mentions)
        if last.kind in NOTICES:
            if self.withholds:
                last.text = _notice(last.kind, last.text)
            if strangers:
                last.details = last.heard = None
                last.message_id = _id(last.message_id)
            return
        if (strangers and verdict != "allow") or verdict == "ask":
            says = not last.revoked and last.kind not in _SILENT
            last.text, last.details, last.mentions, last.withheld = "", None, None, 1 if says else None
            last.heard = None
            last.message_id = _id(last.message_id)
            return
        if strangers:
            self.strangers = True
        elif not last.from_me:
            self.contacts = True
        if self.withholds:
            self._cut_cards(last)
        if self.withholds and not (last.from_me and not strangers):
            last.text, last.details = self.masker.text(last.text), self.masker.values(last.details)
            last.heard = last.heard and self.masker.text(last.heard)

    def contact(self, person: Contact) -> Contact:
        """A person under the names that are shown; what people call themselves is cut, known or not."""
        if not self.withholds:
            return person
        if person.stranger and self._cut(person.name) is None:
            number = person.number or by_number(person.jid)
            return replace(person, name=number, given_name=None, push_name=None, business_name=None)
        cut = self._cut if person.stranger else cut_name
        return replace(
            person,
            name=person.name if person.known and person.name == person.saved_name else cut_name(person.name),
            # What an agent calls somebody is of no better author.
            given_name=person.given_name and self._cut(person.given_name),
            push_name=person.push_name and cut(person.push_name),
            business_name=person.business_name and cut(person.business_name),
        )


def collapsed(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages; of those in a row that are withheld and of one author, the first stands for all."""
    shown: list[Message] = []
    before: Message | None = None
    for message in messages:
        if message.withheld and before is not None and _is_of_same_author(message, before):
            count = (before.withheld or 0) + message.withheld
            shown[-1] = before = min(before, message, key=lambda one: (one.timestamp, one.ref))
            before.withheld = count
            continue
        before = message if message.withheld else None
        shown.append(message)
    return tuple(shown)


def _is_of_same_author(message: Message, other: Message) -> bool:
    return (message.chat, message.sender, message.from_me) == (other.chat, other.sender, other.from_me)


def _says_something(message: Message) -> bool:
    """Return whether a message has any content that its author made up."""
    if message.revoked_at is not None or message.kind in _SILENT:
        return False
    return bool(message.text or message.media or message.poll or message.details or message.quote)


def _strip(message: Message) -> None:
    """Leave out everything that the author made up; how big a file is, stays."""
    media = message.media
    message.message_id = _id(message.message_id)
    message.text, message.snippet, message.poll, message.earlier = "", None, (), ()
    message.reading = message.problem = message.snippet_passage = None
    message.details = message.mentions = None
    if message.quote is not None:
        quote = message.quote
        message.quote = replace(quote, message_id=_id(quote.message_id), text=None, withheld=True)
    if media is not None:
        message.media = Media(size=media.size, duration=media.duration, view_once=media.view_once)


def _id(message_id: str) -> str:
    """The id of a message, which its sender chose, if it says nothing: as WhatsApp's apps make them."""
    return message_id if _HEX.fullmatch(message_id) else ""


def _notice(kind: MessageKind, text: str) -> str:
    """A notice of ours, without the words that somebody put into it."""
    if kind is MessageKind.CALL:
        return text.partition(": ")[0]
    naming = _NAMING.fullmatch(text)
    return text if naming is None else f"{naming[1]}{cut_name(naming[2])}"


def _keep_file_words(message: Message) -> None:
    """Leave out the words that were read in a file, unless its sender said them; where they are stays."""
    if message.reading is None or file_words_are_senders(message):
        return
    message.reading = replace(message.reading, text="")
    if message.snippet_of == "reading":
        message.snippet = ""
