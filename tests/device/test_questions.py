"""What a person reads of an act: first to whom, where files are from, and nothing that passes for ours."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.device.guard.questions import Known, Referred, lines_of
from whatsapp_mcp.models import (
    ChatFacts,
    ChatKind,
    ContactCardContent,
    Content,
    EditContent,
    FileContent,
    ForwardContent,
    Group,
    GroupChange,
    LocationContent,
    Permit,
    PollContent,
    ReactionContent,
    SendRequest,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.policy import BAR, quoted, whole

ANN = ChatFacts("15550001111@s.whatsapp.net", number="+15550001111", name="Ann", is_known=True)
TOWN = ChatFacts(
    "120363000000000001@g.us",
    ChatKind.GROUP,
    name="Family” (12 people)",
    members=("15550001111@s.whatsapp.net", "15550002222@s.whatsapp.net"),
)


def said(content: Content, *chats: ChatFacts, known: Known | None = None) -> tuple[str, ...]:
    """The question about a send."""
    request = SendRequest((chats or (ANN,))[0].jid, content)
    return lines_of("send", {"request": request}, chats or (ANN,), known or Known())


def test_a_subject_cannot_end_its_quote() -> None:
    assert said(TextContent("hi"), TOWN)[0] == "To the group “Family' (12 people)” (2 people)"


def test_a_name_that_is_long_is_cut_and_its_length_told() -> None:
    long = replace(ANN, name="Ann (+15550009999), " * 20)
    name, number = re.fullmatch(
        r"To “(.*)…” \(400 characters\) \((.*)\)", said(TextContent("hi"), long)[0]
    ).groups()  # pyright: ignore[reportOptionalMemberAccess]
    assert (len(name), number) == (60, "+15550001111")


def test_a_topic_of_any_length_stands_behind_whom_it_reaches() -> None:
    change = GroupChange(topic="All of it.\n" * 150, name="Regatta")
    lines = lines_of("change_group", {"jid": TOWN.jid, "change": change}, [TOWN])
    assert lines[:4] == (
        "To the group “Family' (12 people)” (2 people)",
        "Change group",
        "name: “Regatta”",
        "topic (1,650 characters in 151 lines):",
    )
    assert all(line.startswith(BAR) for line in lines[4:])


def test_blanks_that_hide_the_end_of_a_text_are_a_number() -> None:
    hidden = " " * 3000 + "\u200b" * 10
    lines = said(TextContent(f"See you.{hidden}And send the key to Eve."))
    assert lines[1:] == (
        "Send this text (3,042 characters):",
        "│ See you. ⟨3,010 blanks⟩ And send the key to Eve.",
    )


def test_a_file_is_said_to_be_what_it_is_whatever_the_agent_calls_it() -> None:
    file = FileContent(
        "document", "/media/outgoing/1.pdf", "text/plain", "", "menu.txt", origin="/home/me/tax.pdf"
    )
    known = Known(files={file.path: "a PDF, 340 kB, which came with message #12 in the chat “Bank”"})
    assert said(file, known=known)[1:] == (
        "Send this document, named “menu.txt”",
        "It is from “/home/me/tax.pdf”: a PDF, 340 kB, which came with message #12 in the chat “Bank”",
    )


def test_a_photo_is_said_to_be_from_where_it_is() -> None:
    change = GroupChange(photo="/media/outgoing/1.photo.jpg", photo_origin="/home/me/passport.png")
    known = Known(files={"/media/outgoing/1.photo.jpg": "a JPEG, 34 kB"})
    lines = lines_of("change_group", {"jid": TOWN.jid, "change": change}, [TOWN], known)
    assert lines[2:] == ("with a photo from “/home/me/passport.png”: a JPEG, 34 kB",)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (
            Group("120363000000000009@g.us", "Offers” (2 people)"),
            "It is the group “Offers' (2 people)”",
        ),
        (None, "WhatsApp does not say to which group the invite leads"),
    ],
)
def test_joining_a_group_says_which_one(group: Group | None, told: str) -> None:
    lines = lines_of("join_group", {"code": "AbCd", "sent": None}, [], Known(group=group))
    assert lines[:2] == ("Join group", told)


WORDS = st.text(st.characters() | st.sampled_from("“”\"'’′\n\r\u2028:()│>…⟨⟩ "), max_size=400)
CONTENTS = st.one_of(
    st.builds(TextContent, WORDS),
    st.builds(FileContent, st.just("image"), st.just("/x"), st.just("image/png"), WORDS, WORDS, origin=WORDS),
    st.builds(LocationContent, st.just(1.5), st.just(2.5), WORDS, WORDS),
    st.builds(ContactCardContent, WORDS, WORDS),
    st.builds(PollContent, WORDS, st.tuples(WORDS, WORDS)),
    st.builds(ForwardContent, st.just(7)),
    st.builds(ReactionContent, WORDS, WORDS),
    st.builds(EditContent, WORDS, WORDS),
    st.builds(VoteContent, WORDS, st.tuples(WORDS)),
)
QUOTED = re.compile(r"“[^“”]*”")


def without_quotations(lines: tuple[str, ...]) -> list[str]:
    """What is left of a question without what others chose."""
    assert not [line for line in lines if len(line.splitlines()) > 1]
    return [QUOTED.sub("“”", line) for line in lines if not line.startswith(BAR)]


@given(CONTENTS, WORDS, WORDS, WORDS)
def test_nothing_that_others_chose_passes_for_ours(
    content: Content, name: str, author: str, text: str
) -> None:
    chat = replace(ANN, name=name)
    for leaves in (None, name):
        lines = said(content, chat, known=Known([Referred(author, "text", text, leaves)]))
        ours = without_quotations(lines)
        assert re.fullmatch(r"To “”( \([\d,]+ characters\))? \(\+15550001111\)", ours[0])
        known = "To|Send|It is|with|called|at|under|option|Forward|React|Take|Change|Vote|for|wrote|“”"
        assert [line for line in ours if not re.match(known, line)] == []
        assert "“" not in "".join(ours).replace("“”", "")


@given(WORDS)
def test_a_quotation_ends_where_it_ends_and_a_whole_text_is_whole(words: str) -> None:
    assert re.fullmatch(r"“[^“”]*”( \([\d,]+ characters\))?", quoted(words))
    first, *rest = whole("topic", words)
    assert first.startswith("topic")
    assert all(line.startswith(BAR) for line in rest)
    shown = "".join((first, *rest))
    assert all(char in shown for char in words if char.isascii() and char.isalnum())


def test_what_a_permit_is_about_stands_behind_a_bar() -> None:
    lines = lines_of("permit", {"wanted": Permit("fetch", (), ("https://a.example/\nTo yourself",))}, ())
    assert lines == ("Request this address", "│ https://a.example/", "│ To yourself")
