"""No field of a message or chat carries a stranger's words past the guard, nor does one that is added."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from tests.server.hostile import CHANNEL, GROUP, PERSON, Hostile
from tests.tables import for_each
from whatsapp_mcp.models import (
    NOTICES,
    Actor,
    Chat,
    Contact,
    GroupMember,
    LastMessage,
    Mention,
    Message,
    MessageKind,
    PollOption,
    Quote,
    Reaction,
)
from whatsapp_mcp.server.reading import cut_name
from whatsapp_mcp.server.reading.withholding import View

FAR = re.compile(r"zq[2-5]\d")
"""Words of a hostile text that stand further on than any name goes."""
VARIANTS = range(48)


def hostile(kind: Any, variant: int) -> Any:
    """A value whose every text is hostile, but for notices and emojis, which are told by what they are."""
    made = Hostile(variant, "/nowhere/file").of(kind)
    if isinstance(made, Message):
        made.reactions = tuple(replace(each, emoji="👍") for each in made.reactions)
    if isinstance(made, Message) and made.kind is MessageKind.SYSTEM:
        made.text = f"changed the group's name to {made.text}"
    return made


def far(value: Any) -> list[str]:
    return FAR.findall(json.dumps(TypeAdapter(Any).dump_python(value, mode="json"), ensure_ascii=False))


@for_each("variant", VARIANTS)
def test_a_withheld_message_holds_nothing_of_its_author(variant: int) -> None:
    message: Message = hostile(Message, variant)
    message.from_me, message.sender_stranger, message.withheld = False, True, None
    assert far(message)
    (shown,) = View(True).messages([message])
    assert far(shown) == []


@for_each("variant", VARIANTS)
def test_nor_does_what_somebody_passed_on(variant: int) -> None:
    message: Message = hostile(Message, variant)
    message.sender, message.chat = PERSON, GROUP
    message.sender_stranger, message.withheld = False, None
    message.forwarded = True
    message.sender_name = "Ann"
    (shown,) = View(True).messages([message])
    assert far(shown) == []


@for_each(
    "details",
    [
        {"what": "group invite", "title": "zq20 zq21 zq22", "invite": {"code": "a"}},
        {"what": "channel invite", "title": "zq20", "channel": "1@newsletter"},
        {"what": "sticker pack", "pack": "1"},
    ],
)
def test_what_a_known_person_passes_on_is_of_who_named_it(details: dict[str, Any]) -> None:
    message = known("zq20 zq21 zq22 do send it", details)
    (shown,) = View(True).messages([message])
    assert (far(shown), shown.withheld) == ([], 1)


def test_a_card_shows_a_short_name_and_numbers_alone() -> None:
    card = {"name": "Ben zq20 zq21 zq22 zq23", "numbers": ["+15550001111"], "vcard": "NOTE:zq24"}
    (shown,) = View(True).messages([known("Ben zq20 zq21 zq22 zq23 +15550001111", {"contacts": [card]})])
    assert shown.text == "Ben zq20 zq21… +15550001111"
    assert shown.details == {"contacts": [{"name": "Ben zq20 zq21…", "numbers": ["+15550001111"]}]}


def known(text: str, details: dict[str, Any]) -> Message:
    """A message of somebody whom the owner knows."""
    message: Message = hostile(Message, 0)
    message.sender, message.sender_name, message.sender_stranger = PERSON, "Ann", False
    message.chat, message.chat_name, message.chat_stranger = PERSON, "Ann", False
    message.kind, message.text, message.details = MessageKind.TEXT, text, details
    message.forwarded, message.from_me, message.withheld, message.message_id = False, False, None, "3EB0"
    message.quote = message.media = message.reading = message.problem = message.mentions = None
    message.snippet, message.earlier, message.poll, message.reactions, message.kept_by = (
        None,
        (),
        (),
        (),
        None,
    )
    message.revoked_at = None
    return message


def test_a_contacts_words_in_a_reply_of_the_owner_are_noted() -> None:
    for from_me in (False, True):
        message = known("yes", {})
        message.from_me = True
        message.quote = Quote("3EB1", 7, "Ann", "the order", from_me=from_me, author_known=True)
        view = View(True)
        view.messages([message])
        assert view.contacts is not from_me


@for_each("variant", VARIANTS)
def test_a_known_persons_message_shows_a_strangers_words_in_no_quotation(variant: int) -> None:
    message: Message = hostile(Message, variant)
    message.sender, message.sender_name, message.sender_stranger = PERSON, "Ann", False
    message.chat, message.chat_stranger = GROUP, False
    message.forwarded = message.from_me = False
    message.text, message.message_id, message.snippet, message.earlier = "yes", "3EB0", None, ()
    message.details = message.media = message.withheld = message.mentions = None
    message.poll, message.problem = (), None
    if message.kind is MessageKind.VOICE:  # What was said in it are words of the known person.
        message.reading = None
    elif message.reading is not None:
        message.reading = replace(message.reading, language="en")
    message.quote = Quote("Q1", *hostile(tuple[int, str, str], variant), stranger=True)
    (shown,) = View(True).messages([message])
    assert (shown.text, far(shown)) == ("yes", [])


@for_each("jid", [PERSON, GROUP, CHANNEL])
@for_each("variant", VARIANTS)
def test_a_chat_of_a_list_holds_nothing_of_who_wrote_last(variant: int, jid: str) -> None:
    chat: Chat = hostile(Chat, variant)
    last: LastMessage = hostile(LastMessage, variant)
    chat.jid, chat.stranger, chat.last_message = jid, jid == PERSON, last
    for each in filter(None, (last, last.before)):
        if each.kind is MessageKind.SYSTEM:
            each.text = f"changed the group's name to {each.text}"
        each.from_me, each.stranger, each.withheld = False, True, None
    (shown,) = View(True).chats([chat])
    assert far(shown) == []
    assert last.withheld or last.revoked or last.kind in NOTICES or not last.text


@for_each("variant", VARIANTS)
def test_no_name_of_a_person_goes_on_for_long(variant: int) -> None:
    person: Contact = hostile(Contact, variant)
    member: GroupMember = hostile(GroupMember, variant)
    view = View(True)
    assert far([view.contact(person), view.contact(member.contact)]) == []


@for_each(
    "name, cut",
    [
        ("Ann Lee", "Ann Lee"),
        ("Zoë 🎉", "Zoë 🎉"),
        ("+15550001111", "+15550001111"),
        ("80001@lid", "80001@lid"),
        ("a" * 25, "a" * 25),
        ("a" * 26, "a" * 24 + "…"),
        ("see https://evil.example/a?b", "see …"),
        ("see evil.example", "see …"),
        ("see evil。example", "see …"),
        ("Dr. Who", "Dr. Who"),
        ("Maria da Silva", "Maria da Silva"),
        ("do send Parents it", "do send Parents…"),
        ("do_send-Parents-it", "do_send-Parents…"),
        ("A B C Dee", "A B C Dee"),
        ("No. 7", "No. 7"),
        ("mail @ann", "mail ann"),
        ("call 12345", "call …"),
        ("call 1234", "call 1234"),
        ("call ١٢٣٤٥", "call …"),
        ("line\nbreak", "line ⏎ break"),
        ("\u202ereversed", "reversed"),
    ],
)
def test_a_chosen_name_keeps_what_tells_people_apart(name: str, cut: str) -> None:
    assert cut_name(name) == cut


def test_in_a_chat_that_a_person_is_asked_about_nothing_is_told_not_even_by_what_a_notice_is_about() -> None:
    told: dict[MessageKind, list[str]] = {}
    for variant in VARIANTS:
        message: Message = hostile(Message, variant)
        message.chat, message.chat_name, message.chat_stranger = PERSON, "Ann", False
        message.sender, message.sender_name, message.sender_stranger = PERSON, "Ann", False
        message.forwarded, message.withheld = False, None
        message.quote = Quote("Q1", 7, "Ann", "zq20", author_known=True)
        (shown,) = View(True, verdicts={PERSON: "ask"}).messages([message])
        if found := far(shown):
            told[message.kind] = found
    assert told == {}


def test_the_owners_name_is_cut_wherever_they_did_something_since_an_agent_may_have_chosen_it() -> None:
    name = "one two three zq20 zq21"
    message: Message = hostile(Message, 0)
    message.chat = message.sender = PERSON
    message.chat_name = message.sender_name = "Ann"
    message.chat_stranger = message.sender_stranger = message.forwarded = message.from_me = False
    message.kind, message.text, message.message_id, message.snippet, message.earlier = (
        MessageKind.POLL, "yes", "3EB0", None, ()
    )  # fmt: skip
    message.details = message.media = message.withheld = message.problem = message.reading = None
    message.quote = Quote("3EB1", 7, name, "hi", from_me=True, author_known=True)
    message.reactions = (Reaction("👍", name, from_me=True),)
    message.poll = (PollOption("Yes", (Actor(name, from_me=True),)),)
    message.mentions, message.kept_by = {"1": Mention(name, from_me=True)}, Actor(name, from_me=True)
    (shown,) = View(True).messages([message])
    assert far(shown) == []
    assert shown.reactions[0].sender_name == cut_name(name)
