"""The connection's state machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.device.connection import state as m
from whatsapp_mcp.device.connection.state import Action, Connection, Moment, step
from whatsapp_mcp.models import ConnectionState as S

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float = 0.0) -> Moment:
    return Moment(T0 + timedelta(seconds=seconds), seconds)


def online(generation: int = 7) -> Connection:
    return Connection(S.ONLINE, T0, generation=generation, running=True, linked=True, online_at=-100.0)


def after(connection: Connection, *events: m.Event, seconds: float = 1.0) -> tuple[Connection, list[Action]]:
    actions: list[Action] = []
    for event in events:
        connection, new = step(connection, event, at(seconds))
        actions += new
    return connection, actions


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
    connection = Connection(S.UNLINKED, T0)

    def apply(event: m.Event) -> None:
        nonlocal connection, highest
        before = connection
        connection, actions = step(connection, event, at(now))
        for action in actions:
            if action is Action.START:
                alive.clear()
                highest += 1
                alive.add(highest)
                connection, more = step(connection, m.Started(highest), at(now))
                assert not more
            elif action is Action.STOP:
                alive.clear()
            elif action is Action.FORGET:
                assert not connection.linked
        assert connection.generation >= before.generation
        assert len(alive) <= 1
        assert connection.running == bool(alive)
        if connection.state.traits.rests:
            assert not alive
        if connection.state.traits.needs_person and connection.until is None:
            assert connection.timer is None
        elif connection.state is not S.ONLINE and connection.stuck is None:
            assert connection.timer is not None, "every wait has a limit"
        if connection.state is S.ONLINE:
            assert connection.running
            assert connection.linked

    apply(m.Opened(linked))
    for event, pause, aim in script:
        now += pause
        if aim and isinstance(event, m.ClientEvent):
            event = replace(event, generation=connection.generation)
        apply(event)


@given(client_events(st.integers(0, 6)), st.sampled_from(list(S)))
def test_events_of_an_old_generation_change_nothing(event: m.Event, state: S) -> None:
    connection = replace(online(), state=state)
    assert step(connection, event, at(1)) == (connection, ())


@pytest.mark.parametrize("state", [each for each in S if each.traits.rests])
@given(event=client_events(st.just(7)))
def test_events_of_a_stopped_client_change_nothing(state: S, event: m.Event) -> None:
    connection = replace(online(), state=state, running=False, online_at=None)
    assert step(connection, event, at(1)) == (connection, ())


def test_a_cut_gives_the_library_its_time_and_then_a_new_client() -> None:
    connection, actions = after(online(), m.Disconnected(7))
    assert (connection.state, actions) == (S.RECONNECTING, [])
    assert after(connection, m.Tick(), seconds=5.9)[1] == []
    connection, actions = after(connection, m.Tick(), seconds=6.1)
    assert (connection.state, actions) == (S.RECONNECTING, [Action.START])


def test_a_cut_that_the_library_heals_is_online_again() -> None:
    connection, actions = after(online(), m.Disconnected(7), m.Online(7))
    assert (connection.state, connection.reason, actions) == (S.ONLINE, None, [])


def test_a_cut_on_the_way_back_is_not_left_to_the_library_which_would_pause() -> None:
    connection, actions = after(online(), m.Disconnected(7), m.Disconnected(7))
    assert (connection.state, actions) == (S.RECONNECTING, [Action.START])
    connection, actions = after(connection, m.Started(8), m.Disconnected(8), m.Disconnected(8))
    assert (connection.state, actions) == (S.RECONNECTING, [])


def test_after_sleep_a_client_that_is_online_is_asked_at_once_and_once() -> None:
    connection, actions = after(online(), m.Woken(), m.Woken())
    assert (connection.state, actions) == (S.DEGRADED, [Action.PROBE])
    assert "slept" in (connection.reason or "")
    connection, actions = after(connection, m.ProbeFailed(7))
    assert (connection.state, actions) == (S.RECONNECTING, [Action.START])


def test_after_sleep_the_wait_for_the_next_attempt_is_over() -> None:
    waiting = Connection(S.OFFLINE, T0, linked=True, failures=5, timer=60.0)
    connection, actions = after(waiting, m.Woken(), m.Tick())
    assert (connection.state, actions) == (S.CONNECTING, [Action.START])


@pytest.mark.parametrize("state", [S.BANNED, S.PAUSED])
def test_after_sleep_a_ban_and_a_pause_go_on_to_their_end(state: S) -> None:
    resting = Connection(state, T0, linked=True, until=T0 + timedelta(hours=1), timer=60.0)
    for seconds, ended in ((1800.0, False), (3600.0, True)):
        _, actions = after(resting, m.Woken(), m.Tick(), seconds=seconds)
        assert (actions == [Action.START]) is ended


def test_after_sleep_a_login_that_whatsapp_has_refused_still_waits() -> None:
    refused = Connection(S.REFUSED, T0, linked=True, failures=3, timer=900.0)
    assert after(refused, m.Woken(), m.Tick()) == (refused, [])


def test_a_replaced_session_is_never_fought() -> None:
    connection, actions = after(online(), m.Replaced(7))
    assert (connection.state, actions) == (S.REPLACED, [Action.STOP])
    assert after(connection, m.Tick(), m.Opened(linked=True), m.Tick(), seconds=1e7) == (connection, [])
    assert after(connection, m.ReconnectAsked())[1] == [Action.START]


def test_a_session_that_is_replaced_while_a_lease_holds_is_begun_again_once() -> None:
    leased = replace(online(), returns_after=10.0)
    connection, actions = after(leased, m.Replaced(7))
    assert (connection.state, actions) == (S.REPLACED, [Action.STOP])
    assert after(connection, m.Tick(), seconds=5)[1] == []
    again, actions = after(connection, m.Tick(), seconds=12)
    assert (again.state, actions) == (S.CONNECTING, [Action.START])
    back, _ = after(again, m.Started(8), m.Online(8))
    rests, actions = after(back, m.Replaced(8))
    assert (rests.state, actions) == (S.REPLACED, [Action.STOP])
    assert after(rests, m.Tick(), seconds=1e7) == (rests, [])


def test_the_next_leader_begins_a_session_again_that_was_to_be_begun_again() -> None:
    replaced, _ = after(replace(online(), returns_after=10.0), m.Replaced(7))
    assert after(replaced, m.Opened(linked=True), m.Tick(), seconds=12)[1] == [Action.START]


def test_a_ban_waits_until_its_expiry_and_then_tries_once() -> None:
    connection, actions = after(online(), m.Banned(7, "too many messages", 600.0), seconds=0)
    assert (connection.state, actions) == (S.BANNED, [Action.STOP])
    for seconds in range(0, 600, 30):
        connection, actions = after(connection, m.Tick(), seconds=float(seconds))
        assert actions == []
    assert after(connection, m.Tick(), seconds=661.0)[1] == [Action.START]


@given(st.floats(1, 10 * m.WALL_CLOCK_CHECK), st.floats(1, 1e6))
def test_a_clock_that_is_set_back_makes_a_ban_at_most_twice_as_long(length: float, back: float) -> None:
    connection, _ = step(online(), m.Banned(7, "banned", length), at())
    actions: tuple[Action, ...] = ()
    elapsed = 0.0
    while not actions:
        assert connection.state is S.BANNED
        assert connection.timer is not None
        elapsed = connection.timer
        connection, actions = step(
            connection, m.Tick(), Moment(T0 + timedelta(seconds=elapsed - back), elapsed)
        )
    assert (connection.state, actions) == (S.CONNECTING, (Action.START,))
    assert length <= elapsed <= 2 * length + 1


def test_a_ban_outlives_its_host() -> None:
    connection, _ = after(online(), m.Banned(7, "too many messages", 600.0), seconds=0)
    connection, actions = after(connection, m.Opened(linked=True), m.Tick(), seconds=10)
    assert (connection.state, actions) == (S.BANNED, [])


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_ban_without_an_end_is_tried_again_ever_more_slowly(seconds: float) -> None:
    connection, now, pauses = online(), 0.0, list[float]()
    for generation in range(7, 11):
        connection, actions = after(connection, m.Banned(generation, "banned", seconds), seconds=now)
        assert (connection.state, connection.reason, actions) == (S.REFUSED, "banned", [Action.STOP])
        assert connection.timer is not None
        pauses.append(connection.timer - now)
        now = connection.timer
        connection, actions = after(connection, m.Tick(), m.Started(generation + 1), seconds=now)
        assert actions == [Action.START]
    assert pauses[0] >= 15
    assert pauses == sorted(pauses)


def test_a_logout_forgets_the_keys() -> None:
    connection, actions = after(online(), m.LoggedOut(7, "removed on the phone"))
    assert (connection.state, connection.reason) == (S.UNLINKED, "removed on the phone")
    assert actions == [Action.STOP, Action.FORGET]


def test_an_unanswered_keep_alive_is_probed_and_a_dead_link_renewed() -> None:
    connection, actions = after(online(), m.Doubtful(7, "keep-alive unanswered"))
    assert (connection.state, actions) == (S.DEGRADED, [Action.PROBE])
    assert after(connection, m.ProbeFailed(7))[1] == [Action.START]
    assert after(connection, m.Tick(), seconds=20)[1] == [Action.START]
    assert after(connection, m.Answered(7))[0].state is S.ONLINE


def test_a_client_that_was_online_is_followed_at_once() -> None:
    connection, actions = after(online(), m.Ended(7, "killed"))
    assert (connection.state, connection.failures, actions) == (S.OFFLINE, 0, [Action.STOP])
    assert after(connection, m.Tick(), seconds=1.0)[1] == [Action.START]


def test_only_ends_before_login_lengthen_the_pause() -> None:
    connection = online()
    pauses: list[float] = []
    now = 1.0
    for _ in range(12):
        connection, _ = step(connection, m.Ended(connection.generation, "refused"), at(now))
        assert connection.timer is not None
        pauses.append(connection.timer - now)
        now = connection.timer
        connection, actions = step(connection, m.Tick(), at(now))
        assert actions == (Action.START,)
        connection, _ = step(connection, m.Started(connection.generation + 1), at(now))
    assert pauses[0] == 0
    assert pauses[1:] == sorted(pauses[1:])
    assert pauses[-1] == pytest.approx(0.75 * m.RETRY_CAP)


@pytest.mark.parametrize(("ends", "lived"), [(100, 3.0), (5, 0.1)])
def test_a_client_that_is_killed_now_and_then_is_followed_at_once(ends: int, lived: float) -> None:
    connection = replace(online(), online_at=0.0)
    now = 0.0
    for _ in range(ends):
        now += lived
        connection, _ = step(connection, m.Ended(connection.generation, "killed"), at(now))
        assert connection.timer == now
        connection, _ = step(connection, m.Tick(), at(now))
        connection, _ = step(connection, m.Started(connection.generation + 1), at(now))
        connection, _ = step(connection, m.Online(connection.generation), at(now))


def test_a_client_that_dies_right_after_each_login_is_not_restarted_without_end() -> None:
    connection = online()
    now = 1.0
    for _ in range(12):
        connection, _ = step(connection, m.Online(connection.generation), at(now))
        connection, _ = step(connection, m.Ended(connection.generation, "crashed"), at(now + 0.1))
        assert connection.timer is not None
        now = connection.timer
        connection, _ = step(connection, m.Tick(), at(now))
        connection, _ = step(connection, m.Started(connection.generation + 1), at(now))
    assert now > 60


def test_keys_that_are_lost_end_the_link_and_are_not_deleted() -> None:
    connection, actions = after(online(), m.Ended(7, "no database"), m.KeysLost())
    assert (connection.state, connection.linked, actions) == (S.UNLINKED, False, [Action.STOP, Action.STOP])
    for untouched in (online(), Connection(S.LINKING, T0, generation=7, running=True)):
        assert after(untouched, m.KeysLost()) == (untouched, [])


def test_linking_that_expires_leaves_nothing() -> None:
    connection, actions = after(
        Connection(S.UNLINKED, T0), m.LinkAsked(), m.Started(1), m.Code(1, 60.0), seconds=0
    )
    assert (connection.state, actions) == (S.LINKING, [Action.FORGET, Action.START])
    connection, actions = after(connection, m.Tick(), seconds=66)
    assert (connection.state, connection.linked, actions) == (S.UNLINKED, False, [Action.STOP, Action.FORGET])
    assert connection.reason


def test_a_full_disk_is_told_and_no_reason_for_a_new_client() -> None:
    connection, actions = after(online(), m.Stuck(7, "disk full"), m.Tick(), seconds=1e6)
    assert (connection.state, connection.reason, actions) == (S.DEGRADED, "disk full", [])
    assert "disk space" in (m.advice(connection) or "")
    assert after(connection, m.Unstuck(7))[0].state is S.ONLINE


def test_a_refusal_is_retried_slowly() -> None:
    connection, actions = after(online(), m.Refused(7, "code 400"), seconds=0)
    assert (connection.state, actions) == (S.REFUSED, [Action.STOP])
    assert after(connection, m.Tick(), seconds=10)[1] == []
    assert after(connection, m.Tick(), seconds=31)[1] == [Action.START]


def test_linking_that_times_out_says_whether_there_was_a_code() -> None:
    asked, _ = after(Connection(S.UNLINKED, T0), m.LinkAsked(), m.Started(1))
    silent, _ = after(asked, m.Tick(), seconds=1000)
    assert (silent.state, silent.reason) == (S.UNLINKED, "WhatsApp gave no code in time.")
    shown, _ = after(asked, m.Code(1, 20))
    assert shown.reason is None
    expired, _ = after(shown, m.Tick(), seconds=1000)
    assert expired.state is S.UNLINKED
    assert (expired.reason or "").startswith("The code expired before a phone took it.")


def test_a_pause_ends_the_client_and_lasts_until_a_person_ends_it() -> None:
    connection, actions = after(online(), m.PauseAsked(None))
    assert (connection.state, connection.until, actions) == (S.PAUSED, None, [Action.STOP])
    assert "`whatsapp-mcp resume`" in (m.advice(connection) or "")
    later = (m.Tick(), m.ReconnectAsked(), m.Online(7), m.Opened(linked=True), m.Tick())
    assert after(connection, *later, seconds=1e8) == (connection, [])
    connection, actions = after(connection, m.ResumeAsked())
    assert (connection.state, connection.reason, actions) == (S.CONNECTING, None, [Action.START])


def test_a_pause_with_an_end_ends_by_itself_and_not_before() -> None:
    connection, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=2)), seconds=0)
    assert "2026-01-01 " in (m.advice(connection) or "")
    now = 0.0
    while connection.state is S.PAUSED:
        assert now < 7200
        assert connection.timer is not None
        now = connection.timer
        connection, _ = step(connection, m.Tick(), at(now))
    assert (connection.state, connection.reason, connection.until, now) == (S.CONNECTING, None, None, 7200)


def test_a_pause_ends_while_the_machine_sleeps() -> None:
    connection, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=2)), seconds=0)
    # The monotonic clock stood still: it tells a minute, the wall clock three hours.
    awake = Moment(T0 + timedelta(hours=3), m.WALL_CLOCK_CHECK)
    assert step(connection, m.Tick(), awake)[1] == (Action.START,)


def test_a_pause_outlives_its_leader_and_ends_under_the_next() -> None:
    connection, _ = after(online(), m.PauseAsked(T0 + timedelta(seconds=600)), seconds=0)
    kept, actions = after(connection, m.Opened(linked=True), m.Tick(), seconds=10)
    assert (kept.state, actions) == (S.PAUSED, [])
    assert after(connection, m.Opened(linked=True), m.Tick(), seconds=601)[1] == [Action.START]


def test_another_pause_sets_another_end() -> None:
    connection, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=1)), seconds=0)
    longer, _ = after(connection, m.PauseAsked(T0 + timedelta(hours=2)))
    assert (longer.until, longer.since) == (T0 + timedelta(hours=2), connection.since)
    endless, _ = after(longer, m.PauseAsked(None))
    assert (endless.until, endless.timer) == (None, None)


@pytest.mark.parametrize("event", [m.Replaced(7), m.Banned(7, "too many messages", 600.0)])
def test_a_pause_never_forgets_a_replaced_session_or_a_ban(event: m.ClientEvent) -> None:
    closed, _ = after(online(), event)
    assert after(closed, m.PauseAsked(None), m.ResumeAsked()) == (closed, [])


def test_a_paused_account_whose_keys_are_gone_is_unlinked() -> None:
    connection, _ = after(online(), m.PauseAsked(T0 + timedelta(hours=1)))
    connection, actions = after(connection, m.Opened(linked=False), m.Tick(), seconds=1e6)
    assert (connection.state, connection.until, actions) == (S.UNLINKED, None, [])


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


@for_each("name", ["", "two words", "<b>", "x" * 40, 7])
def test_what_cannot_be_the_name_of_a_state_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="is not a valid ConnectionState"):
        S(name)
