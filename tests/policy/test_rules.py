"""Which rule is about a chat, and what the settings of rules refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.tables import for_each
from whatsapp_mcp.models import ChatKind
from whatsapp_mcp.policy import ChatFacts, Policy
from whatsapp_mcp.settings import ChatRule, PolicySettings

ANN = ChatFacts("15550001111@s.whatsapp.net", number="+15550001111", lid="7@lid", name="Ann", is_known=True)
EVE = ChatFacts("15550009999@s.whatsapp.net", number="+15550009999")
CLUB = ChatFacts("1@g.us", ChatKind.GROUP, name="Boat club")
OPEN_CLUB = ChatFacts("2@g.us", ChatKind.GROUP, name="Town", has_strangers=True)
OWN = ChatFacts("15550000000@s.whatsapp.net", number="+15550000000", is_own=True)


def ruling(chat: ChatFacts, *rules: ChatRule) -> str | None:
    found = Policy(PolicySettings(chats=rules)).ruling(chat, "send")
    return found.verdict if found else None


@for_each(
    ("rule", "about"),
    [
        (ChatRule(jid="7@lid", send="deny"), [ANN]),
        (ChatRule(jid="15550001111@s.whatsapp.net", send="deny"), [ANN]),
        (ChatRule(number="0015550001111", send="deny"), [ANN]),
        (ChatRule(name="Ann", send="deny"), [ANN]),
        (ChatRule(name="ann", send="deny"), []),
        (ChatRule(name="An", send="deny"), []),
        (ChatRule(name="Boat club", send="deny"), []),
        (ChatRule(group="Boat club", send="deny"), [CLUB]),
        (ChatRule(kind="group", send="deny"), [CLUB, OPEN_CLUB]),
        (ChatRule(people="contacts", send="deny"), [ANN]),
        (ChatRule(people="strangers", send="deny"), [EVE, OPEN_CLUB]),
        (ChatRule(people="strangers", read="deny"), []),
    ],
)
def test_a_rule_is_about_exactly_the_chats_that_it_names(rule: ChatRule, about: list[ChatFacts]) -> None:
    everybody = [ANN, EVE, CLUB, OPEN_CLUB, OWN]
    assert [chat for chat in everybody if ruling(chat, rule)] == about


def test_a_name_that_a_stranger_chose_is_nobodys_name() -> None:
    posing = ChatFacts(EVE.jid, number=EVE.number, name="Ann")
    assert ruling(posing, ChatRule(name="Ann", send="allow")) is None


def test_of_several_rules_the_most_specific_decides_whatever_their_order() -> None:
    rules = [
        ChatRule(jid=ANN.jid, send="deny"),
        ChatRule(number="+15550001111", send="ask"),
        ChatRule(name="Ann", send="allow"),
        ChatRule(kind="direct", send="deny"),
        ChatRule(people="contacts", send="ask"),
    ]
    for first in range(len(rules)):
        rest = rules[first:]
        assert ruling(ANN, *rest) == rules[first].send
        assert ruling(ANN, *reversed(rest)) == rules[first].send


@for_each(
    "given",
    [
        {"send": "allow"},
        {"name": "Ann"},
        {"name": "Ann", "number": "+15550001111", "send": "ask"},
        {"name": "Ann", "send": "perhaps"},
        {"nmae": "Ann", "send": "ask"},
        {"number": "Ann", "send": "ask"},
        {"jid": "Ann", "send": "ask"},
        {"kind": "person", "send": "ask"},
    ],
)
def test_a_rule_that_is_not_about_one_thing_prevents_startup(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ChatRule.model_validate(given)
