"""What is allowed, asked about and forbidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import Denied
from whatsapp_mcp.models import PERSON, SYSTEM, UNKNOWN, Caller, ChatKind
from whatsapp_mcp.policy import Act, Audience, CallerState, ChatFacts, Effect, Policy, decide, require
from whatsapp_mcp.settings import ChatRule, PolicySettings

AGENT = Caller("stdio:agent", "agent", "send_message")
ANN = ChatFacts("1@s.whatsapp.net", number="+15550001111", name="Ann", is_known=True)
EVE = ChatFacts("2@s.whatsapp.net", number="+15550009999")
OWN = ChatFacts("3@s.whatsapp.net", is_own=True)
FRIENDS = ChatFacts("1@g.us", ChatKind.GROUP, name="Friends")
TOWN = ChatFacts("2@g.us", ChatKind.GROUP, name="Town", has_strangers=True)
MY_TOWN = replace(TOWN, owner_wrote=True)
CHANNEL = ChatFacts("3@newsletter", ChatKind.CHANNEL)
STATUS = ChatFacts("status@broadcast", ChatKind.STATUS)


def send(*chats: ChatFacts, concerns: tuple[str, ...] = ()) -> Act:
    return Act("send", Effect.ACT, Audience.CHAT, chats, concerns)


def verdict(
    act: Act, mode: str = "standard", *, tainted: bool = False, caller: Caller = AGENT, rules: Any = None
) -> str:
    settings = PolicySettings.model_validate({"mode": mode, **(rules or {})})
    return decide(Policy(settings), act, CallerState(caller, tainted)).verdict


CALM = [send(ANN), send(OWN), send(FRIENDS), send(MY_TOWN)]
RISKY = [
    send(EVE),
    send(TOWN),
    send(CHANNEL),
    send(STATUS),
    send(FRIENDS, EVE),
    send(ANN, concerns=("a key",)),
]
PUBLIC = [
    Act("change_profile", Effect.ACT, Audience.EVERYONE),
    Act("join_group", Effect.ACT, Audience.EVERYONE),
]
UNSEEN = [
    Act("export_chat", Effect.EXPORT, Audience.NOBODY, [ANN]),
    Act("fetch", Effect.FETCH, Audience.NOBODY),
    Act("forget_chat", Effect.DESTROY, Audience.NOBODY, [ANN]),
    Act("save_contact", Effect.NAME, Audience.ONESELF, [EVE]),
]


@for_each("mode", ["standard", "lockdown"])
@for_each("tainted", [False, True])
@for_each("act", RISKY + PUBLIC)
def test_what_strangers_or_everyone_would_see_is_asked_about_tainted_or_not(
    act: Act, tainted: bool, mode: str
) -> None:
    assert verdict(act, mode, tainted=tainted) == "ask"


@for_each("mode", ["standard", "lockdown"])
@for_each("act", CALM + UNSEEN)
def test_everyday_acts_are_asked_about_only_after_words_that_taint(act: Act, mode: str) -> None:
    assert verdict(act, mode) == "allow"
    expected = "allow" if act.chats == (OWN,) and act.effect is Effect.ACT else "ask"
    assert verdict(act, mode, tainted=True) == expected


def test_reading_is_never_asked_about_by_the_mode_alone() -> None:
    for chat in (ANN, EVE, TOWN):
        assert verdict(Act("list_messages", Effect.READ, Audience.NOBODY, [chat]), tainted=True) == "allow"


@for_each("act", CALM + RISKY + PUBLIC + UNSEEN)
def test_open_asks_nothing_and_read_only_refuses_every_act(act: Act) -> None:
    assert verdict(act, "open", tainted=True) == "allow"
    expected = "allow" if act.effect is Effect.EXPORT else "deny"
    for caller in (AGENT, PERSON, SYSTEM):
        assert verdict(act, "read_only", caller=caller) == expected


def test_a_persons_allow_for_a_chat_lifts_the_question_but_not_that_about_its_content() -> None:
    rules = [{"number": EVE.number, "send": "allow"}]
    assert verdict(send(EVE), rules={"chats": rules}) == "allow"
    assert verdict(send(EVE), rules={"chats": rules}, tainted=True) == "allow"
    assert verdict(send(EVE, concerns=("it has a key in it",)), rules={"chats": rules}) == "ask"
    assert verdict(send(EVE, TOWN), rules={"chats": rules}) == "ask"


def test_a_deny_holds_in_every_mode_and_an_ask_even_in_open() -> None:
    for mode in ("standard", "lockdown", "open"):
        assert verdict(send(ANN), mode, rules={"chats": [{"name": "Ann", "send": "deny"}]}) == "deny"
        assert verdict(send(FRIENDS, ANN), mode, rules={"chats": [{"name": "Ann", "send": "deny"}]}) == "deny"
        assert verdict(send(ANN), mode, rules={"chats": [{"name": "Ann", "send": "ask"}]}) == "ask"


def test_reading_obeys_rules_for_reading_and_exports_do_too() -> None:
    for effect in (Effect.READ, Effect.EXPORT):
        act = Act("x", effect, Audience.NOBODY, [ANN])
        assert verdict(act, rules={"chats": [{"name": "Ann", "read": "deny"}]}) == "deny"
        assert verdict(act, rules={"chats": [{"name": "Ann", "read": "ask"}]}) == "ask"
        assert verdict(act, rules={"chats": [{"name": "Ann", "send": "deny"}]}) == "allow"


def test_what_a_person_alone_may_do_is_refused_to_every_agent_in_every_mode() -> None:
    act = Act("decide", Effect.PERSON, Audience.NOBODY)
    for mode in ("standard", "lockdown", "open"):
        assert verdict(act, mode) == verdict(act, mode, caller=UNKNOWN) == "deny"
        assert verdict(act, mode, caller=PERSON) == "allow"


def test_an_import_is_asked_about_in_every_mode_unless_a_person_does_it() -> None:
    act = Act("import_messages", Effect.IMPORT, Audience.NOBODY)
    for mode in ("standard", "lockdown", "open", "read_only"):
        rules = {"approval": "host"}
        for caller in (AGENT, UNKNOWN, replace(AGENT, hinted=True)):
            assert verdict(act, mode, caller=caller, rules=rules) == "ask"
        assert verdict(act, mode, caller=PERSON) == "allow"
    assert verdict(act, rules={"tools_off": ["import_messages"]}) == "deny"


def test_a_tool_that_is_switched_off_is_refused_to_agents() -> None:
    act = Act("delete_chat", Effect.DESTROY, Audience.NOBODY)
    for switched in ({"tools_off": ["delete_chat"]}, {"tools_on": ["list_chats"]}):
        assert verdict(act, "open", rules=switched) == "deny"
        assert verdict(act, "open", caller=PERSON, rules=switched) == "allow"


def test_a_refusal_names_the_rule_and_who_can_change_it() -> None:
    with pytest.raises(Denied, match=r"read-only.*send.*config\.toml"):
        require(Policy.in_mode("read_only"), send(ANN), CallerState(AGENT))


chats = st.builds(
    ChatFacts,
    st.sampled_from(["1@s.whatsapp.net", "9@g.us", "5@newsletter"]),
    st.sampled_from(ChatKind),
    is_own=st.booleans(),
    is_known=st.booleans(),
    has_strangers=st.booleans(),
    owner_wrote=st.booleans(),
)
acts = st.builds(
    Act, st.just("x"), st.sampled_from(Effect), st.sampled_from(Audience), st.lists(chats, max_size=3)
)
rules = st.lists(
    st.builds(
        ChatRule,
        kind=st.sampled_from(["direct", "group", "channel"]),
        read=st.sampled_from([None, "allow", "ask", "deny"]),
        send=st.sampled_from(["allow", "ask", "deny"]),
    ),
    max_size=3,
)
STRICTNESS = {"allow": 0, "ask": 1, "deny": 2}


@given(acts, rules, st.sampled_from(["standard", "lockdown", "open", "read_only"]))
def test_taint_and_a_less_known_chat_never_make_a_decision_laxer(
    act: Act, given: list[ChatRule], mode: str
) -> None:
    policy = Policy(PolicySettings(mode=mode, chats=tuple(given)))  # pyright: ignore[reportArgumentType]
    before = decide(policy, act, CallerState(AGENT, tainted=False))
    tainted = decide(policy, act, CallerState(AGENT, tainted=True))
    assert STRICTNESS[before.verdict] <= STRICTNESS[tainted.verdict]
    worse = [
        replace(chat, is_known=False, is_own=False, has_strangers=True, owner_wrote=False)
        for chat in act.chats
    ]
    unknown = decide(policy, replace(act, chats=worse), CallerState(AGENT, tainted=False))
    assert STRICTNESS[before.verdict] <= STRICTNESS[unknown.verdict]
