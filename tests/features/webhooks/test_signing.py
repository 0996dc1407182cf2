"""Signatures, ids and secrets of webhooks."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.webhooks.receiver import KEY, SECRET
from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.webhooks.signing import event_id, find_secret, new_secret, signed
from whatsapp_mcp.models import Change

CHANGE = Change(7, datetime(2026, 11, 24, 12, tzinfo=UTC), "message", "a@s.whatsapp.net", 3, "M7", "b@lid")


def test_the_signature_is_that_of_the_vector_of_standard_webhooks() -> None:
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [KEY])
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_so_that_one_can_be_changed_after_the_other() -> None:
    both = signed("msg_1", 1, b"{}", [b"old" * 8, b"new" * 8])["webhook-signature"].split(" ")
    assert both == [signed("msg_1", 1, b"{}", [key])["webhook-signature"] for key in (b"old" * 8, b"new" * 8)]


def test_the_id_outlasts_what_may_change_of_an_entry() -> None:
    merged = replace(CHANGE, chat="c@lid", actor=None, ref=9)
    assert event_id(merged) == event_id(CHANGE)


@given(
    st.lists(
        st.builds(
            Change,
            st.integers(0, 2**62),
            st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC)),
            st.sampled_from(["message", "edit", "receipt"]),
            message_id=st.none() | st.text(max_size=20),
        ),
        unique_by=lambda change: change.seq,
    )
)
def test_no_two_changes_have_one_id_and_none_ends_the_signed_part(changes: list[Change]) -> None:
    found = [event_id(change) for change in changes]
    assert len(set(found)) == len(changes)
    assert all("." not in one for one in found)


def test_a_secret_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"{SECRET}\n")
    assert find_secret("env:HOOK") == KEY


@for_each(
    "text",
    [
        "",
        "hunter2",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_ä",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
    ],
)
def test_what_is_no_secret_is_refused_without_its_words(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", text)
    with pytest.raises(InvalidArgument) as refused:
        find_secret("env:HOOK")
    assert not text or text not in str(refused.value)


def test_a_new_secret_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", new_secret())
    assert len(find_secret("env:HOOK")) == 32
