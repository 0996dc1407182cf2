"""WhatsApp addresses and phone numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import (
    STATUS_JID,
    Jid,
    looks_like_jid,
    looks_like_number,
    other_spellings,
    parse_number,
)

users = st.text("0123456789abcXYZ_.-", min_size=1, max_size=20)
servers = st.sampled_from(
    ["s.whatsapp.net", "lid", "g.us", "newsletter", "broadcast", "hosted", "hosted.lid", "bot"]
)
jids = st.builds(Jid, users, servers, st.integers(0, 999))


@given(jids)
def test_a_jid_is_read_as_it_is_written(jid: Jid) -> None:
    assert Jid.parse(str(jid)) == jid
    assert Jid.parse(f" {jid}\n") == jid
    assert looks_like_jid(str(jid))


@given(jids)
def test_the_bare_jid_is_the_one_without_a_device(jid: Jid) -> None:
    assert jid.bare == Jid.parse(f"{jid.user}@{jid.server}")
    assert jid.bare.bare == jid.bare


@given(st.text())
def test_any_other_text_is_an_argument_error(text: str) -> None:
    try:
        jid = Jid.parse(text)
    except InvalidArgument:
        return
    assert Jid.parse(str(jid)) == jid


@for_each(
    "text",
    [
        "",
        "@",
        "15550001111",
        "a@b",
        "@s.whatsapp.net",
        "1:@lid",
        "1:1000@lid",
        "1@s.whatsapp.net@lid",
        "a b@lid",
    ],
)
def test_what_is_no_jid_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Jid.parse(text)


def test_the_old_name_of_the_server_is_understood() -> None:
    assert str(Jid.parse("15550001111@c.us")) == "15550001111@s.whatsapp.net"


def test_what_a_jid_is_follows_from_its_server() -> None:
    person, hidden = Jid.parse("1555@s.whatsapp.net"), Jid.parse("777@lid")
    group, channel = Jid.parse("120363@g.us"), Jid.parse("120363@newsletter")
    assert (person.is_person, person.is_lid, person.number) == (True, False, "+1555")
    assert (hidden.is_person, hidden.is_lid, hidden.number) == (True, True, None)
    assert (group.is_group, group.is_person, group.number) == (True, False, None)
    assert (channel.is_channel, channel.is_group) == (True, False)
    assert not Jid.parse(STATUS_JID).is_person


@for_each(
    ("text", "region", "user"),
    [
        ("+1 (555) 000-1111", None, "15550001111"),
        ("15550001111", None, "15550001111"),
        ("0049 151 23456789", None, "4915123456789"),
        ("+49 151 23456789", None, "4915123456789"),
        ("0151 23456789", "DE", "4915123456789"),
        ("+44 20 7946 0958", "DE", "442079460958"),
        (" +55 11 98765-4321 ", None, "5511987654321"),
        ("+٤٩ ١٥١ ٢٣٤٥٦٧٨٩", None, "4915123456789"),
        ("\u202a+49 151 23456789\u202c", None, "4915123456789"),
        ("+49\u2011151\u201123456789", None, "4915123456789"),
    ],
)
def test_a_number_is_understood_in_its_usual_forms(text: str, region: str | None, user: str) -> None:
    assert parse_number(text, region) == Jid(user, "s.whatsapp.net")


@for_each("text", ["", "+", "12", "Anna", "+999999999999999999", "+1 555", "1-800-FLOWERS-NOW"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a phone number"):
        parse_number(text)


@given(st.text())
def test_any_text_is_a_number_or_an_argument_error(text: str) -> None:
    try:
        jid = parse_number(text)
    except InvalidArgument:
        return
    assert jid.number == f"+{jid.user}"
    assert jid.user.isascii()
    assert jid.user.isdigit()
    assert parse_number(jid.number or "") == jid


@for_each(
    "text",
    [
        "+1 555 000 1111",
        "0049(151)234",
        "15550001111",
        "\u202a+49\u00a0151\u202f2345\u202c",
        "+49\u2011151\u20112345",
    ],
)
def test_a_number_looks_like_one(text: str) -> None:
    assert looks_like_number(text)


@for_each("text", ["Anna", "Anna 2", "+1 555 CALL", "", "1", "15550001111@s.whatsapp.net"])
def test_a_name_does_not_look_like_a_number(text: str) -> None:
    assert not looks_like_number(text)


@for_each(
    ("number", "others"),
    [
        ("5511987654321", ["551187654321"]),
        ("551187654321", ["5511987654321"]),
        ("5215512345678", ["525512345678"]),
        ("525512345678", ["5215512345678"]),
        ("5491123456789", ["541123456789"]),
        ("15550000001", []),
        ("55119", []),
    ],
)
def test_a_number_may_be_another_on_whatsapp(number: str, others: list[str]) -> None:
    assert other_spellings(f"{number}@s.whatsapp.net") == tuple(f"{each}@s.whatsapp.net" for each in others)
    assert other_spellings(f"{number}@lid") == ()
