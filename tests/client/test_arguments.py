"""From JSON to what the library takes, and back."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.client.arguments import Arguments, jid_from_proto, jid_to_proto, to_json
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.protobufs import E2E, Neonize

users = st.text("0123456789", min_size=1, max_size=15)
servers = st.sampled_from(["s.whatsapp.net", "lid", "g.us", "newsletter", "broadcast"])


@given(users, servers, st.integers(0, 99))
def test_a_jid_comes_back_as_it_was(user: str, server: str, device: int) -> None:
    text = f"{user}:{device}@{server}" if device else f"{user}@{server}"
    assert jid_from_proto(jid_to_proto(text)) == text


def test_a_protobuf_comes_back_as_it_was() -> None:
    message = E2E.Message(conversation="hello\x00")
    arguments = Arguments({"message": to_json(message)})
    assert arguments.proto("message", E2E.Message) == message


def test_results_become_json_by_one_rule() -> None:
    jid = jid_to_proto("1555:2@s.whatsapp.net")
    assert to_json(None) is None
    assert to_json([1, True, "a", b"\x00"]) == [1, True, "a", "AA=="]
    assert to_json({"jid": jid, "jids": (jid,)}) == {
        "jid": "1555:2@s.whatsapp.net",
        "jids": ["1555:2@s.whatsapp.net"],
    }
    info = Neonize.IsOnWhatsAppResponse(Query="+1555", JID=jid, IsIn=True)
    assert to_json([info]) == [b64encode(info.SerializeToString()).decode()]


def test_a_result_of_another_kind_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        to_json(object())


def test_defaults_stand_in_for_what_is_missing() -> None:
    arguments = Arguments({})
    assert arguments.text("a", "x") == "x"
    assert arguments.flag("a", False) is False
    assert arguments.integer("a", 7) == 7


@for_each(
    "kind, value",
    [
        ("text", 1),
        ("text", None),
        ("texts", "abc"),
        ("texts", [1]),
        ("flag", 1),
        ("number", "1"),
        ("number", True),
        ("jid", "Anna"),
        ("jids", ["1@s.whatsapp.net", "Anna"]),
        ("file", "../media/boat.jpg"),
        ("received", "/tmp/boat.jpg"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(InvalidArgument):
        getattr(Arguments({"a": value}), kind)("a")


@for_each("kind", ["text", "texts", "flag", "number", "integer", "jid", "jids", "file", "received"])
def test_a_missing_value_is_named(kind: str) -> None:
    with pytest.raises(InvalidArgument, match="'a' is missing"):
        getattr(Arguments({}), kind)("a")
