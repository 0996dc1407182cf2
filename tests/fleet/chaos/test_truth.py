"""What a run with faults looks for is found where it is planted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.archive.events import NOW
from tests.fleet.chaos import truth, witness
from tests.fleet.chaos.copies import folder_of
from tests.fleet.chaos.figures import Fault, Takeover, takeovers
from tests.fleet.chaos.traffic import Said, Sent
from tests.fleet.chaos.whatsapp import Login
from tests.fleet.chaos.witness import KeyWriter, LeaseChange
from tests.fleet.led import ACCOUNT, LedAccount
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.binary import Node
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.people import Person


@pytest.fixture
def ann() -> Person:
    return WhatsApp().person("Ann")


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as account:
        witness.watch(account.session)
        yield account


def gets(person: Person, text: str) -> None:
    """The person gets a message."""
    message = E2E.Message(conversation=text)
    person.take_in(Received("id", message, person.lid, person.lid, 0, Node("message", {})))


def incoming(*archived: str, journaled: str = "", ends: Sequence[truth.ClientEnd] = ()) -> truth.Verdict:
    verdict = truth.Verdict()
    said = [Said(ACCOUNT, "one", 1.0), Said(ACCOUNT, "two", 2.0)]
    truth.check_incoming(verdict, said, {ACCOUNT: Counter(archived)}, {ACCOUNT: {journaled}}, {ACCOUNT: ends})
    return verdict


LOST = [truth.ClientEnd(5.0, was_lost=True)]


def test_what_is_archived_once_is_right() -> None:
    assert not incoming("one", "two").violations


def test_a_message_that_is_archived_twice_is_found() -> None:
    assert incoming("one", "one", "two").violations == ["archived twice: 1, at most 0"]


def test_a_journaled_message_that_is_not_archived_is_found() -> None:
    found = incoming("one", journaled="two", ends=LOST).violations
    assert found == ["journaled and not archived: 1, at most 0"]


def test_a_message_that_is_lost_though_no_client_was_is_found() -> None:
    found = ["of these, though their client was not lost: 1, at most 0"]
    assert incoming("one").violations == found
    assert incoming("one", ends=[truth.ClientEnd(5.0, was_lost=False)]).violations == found
    assert incoming("one", ends=[truth.ClientEnd(1.5, was_lost=True)]).violations == found
    assert incoming("one", ends=LOST).figures["acknowledged and not journaled"] == 1


def test_more_than_a_client_may_lose_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "MOST_LOST_A_KILL", 1)
    assert incoming(ends=LOST).violations == ["of these, most of one client: 2, at most 1"]


def test_a_client_was_lost_where_a_fault_lies_between_two_logins() -> None:
    logins = [Login("1", "a", at) for at in (1.0, 5.0, 9.0)]
    ends = truth.ends_of_clients(ACCOUNT, logins, [Fault("kill", "a", 3.0, (ACCOUNT,))])
    assert ends == [truth.ClientEnd(5.0, was_lost=True), truth.ClientEnd(9.0, was_lost=False)]
    assert not truth.ends_of_clients("another", logins, [Fault("kill", "a", 3.0, (ACCOUNT,))])[0].was_lost


def outgoing(ann: Person, state: str | None, *, accepted: bool = True) -> list[str]:
    verdict = truth.Verdict()
    sent = [Sent(ACCOUNT, ann, "out", accepted=accepted)]
    truth.check_outgoing(verdict, sent, {ACCOUNT: {} if state is None else {"out": state}})
    return verdict.violations


def test_a_send_that_arrived_once_is_right(ann: Person) -> None:
    gets(ann, "out")
    assert not outgoing(ann, "sent")
    assert not outgoing(ann, "unknown")


def test_a_send_that_arrived_twice_is_found(ann: Person) -> None:
    gets(ann, "out")
    gets(ann, "out")
    assert outgoing(ann, "sent") == ["sent twice: 1, at most 0"]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("sent", "called sent and not arrived"),
        (None, "accepted and not in the outbox"),
        ("queued", "sends left queued"),
    ],
)
def test_an_accepted_send_that_is_lost_is_found(ann: Person, state: str | None, found: str) -> None:
    assert outgoing(ann, state) == [f"{found}: 1, at most 0"]


def test_an_unknown_send_may_not_have_arrived(ann: Person) -> None:
    assert not outgoing(ann, "unknown")


CHANGES = [LeaseChange(ACCOUNT, "a", 2, 10.0), LeaseChange(ACCOUNT, "b", 3, 20.0)]


def epochs(
    led: LedAccount, *logins: tuple[str, float], writer: tuple[float, float] = (11.0, 19.0)
) -> list[str]:
    verdict = truth.Verdict()
    truth.check_epochs(
        verdict,
        led.session,
        CHANGES,
        [KeyWriter(ACCOUNT, *writer)],
        {ACCOUNT: [Login("1", node, at) for node, at in logins]},
    )
    return verdict.violations


def test_logins_and_key_writes_of_the_leader_of_their_moment_are_right(led: LedAccount) -> None:
    assert not epochs(led, ("a", 11.0), ("a", 15.0), ("b", 21.0), ("b", 25.0), writer=(21.0, 30.0))


def test_a_login_of_an_older_epoch_is_found(led: LedAccount) -> None:
    found = epochs(led, ("a", 11.0), ("b", 21.0), ("a", 22.0))
    assert found == ["logins of an older epoch: 1, at most 0"]


def test_keys_that_an_older_epoch_writes_after_a_newer_one_has_logged_in_are_found(led: LedAccount) -> None:
    found = epochs(led, ("a", 11.0), ("b", 21.0), writer=(11.0, 22.0))
    assert found == ["connections of an older epoch that wrote keys: 1, at most 0"]


def test_rows_that_are_missing_or_of_an_older_epoch_are_found(led: LedAccount) -> None:
    with led.journal() as journal:
        for _ in range(3):
            journal.append(1, 17, b"event")
    assert not epochs(led)
    led.take_over()
    with led.journal() as journal:
        journal.append(1, 17, b"event")
    led.session.execute("DELETE FROM whatsapp_mcp.journal WHERE seq = 2")
    assert epochs(led) == ["rows of the journal missing: 1, at most 0"]
    led.session.execute(
        "INSERT INTO whatsapp_mcp.journal (account, seq, epoch, n, generation, received_at, code, payload)"
        " VALUES (%s, 5, 1, 1, 1, 1, 17, '')",
        [ACCOUNT],
    )
    assert epochs(led) == [
        "rows of an older epoch: 1, at most 0",
        "rows of the journal out of order: 1, at most 0",
        "rows of the journal missing: 1, at most 0",
    ]


def test_the_database_notes_when_an_account_got_a_leader(led: LedAccount) -> None:
    before = time.time()
    led.take_over()
    (change,) = witness.lease_changes(led.session)
    assert (change.account, change.node, change.epoch) == (ACCOUNT, "node", led.epoch)
    assert before - 1 <= change.at <= time.time() + 1


@pytest.mark.anyio
async def test_archives_that_differ_are_found(tmp_path: Path) -> None:
    folders = [folder_of(tmp_path / name, ACCOUNT) for name in ("here", "there")]
    for folder in folders:
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            await archive.write(recording.meta_set, "key", "value")
    verdict = truth.Verdict()
    truth.check_archives(verdict, folders, "archives")
    assert not verdict.violations
    async with open_archive(folders[1], write=True, now=lambda: NOW) as archive:
        await archive.write(recording.meta_set, "key", "another")
    truth.check_archives(verdict, folders, "archives")
    assert verdict.violations == ["archives that differ: 1, at most 0"]


def test_a_takeover_is_counted_from_its_fault() -> None:
    logins = {ACCOUNT: [Login("1", "a", 11.0), Login("1", "b", 22.5)]}
    assert takeovers(Fault("kill", "a", 18.0, (ACCOUNT,)), CHANGES, logins) == [Takeover(2.0, 4.5)]
    assert takeovers(Fault("kill", "b", 30.0, (ACCOUNT,)), CHANGES, logins) == [Takeover(None, None)]
