"""A caller that is bound to one chat is refused what reaches beyond it, in every mode."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.models import PERSON, SYSTEM, Caller, ChatFacts, ChatKind
from whatsapp_mcp.policy import Act, Audience, CallerState, Effect, Policy, decide
from whatsapp_mcp.settings import ChatRule, PolicySettings

HERE = "15550002222@s.whatsapp.net"
LID = "83746@lid"
BOUND = Caller(f"chat:{HERE}", chat=HERE)
ANN = ChatFacts(HERE, ChatKind.DIRECT, lid=LID, is_known=True)

chats = st.builds(
    ChatFacts,
    st.sampled_from([HERE, "15550004444@s.whatsapp.net", "120363000000000001@g.us", "status@broadcast"]),
    st.sampled_from(ChatKind),
    is_own=st.booleans(),
    is_known=st.booleans(),
    owner_wrote=st.booleans(),
)
acts = st.builds(
    Act,
    st.sampled_from(["send", "react", "list_chats"]),
    st.sampled_from(Effect),
    st.sampled_from(Audience),
    st.lists(chats, max_size=3).map(tuple),
    in_chat=st.booleans(),
)
rules = st.builds(
    ChatRule,
    kind=st.sampled_from(["direct", "group"]),
    read=st.sampled_from(["allow", "ask"]),
    send=st.sampled_from(["allow", "ask"]),
)
policies = st.builds(
    PolicySettings,
    mode=st.sampled_from(["read_only", "standard", "lockdown", "open"]),
    chats=st.lists(rules, max_size=2).map(tuple),
).map(Policy)
callers = st.sampled_from([BOUND, replace(PERSON, chat=HERE), replace(SYSTEM, chat=HERE)])


@given(policies, acts, callers, st.booleans())
def test_what_reaches_beyond_the_chat_is_always_refused(
    policy: Policy, act: Act, caller: Caller, tainted: bool
) -> None:
    inside = act.in_chat and all(chat.jid == HERE for chat in act.chats)
    verdict = decide(policy, act, CallerState(caller, tainted)).verdict
    assert inside or verdict == "deny"


@given(policies, acts)
def test_being_bound_never_allows_more(policy: Policy, act: Act) -> None:
    order = ("allow", "ask", "deny")
    free = decide(policy, act, CallerState(Caller("stdio:agent"))).verdict
    assert order.index(decide(policy, act, CallerState(BOUND)).verdict) >= order.index(free)


def test_either_address_of_a_person_names_the_chat() -> None:
    act = Act("send", Effect.ACT, Audience.CHAT, (ANN,), in_chat=True)
    policy = Policy.in_mode("standard")
    assert decide(policy, act, CallerState(replace(BOUND, chat=LID))).verdict == "allow"
    assert decide(policy, act, CallerState(BOUND)).verdict == "allow"


def test_nobody_who_is_bound_counts_as_a_person() -> None:
    bound = replace(PERSON, chat=HERE)
    assert not bound.is_person
    assert not bound.is_trusted
