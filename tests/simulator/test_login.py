"""The servers answer or log whatever a client sends after its login, and continue."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.simulator.bare_companion import Link, bare_companion, logged_in
from tests.tables import for_each
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import Wa6
from whatsapp_simulator import WhatsApp, login
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.companion import IN_FLIGHT
from whatsapp_simulator.connection import Connection

_people = [
    Jid("15550001111", "s.whatsapp.net"),
    Jid("23155198206466", "lid"),
    Jid("23155198206466", "lid", 1),
]
_others = [SERVER, Jid("status", "broadcast"), Jid("1", "g.us"), Jid("1", "newsletter"), Jid("99", "lid", 7)]
_keys = list(login.HANDLERS)
_tags = sorted(
    {tag for _, _, tag in _keys if tag} | {"to", "enc", "list", "item", "user", "key", "participants"}
)
_names = [
    "id",
    "to",
    "jid",
    "type",
    "count",
    "code",
    "participant",
    "name",
    "expiration",
    "stage",
    "class",
    "t",
]
_values = st.one_of(
    st.sampled_from([*_people, *_others]),
    st.sampled_from(
        ["", "1", "-1", "x", "get", "set", "result", "error", "retry", "read", "subscribe", "pkmsg"]
    ),
)
_attrs = st.dictionaries(st.sampled_from(_names), _values, max_size=5)
_inner = st.recursive(
    st.builds(Node, st.sampled_from(_tags), _attrs, st.one_of(st.none(), st.binary(max_size=40))),
    lambda inner: st.builds(Node, st.sampled_from(_tags), _attrs, st.lists(inner, min_size=1, max_size=3)),
    max_leaves=6,
)
_stanzas = st.builds(
    Node,
    st.sampled_from(["message", "receipt", "ack", "presence", "chatstate", "call", "ib", "iq", "odd"]),
    _attrs,
    st.lists(_inner, max_size=3),
)


def _query(key: tuple[str, str, str], attrs: dict[str, Any], first: Node, rest: list[Node]) -> Node:
    xmlns, kind, tag = key
    children = [Node(tag, first.attrs, first.content), *rest] if tag else []
    return Node("iq", {"id": "1", **attrs, "xmlns": xmlns, "type": kind}, children)


_queries = st.builds(_query, st.sampled_from(_keys), _attrs, _inner, st.lists(_inner, max_size=2))


@pytest.fixture
def linked() -> tuple[Client, Link]:
    wa = WhatsApp(seed=1)
    wa.person("Ann", "+15550002222")
    return logged_in(wa)


@given(st.one_of(_stanzas, _queries))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=examples(150),
)
def test_no_stanza_of_a_client_breaks_the_servers(linked: tuple[Client, Link], node: Node) -> None:
    client, link = linked
    link.sent.clear()
    login.accept(client, node)
    if node.tag == "iq" and node.get("type") in ("get", "set"):
        assert [(each.tag, each.get("id")) for each in link.sent if each.tag == "iq"] == [
            ("iq", node.get("id"))
        ]
    client.companion.connection, client.companion.active = cast("Connection", link), True


class _LoggingIn(Link):
    """The connection of a client that logs in and sends nothing more."""

    client_static = bytes(32)

    def __init__(self, passive: bool) -> None:
        super().__init__()
        self.client_payload = Wa6.ClientPayload(username=15550001111, device=1, passive=passive)

    async def serve(self, handle: Any) -> None:
        """Do nothing."""

    async def close(self, delay: float) -> None:
        """Nothing is open."""


@pytest.mark.anyio
@pytest.mark.parametrize("passive", [True, False])
async def test_a_passive_login_gets_nothing_before_it_is_active(passive: bool) -> None:
    wa = WhatsApp(seed=1)
    bare_companion(wa)
    await wa.person("Ann").says("waiting")
    link = _LoggingIn(passive)
    await login.serve(wa.network, cast("Connection", link))
    tags = [each.tag for each in link.sent]
    assert tags == (["success"] if passive else ["success", "ib", "message", "ib"])


@pytest.mark.anyio
async def test_a_client_gets_no_more_than_it_acknowledges_what_waited_first() -> None:
    wa = WhatsApp(seed=1)
    client, link = logged_in(wa)
    ann = wa.person("Ann")
    client.companion.active = False
    waiting = [await ann.says("waiting") for _ in range(IN_FLIGHT + 50)]
    client.companion.activate()
    late = [await ann.says("new") for _ in range(50)]

    assert link.sent[0].child("offline_preview") is not None
    assert [each.get("id") for each in link.sent[1:]] == waiting[:IN_FLIGHT]
    for message_id in waiting[:100]:
        login.accept(client, Node("receipt", {"id": message_id, "to": ann.lid, "type": "inactive"}))
    delivered = [each.get("id") or "offline" for each in link.sent[1:] if each.tag in ("message", "ib")]
    assert delivered == [*waiting, "offline", *late]


def test_a_companion_that_goes_passive_gets_nothing_until_it_is_active_again(
    linked: tuple[Client, Link],
) -> None:
    client, link = linked
    for content in ("passive", "active", "active"):
        link.sent.clear()
        node = Node("iq", {"id": "1", "xmlns": "passive", "type": "set"}, [Node(content)])
        login.accept(client, node)
        assert client.companion.active == (content == "active")
    assert [each.tag for each in link.sent] == ["iq"], "what was delivered is not delivered again"


def test_a_companion_is_notified_when_few_prekeys_are_left(linked: tuple[Client, Link]) -> None:
    client, link = linked
    client.companion.prekeys = dict.fromkeys(range(6), bytes(32))
    for _ in range(3):
        client.companion.take_bundle()
    (told,) = link.sent
    assert (told.get("type"), told.jid("from")) == ("encrypt", SERVER)
    assert told.children[0].get("value") == "4"


def test_a_session_without_proof_of_the_account_is_logged(linked: tuple[Client, Link]) -> None:
    client, _ = linked
    ann = next(each for each in client.network.users.values() if each.name == "Ann")
    to = Node("to", {"jid": ann.lid}, [Node("enc", {"v": 2, "type": "pkmsg"}, b"x")])
    login.accept(client, Node("message", {"id": "1", "to": ann.lid}, [Node("participants", {}, [to])]))
    assert "no valid device-identity in 1" in [each.detail for each in client.network.log]


@pytest.mark.anyio
@for_each("reason, left", [(401, 0), (402, 1), (403, 0), (405, 1), (406, 0), (503, 1)])
async def test_a_permanently_refused_companion_is_removed(reason: int, left: int) -> None:
    async with WhatsApp(seed=1) as wa:
        bare_companion(wa)
        wa.failure(reason)
        link = _LoggingIn(passive=False)
        await login.serve(wa.network, cast("Connection", link))
        (told,) = link.sent
        assert (told.tag, told.get("reason")) == ("failure", str(reason))
        assert len(wa.me.companions) == left
