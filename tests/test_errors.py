"""The error tree: one class a code, and a form that travels."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp import errors
from whatsapp_mcp.errors import (
    AmbiguousChat,
    ApprovalRequired,
    Busy,
    Candidate,
    RateLimited,
    WhatsAppError,
    from_payload,
)

CODES = {
    "INVALID_ARGUMENT",
    "NOT_LINKED",
    "NOT_CONNECTED",
    "CHAT_NOT_FOUND",
    "AMBIGUOUS_CHAT",
    "CONTACT_NOT_FOUND",
    "NOT_ON_WHATSAPP",
    "MESSAGE_NOT_FOUND",
    "TOO_LONG",
    "TOO_LATE",
    "FILE_NOT_ALLOWED",
    "MEDIA_UNAVAILABLE",
    "REJECTED",
    "RATE_LIMITED",
    "DENIED",
    "APPROVAL_REQUIRED",
    "SEND_UNKNOWN",
    "KEY_REUSED",
    "UNSUPPORTED",
    "TIMEOUT",
    "BUSY",
}


def classes(base: type[WhatsAppError] = WhatsAppError) -> Iterator[type[WhatsAppError]]:
    for sub in base.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield sub
            yield from classes(sub)


def test_there_is_one_class_for_each_code_that_a_model_may_see() -> None:
    codes = [kind.code for kind in classes()]
    assert sorted(codes) == sorted(CODES)


@for_each("kind", list(classes()))
def test_every_class_says_what_to_do_next(kind: type[WhatsAppError]) -> None:
    error = kind("It happened.")
    assert re.fullmatch(r"[A-Z].*\.", error.action)
    assert str(error) == f"{kind.code}: It happened. {error.action}"


def test_the_tree_drawn_at_the_top_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+) +([A-Z_]+)", errors.__doc__ or "")
    assert drawn == [(kind.__name__, kind.code) for kind in classes()]


def make(
    kind: type[WhatsAppError],
    message: str,
    action: str | None,
    candidates: list[Candidate],
    retry_after: float | None,
) -> WhatsAppError:
    return kind(message, action, candidates=candidates, retry_after=retry_after)


payloads = st.builds(
    make,
    st.sampled_from(list(classes())),
    st.text(),
    st.none() | st.text(min_size=1),
    st.lists(st.builds(Candidate, *[st.none() | st.text()] * 3, st.booleans())),
    st.none() | st.floats(0, 1e6),
)


@given(payloads)
def test_an_error_travels_as_json_and_arrives_as_the_same(error: WhatsAppError) -> None:
    arrived = from_payload(json.loads(json.dumps(error.to_payload())))
    assert type(arrived) is type(error)
    assert arrived.to_payload() == error.to_payload()
    assert str(arrived) == str(error)


def test_the_id_of_what_waits_for_a_person_travels_along() -> None:
    error = ApprovalRequired("Asked.", approval="k7mq2x")
    arrived = from_payload(json.loads(json.dumps(error.to_payload())))
    assert isinstance(arrived, ApprovalRequired)
    assert (arrived.approval, arrived.message) == ("k7mq2x", "Asked.")
    assert "approval" not in ApprovalRequired("Asked.").to_payload()


def test_what_is_not_known_is_left_out_of_the_payload() -> None:
    assert set(Busy("Wait.").to_payload()) == {"code", "message", "action"}
    assert set(RateLimited("Wait.", retry_after=0).to_payload()) == {
        "code",
        "message",
        "action",
        "retry_after",
    }
    told = AmbiguousChat("Two.", candidates=[Candidate("A", "+15550001111")]).to_payload()["candidates"]
    assert told == [
        {"name": "A", "address": "+15550001111", "note": None, "stranger": False, "argument": None}
    ]


@for_each(
    "payload",
    [
        {},
        {"code": "FROM_THE_FUTURE", "message": "New."},
        {"code": None, "message": None, "candidates": None, "retry_after": None},
        {"code": "X", "candidates": ["A", 1, {"name": 1, "stranger": "yes"}]},
    ],
)
def test_an_error_of_another_version_still_arrives(payload: dict[str, object]) -> None:
    error = from_payload(payload)
    assert isinstance(error, Busy)
    assert error.action


def test_no_other_module_adds_a_code() -> None:
    package = Path(errors.__file__).parent
    added = [
        path.name
        for path in package.rglob("*.py")
        if path != Path(errors.__file__) and re.search(r"class \w+\(WhatsAppError\)", path.read_text("utf-8"))
    ]
    assert added == []
