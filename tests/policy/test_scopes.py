"""Scopes narrow the tools by their effect."""

from __future__ import annotations

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import Denied, InvalidArgument
from whatsapp_mcp.policy import Effect, check_scope, is_in_scope, parse_scopes, scope_of
from whatsapp_mcp.text.choices import SCOPES

EVERY = frozenset(SCOPES)
NEEDED = {
    "read": "read",
    "link": "admin",
    "act": "send",
    "name": "send",
    "destroy": "send",
    "fetch": "send",
    "export": "send",
    "import": "admin",
    "person": None,
}


@for_each("effect", list(Effect))
def test_every_effect_needs_one_scope_and_no_other_is_enough(effect: Effect) -> None:
    needed = NEEDED[effect.value]
    for scope in SCOPES:
        assert is_in_scope(frozenset({scope}), "any_tool", effect) is (scope == needed)
    assert is_in_scope(EVERY, "any_tool", effect) is (needed is not None)
    assert not is_in_scope(frozenset(), "any_tool", effect)
    assert is_in_scope(None, "any_tool", effect)


def test_unlinking_needs_admin() -> None:
    assert scope_of("unlink_device", Effect.ACT) == "admin"


def test_a_refusal_names_the_scope() -> None:
    with pytest.raises(Denied, match="send_message needs the scope send"):
        check_scope(frozenset({"read"}), "send_message", Effect.ACT)


@pytest.mark.parametrize(("text", "scopes"), [("read", {"read"}), (" send , read,", {"read", "send"})])
def test_scopes_are_listed_with_commas(text: str, scopes: set[str]) -> None:
    assert parse_scopes(text) == scopes


@for_each("text", ["", ",", "write", "read,write", "READ", "read send"])
def test_a_scope_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="read, send, admin"):
        parse_scopes(text)
