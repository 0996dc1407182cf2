"""The link's state machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.device.connection import state as m
from whatsapp_mcp.device.connection.state import Effect, Link, Moment, step
from whatsapp_mcp.models import ConnectionState as S

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float = 0.0) -> Moment:
    return Moment(T0 + timedelta(seconds=seconds), seconds)


def online(generation: int = 7) -> Link:
    return Link(S.ONLINE, T0, generation=generation, running=True, linked=True, online_at=-100.0)


def after(link: Link, *events: m.Event, seconds: float = 1.0) -> tuple[Link, list[Effect]]:
    effects: list[Effect] = []
    for event in events:
        link, new = step(link, event, at(seconds))
        effects += new
    return link, effects


CLIENT_EVENTS = [
    m.Paired,
    m.Online,
    m.Disconnected,
    m.Answered,
    m.ProbeFailed,
    m.Unstuck,
    m.Replaced,
    m.Outdated,
]


def client_events(generation: st.SearchStrategy[int]) -> st.SearchStrategy[m.Event]:
    reasons = st.just("because")
    return st.one_of(
        st.sampled_from(CLIENT_EVENTS).flatmap(lambda kind: generation.map(kind)),
        st.builds(m.Code, generation, st.floats(1, 60)),
        st.builds(m.Doubtful, generation, reasons),
        st.builds(m.Stuck, generation, reasons),
        st.builds(m.LoggedOut, generation, reasons),
        st.builds(m.Banned, generation, reasons, st.floats(0, 1e6)),
        st.builds(m.Refused, generation, reasons),
        st.builds(m.Ended, generation, reasons),
    )


OUTSIDE = st.one_of(
    st.just(m.Tick()),
    st.just(m.Woken()),
    st.just(m.LinkAsked()),
    st.just(m.Unlinked("by us")),
    st.just(m.ReconnectAsked()),
    st.builds(m.PauseAsked, st.none() | st.floats(1, 1e5).map(lambda ahead: T0 + timedelta(seconds=ahead))),
    st.just(m.ResumeAsked()),
    st.just(m.KeysLost()),
)


@given(
    linked=st.booleans(),
    script=st.lists(
        st.tuples(st.one_of(OUTSIDE, client_events(st.integers(0, 4))), st.floats(0, 400), st.booleans()),
        max_size=60,
    ),
)
def test_no_sequence_of_events_leaves_the_table_or_gives_two_clients(
    linked: bool, script: list[tuple[m.Event, float, bool]]
) -> None:
    alive: set[int] = set()
    now = 0.0
    highest = 0
    link = Link(S.UNLINKED, T0)

    def apply(event: m.Event) -> None:
        nonlocal link, highest
        before = link
        link, effects = step(link, event, at(now))
        for effect in effects:
            if effect is Effect.START:
                alive.clear()
                highest += 1
                alive.add(highest)
                link, more = step(link, m.Started(highest), at(now))
                assert not more
            elif effect is Effect.STOP:
                alive.clear()
            elif effect is Effect.FORGET:
                assert not link.linked
        assert link.generation >= before.generation
        assert len(alive) <= 1
        assert link.running == bool(alive)
        if link.state.traits.rests:
            assert not alive
        if link.state.traits.needs_person and link.until is None:
            assert link.timer is None
        elif link.state is not S.ONLINE and link.stuck is None:
            assert link.timer is not None, "every wait has a limit"
        if link.state is S.ONLINE:
            assert link.running
            assert link.linked

    apply(m.Opened(linked))
    for event, pause, aim in script:
        now += pause
        if aim and isinstance(event, m.ClientEvent):
            event = replace(event, generation=link.generation)
        apply(event)


@given(client_events(st.integers(0, 6)), st.sampled_from(list(S)))
def test_events_of_an_old_generation_change_nothing(event: m.Event, state: S) -> None:
    link = replace(online(), state=state)
    assert step(link, event, at(1)) == (link, ())


@pytest.mark.parametrize("state", [each for each in S if each.traits.rests])
@given(event=client_events(st.just(7)))
def test_events_of_a_stopped_client_change_nothing(state: S, event: m.Event) -> None:
    link = replace(online(), state=state, running=False, online_at=None)
    assert step(link, event, at(1)) == (link, ())


def test_a_cut_gives_the_library_its_time_and_then_a_new_client() -> None:
    link, effects = after(online(), m.Disconnected(7))
    assert (link.state, effects) == (S.RECONNECTING, [])
    assert after(link, m.Tick(), seconds=5.9)[1] == []
    link, effects = after(link, m.Tick(), seconds=6.1)
    assert (link.state, effects) == (S.RECONNECTING, [Effect.START])


def test_a_cut_that_the_library_heals_is_online_again() -> None:
    link, effects = after(online(), m.Disconnected(7), m.Online(7))
    assert (link.state, link.reason, effects) == (S.ONLINE, None, [])


def test_a_cut_on_the_way_back_is_not_left_to_the_library_which_would_pause() -> None:
    link, effects = after(online(), m.Disconnected(7), m.Disconnected(7))
    assert (link.state, effects) == (S.RECONNECTING, [Effect.START])
    link, effects = after(link, m.Started(8), m.Disconnected(8), m.Disconnected(8))
    assert (link.state, effects) == (S.RECONNECTING, [])


def test_after_sleep_a_client_that_is_online_is_asked_at_once_and_once() -> None:
    link, effects = after(online(), m.Woken(), m.Woken())
    assert (link.state, effects) == (S.DEGRADED, [Effect.PROBE])
    assert "slept" in (link.reason or "")
    link, effects = after(link, m.ProbeFailed(7))
    assert (link.state, effects) == (S.RECONNECTING, [Effect.START])


def test_after_sleep_the_wait_for_the_next_attempt_is_over() -> None:
    waiting = Link(S.OFFLINE, T0, linked=True, failures=5, timer=60.0)
    link, effects = after(waiting, m.Woken(), m.Tick())
    assert (link.state, effects) == (S.CONNECTING, [Effect.START])


@pytest.mark.parametrize("state", [S.BANNED, S.PAUSED])
def test_after_sleep_a_ban_and_a_pause_go_on_to_their_end(state: S) -> None:
    resting = Link(state, T0, linked=True, until=T0 + timedelta(hours=1), timer=60.0)
    for seconds, ended in ((1800.0, False), (3600.0, True)):
        _, effects = after(resting, m.Woken(), m.Tick(), seconds=seconds)
        assert (effects == [Effect.START]) is ended


def test_after_sleep_a_login_that_whatsapp_has_refused_still_waits() -> None:
    refused = Link(S.REFUSED, T0, linked=True, failures=3, timer=900.0)
    assert after(refused, m.Woken(), m.Tick()) == (refused, [])


def test_a_replaced_session_is_never_fought() -> None:
    link, effects = after(online(), m.Replaced(7))
    assert (link.state, effects) == (S.REPLACED, [Effect.STOP])
    assert after(link, m.Tick(), m.Opened(linked=True), m.Tick(), seconds=1e7) == (link, [])
    assert after(link, m.ReconnectAsked())[1] == [Effect.START]


def test_a_ban_waits_until_its_expiry_and_then_tries_once() -> None:
    link, effects = after(online(), m.Banned(7, "too many messages", 600.0), seconds=0)
    assert (link.state, effects) == (S.BANNED, [Effect.STOP])
    for seconds in range(0, 600, 30):
        link, effects = after(link, m.Tick(), seconds=float(seconds))
        assert effects == []
    assert after(link, m.Tick(), seconds=661.0)[1] == [Effect.START]


@given(st.floats(1, 10 * m.WALL_CLOCK_CHECK), st.floats(1, 1e6))
def test_a_clock_that_is_set_back_makes_a_ban_at_most_twice_as_long(length: float, back: float) -> None:
    link, _ = step(online(), m.Banned(7, "banned", length), at())
    effects: tuple[Effect, ...] = ()
    elapsed = 0.0
    while not effects:
        assert link.state is S.BANNED
        assert link.timer is not None
        elapsed = link.timer
        link, effects = step(link, m.Tick(), Moment(T0 + timedelta(seconds=elapsed - back), elapsed))
    assert (link.state, effects) == (S.CONNECTING, (Effect.START,))
    assert length <= elapsed <= 2 * length + 1


def test_a_ban_outlives_its_host() -> None:
    link, _ = after(online(), m.Banned(7, "too many messages", 600.0), seconds=0)
    link, effects = after(link, m.Opened(linked=True), m.Tick(), seconds=10)
    assert (link.state, effects) == (S.BANNED, [])


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_ban_without_an_end_is_tried_again_ever_more_slowly(seconds: float) -> None:
    link, now, pauses = online(), 0.0, list[float]()
    for generation in range(7, 11):
        link, effects = after(link, m.Banned(generation, "banned", seconds), seconds=now)
        assert (link.state, link.reason, effects) == (S.REFUSED, "banned", [Effect.STOP])
        assert link.timer is not None
        pauses.append(link.timer - now)
        now = link.timer
        link, effects = after(link, m.Tick(), m.Started(generation + 1), seconds=now)
        assert effects == [Effect.START]
    assert pauses[0] >= 15
    assert pauses == sorted(pauses)


def test_a_logout_forgets_the_keys() -> None:
    link, effects = after(online(), m.LoggedOut(7, "removed on the phone"))
    assert (link.state, link.reason) == (S.UNLINKED, "removed on the phone")
    assert effects == [Effect.STOP, Effect.FORGET]


def test_an_unanswered_keep_alive_is_probed_and_a_dead_link_renewed() -> None:
    link, effects = after(online(), m.Doubtful(7, "keep-alive unanswered"))
    assert (link.state, effects) == (S.DEGRADED, [Effect.PROBE])
    assert after(link, m.ProbeFailed(7))[1] == [Effect.START]
    assert after(link, m.Tick(), seconds=20)[1] == [Effect.START]
    assert after(link, m.Answered(7))[0].state is S.ONLINE


def test_a_client_that_was_online_is_followed_at_once() -> None:
    link, effects = after(online(), m.Ended(7, "killed"))
    assert (link.state, link.failures, effects) == (S.OFFLINE, 0, [Effect.STOP])
    assert after(link, m.Tick(), seconds=1.0)[1] == [Effect.START]


def test_only_ends_before_login_lengthen_the_pause() -> None:
    link = online()
    pauses: list[float] = []
    now = 1.0
    for _ in range(12):
        link, _ = step(link, m.Ended(link.generation, "refused"), at(now))
        assert link.timer is not None
        pauses.append(link.timer - now)
        now = link.timer
        link, effects = step(link, m.Tick(), at(now))
        assert effects == (Effect.START,)
        link, _ = step(link, m.Started(link.generation + 1), at(now))
    assert pauses[0] == 0
    assert pauses[1:] == sorted(pauses[1:])
    assert pauses[-1] == pytest.approx(0.75 * m.RETRY_CAP)


@pytest.mark.parametrize(("ends", "lived"), [(100, 3.0), (5, 0.1)])
def test_a_client_that_is_killed_now_and_then_is_followed_at_once(ends: int, lived: float) -> None:
    link = replace(online(), online_at=0.0)
    now = 0.0
    for _ in range(ends):
        now += lived
        link, _ = step(link, m.Ended(link.generation, "killed"), at(now))
        assert link.timer == now
        link, _ = step(link, m.Tick(), at(now))
        link, _ = step(link, m.Started(link.generation + 1), at(now))
        link, _ = step(link, m.Online(link.generation), at(now))


def test_a_client_that_dies_right_after_each_login_is_not_restarted_without_end() -> None:
    link = online()
    now = 1.0
    for _ in range(12):
        link, _ = step(link, m.Online(link.generation), at(now))
        link, _ = step(link, m.Ended(link.generation, "crashed"), at(now + 0.1))
        assert link.timer is not None
        now = link.timer
        link, _ = step(link, m.Tick(), at(now))
        link, _ = step(link, m.Started(link.generation + 1), at(now))
    assert now > 60


def test_keys_that_are_lost_end_the_link_and_are_not_deleted() -> None:
    link, effects = after(online(), m.Ended(7, "no database"), m.KeysLost())
    assert (link.state, link.linked, effects) == (S.UNLINKED, False, [Effect.STOP, Effect.STOP])
    for untouched in (online(), Link(S.LINKING, T0, generation=7, running=True)):
        assert after(untouched, m.KeysLost()) == (untouched, [])


def test_linking_that_expires_leaves_nothing() -> None:
    link, effects = after(Link(S.UNLINKED, T0), m.LinkAsked(), m.Started(1), m.Code(1, 60.0), seconds=0)
    assert (link.state, effects) == (S.LINKING, [Effect.FORGET, Effect.START])
    link, effects = after(link, m.Tick(), seconds=66)
    assert (link.state, link.linked, effects) == (S.UNLINKED, False, [Effect.STOP, Effect.FORGET])
    assert link.reason


def test_a_full_disk_is_told_and_no_reason_for_a_new_client() -> None:
    link, effects = after(online(), m.Stuck(7, "disk full"), m.Tick(), seconds=1e6)
    assert (link.state, link.reason, effects) == (S.DEGRADED, "disk full", [])
    assert "disk space" in (m.action(link) or "")
    assert after(link, m.Unstuck(7))[0].state is S.ONLINE


def test_a_refusal_is_retried_slowly() -> None:
    link, effects = after(online(), m.Refused(7, "code 400"), seconds=0)
    assert (link.state, effects) == (S.REFUSED, [Effect.STOP])
    assert after(link, m.Tick(), seconds=10)[1] == []
    assert after(link, m.Tick(), seconds=31)[1] == [Effect.START]


def test_linking_that_times_out_says_whether_there_was_a_code() -> None:
    asked, _ = after(Link(S.UNLINKED, T0), m.LinkAsked(), m.Started(1))
    silent, _ = after(asked, m.Tick(), seconds=1000)
    assert (silent.state, silent.reason) == (S.UNLINKED, "WhatsApp gave no code in time.")
    shown, _ = after(asked, m.Code(1, 20))
    assert shown.reason is None
    expired, _ = after(shown, m.Tick(), seconds=1000)
    assert (expired.state, expired.reason) == (S.UNLINKED, "The code expired before a phone took it.")


def test_a_pause_ends_the_client_and_lasts_until_a_person_ends_it() -> None:
    link, effects = after(online(), m.PauseAsked(None))
    assert (link.state, link.until, effects) == (S.PAUSED, None, [Effect.STOP])
    assert "`whatsapp-mcp resume`" in (m.action(link) or "")
    later = (m.Tick(), m.ReconnectAsked(), m.Online(7), m.Opened(linked=True), m.Tick())
    assert after(link, *later, seconds=1e8) == (link, [])
    link, effects = after(link, m.ResumeAsked())
    assert (link.state, link.reason, effects) == (S.CONNECTING, None, [Effect.START])


def test_a_pause_with_an_end_ends_by_itself_and_not_before() -> None:
    link, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=2)), seconds=0)
    assert "2026-01-01 " in (m.action(link) or "")
    now = 0.0
    while link.state is S.PAUSED:
        assert now < 7200
        assert link.timer is not None
        now = link.timer
        link, _ = step(link, m.Tick(), at(now))
    assert (link.state, link.reason, link.until, now) == (S.CONNECTING, None, None, 7200)


def test_a_pause_ends_while_the_machine_sleeps() -> None:
    link, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=2)), seconds=0)
    # The monotonic clock stood still: it tells a minute, the wall clock three hours.
    awake = Moment(T0 + timedelta(hours=3), m.WALL_CLOCK_CHECK)
    assert step(link, m.Tick(), awake)[1] == (Effect.START,)


def test_a_pause_outlives_its_leader_and_ends_under_the_next() -> None:
    link, _ = after(online(), m.PauseAsked(T0 + timedelta(seconds=600)), seconds=0)
    kept, effects = after(link, m.Opened(linked=True), m.Tick(), seconds=10)
    assert (kept.state, effects) == (S.PAUSED, [])
    assert after(link, m.Opened(linked=True), m.Tick(), seconds=601)[1] == [Effect.START]


def test_another_pause_sets_another_end() -> None:
    link, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=1)), seconds=0)
    longer, _ = after(link, m.PauseAsked(T0 + timedelta(hours=2)))
    assert (longer.until, longer.since) == (T0 + timedelta(hours=2), link.since)
    endless, _ = after(longer, m.PauseAsked(None))
    assert (endless.until, endless.timer) == (None, None)


@pytest.mark.parametrize("event", [m.Replaced(7), m.Banned(7, "too many messages", 600.0)])
def test_a_pause_never_forgets_a_replaced_session_or_a_ban(event: m.ClientEvent) -> None:
    closed, _ = after(online(), event)
    assert after(closed, m.PauseAsked(None), m.ResumeAsked()) == (closed, [])


def test_a_paused_account_whose_keys_are_gone_is_unlinked() -> None:
    link, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=1)))
    link, effects = after(link, m.Opened(linked=False), m.Tick(), seconds=1e6)
    assert (link.state, link.until, effects) == (S.UNLINKED, None, [])


def test_every_state_but_online_says_what_to_do_and_ends_somehow() -> None:
    for state in S:
        if state is not S.ONLINE:
            assert state.traits.action
            assert state.traits.ends or state.traits.needs_person


def test_a_state_of_a_later_version_is_kept_by_name_and_is_none_of_ours() -> None:
    assert S("hibernating").value == "hibernating"
    assert S("hibernating") == S("hibernating")
    assert S("hibernating") not in list(S)
    assert not S("hibernating").traits.rests


@pytest.mark.parametrize("name", ["", "two words", "<b>", "x" * 40, 7])
def test_what_cannot_be_the_name_of_a_state_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="is not a valid ConnectionState"):
        S(name)
