"""Token buckets: how many requests, for how many keys."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.server.transports.limits import Buckets, Rate, address_key


@dataclass
class Clock:
    """A clock that stands still."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(Rate(2, 3), clock)

    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 0.5]
    assert buckets.take("b") == 0


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_more_than_burst_and_rate_allow_is_taken(pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(Rate(3, 10), clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += not buckets.take("a")

    assert taken <= 10 + 3 * clock.now + 1e-6


def test_the_keys_that_were_seen_last_are_remembered() -> None:
    buckets = Buckets(Rate(1, 1), Clock())
    buckets.take("first")
    buckets.take("kept")
    for number in range(4094):
        buckets.take(str(number))
    assert buckets.take("kept") > 0
    buckets.take("one more")

    assert len(buckets._levels) == 4096
    assert buckets.take("kept") > 0
    assert buckets.take("first") == 0


@for_each(
    "one, other, same",
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "testclient", False),
    ],
)
def test_addresses_of_one_subscriber_share_a_bucket(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same
