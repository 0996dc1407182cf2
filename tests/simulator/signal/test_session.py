from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.tables import for_each
from whatsapp_simulator.signal.session import (
    DuplicateMessage,
    IdentityKeyPair,
    Kind,
    PreKeyBundle,
    Session,
    UnknownBaseKey,
    pad,
    unpad,
)
from whatsapp_simulator.signal.wire import PreKeyMessage, SignalError
from whatsapp_simulator.signal.xeddsa import sign


@dataclass
class Party:
    """A device with one signed prekey (id 1) and one one-time prekey (id 9)."""

    identity: IdentityKeyPair = field(default_factory=IdentityKeyPair.generate)
    signed_prekey: IdentityKeyPair = field(default_factory=IdentityKeyPair.generate)
    prekey: IdentityKeyPair = field(default_factory=IdentityKeyPair.generate)

    def bundle(self, *, one_time: bool = True) -> PreKeyBundle:
        return PreKeyBundle(
            registration_id=77,
            identity=self.identity.public,
            signed_prekey_id=1,
            signed_prekey=self.signed_prekey.public,
            signed_prekey_signature=sign(self.identity.private, b"\x05" + self.signed_prekey.public),
            prekey_id=9 if one_time else None,
            prekey=self.prekey.public if one_time else None,
        )

    def initiate(self, other: "Party", *, one_time: bool = True, replaces: Session | None = None) -> Session:
        return Session.initiate(self.identity, 5, other.bundle(one_time=one_time), replaces=replaces)

    def accept(self, message: bytes, replaces: Session | None = None) -> tuple[Session, bytes]:
        return Session.accept(
            self.identity,
            {1: self.signed_prekey.private},
            {9: self.prekey.private},
            message,
            replaces=replaces,
        )


@pytest.fixture
def alice() -> Party:
    return Party()


@pytest.fixture
def bob() -> Party:
    return Party()


@pytest.fixture
def sessions(alice: Party, bob: Party) -> tuple[Session, Session]:
    """Alice's and Bob's ends of a session in which both have sent messages."""
    hers = alice.initiate(bob)
    his, _ = bob.accept(hers.encrypt(b"hi")[1])
    hers.decrypt(*his.encrypt(b"hello"))
    return hers, his


@pytest.mark.parametrize("one_time", [True, False])
def test_messages_are_pkmsg_until_the_other_side_answers(alice: Party, bob: Party, one_time: bool) -> None:
    hers = alice.initiate(bob, one_time=one_time)
    first, second = hers.encrypt(b"one"), hers.encrypt(b"two")
    assert [first[0], second[0]] == ["pkmsg", "pkmsg"]
    his, plaintext = bob.accept(first[1])
    assert plaintext == b"one"
    assert his.decrypt(*second) == b"two"
    kind, answer = his.encrypt(b"three")
    assert kind == "msg"
    assert hers.decrypt(kind, answer) == b"three"
    assert hers.encrypt(b"four")[0] == "msg"


def test_a_pkmsg_names_the_sender_and_the_prekeys(alice: Party, bob: Party) -> None:
    opening = PreKeyMessage.decode(alice.initiate(bob).encrypt(b"x")[1])
    assert opening.registration_id == 5
    assert opening.signed_prekey_id == 1
    assert opening.prekey_id == 9
    assert opening.identity == alice.identity.public


def test_a_signed_prekey_with_a_wrong_signature_is_refused(alice: Party, bob: Party) -> None:
    mallory = Party(identity=bob.identity)
    mallory.identity = IdentityKeyPair(Party().identity.private, bob.identity.public)
    with pytest.raises(SignalError, match="signature"):
        alice.initiate(mallory)


def test_a_pkmsg_for_a_prekey_that_is_gone_is_refused(alice: Party, bob: Party) -> None:
    _, message = alice.initiate(bob).encrypt(b"x")
    with pytest.raises(SignalError, match="no prekey 9"):
        Session.accept(bob.identity, {1: bob.signed_prekey.private}, {}, message)


def test_a_forged_message_changes_nothing(sessions: tuple[Session, Session]) -> None:
    hers, his = sessions
    kind, message = hers.encrypt(b"genuine")
    for position in (0, 5, len(message) // 2, len(message) - 1):
        forged = bytearray(message)
        forged[position] ^= 1
        with pytest.raises(SignalError):
            his.decrypt(kind, bytes(forged))
    assert his.decrypt(kind, message) == b"genuine"


@for_each("message", [b"", b"\x33", b"\x33" + bytes(8), b"\x22" + bytes(60), b"\xff" * 60])
@for_each("kind", ["msg", "pkmsg"])
def test_a_malformed_message_is_refused(
    sessions: tuple[Session, Session], kind: Kind, message: bytes
) -> None:
    with pytest.raises(SignalError):
        sessions[1].decrypt(kind, message)


def test_a_message_too_far_ahead_is_refused(sessions: tuple[Session, Session]) -> None:
    hers, his = sessions
    late = [hers.encrypt(b"x") for _ in range(2002)][-1]
    with pytest.raises(SignalError, match="too far ahead"):
        his.decrypt(*late)


def test_a_pkmsg_of_another_session_is_accepted_and_the_old_session_stays_readable(
    alice: Party, bob: Party, sessions: tuple[Session, Session]
) -> None:
    hers, his = sessions
    overtaken = hers.encrypt(b"old session")
    hers = alice.initiate(bob, replaces=hers)
    kind, message = hers.encrypt(b"new session")
    with pytest.raises(UnknownBaseKey):
        his.decrypt(kind, message)
    his, plaintext = bob.accept(message, replaces=his)
    assert plaintext == b"new session"
    assert his.decrypt(*overtaken) == b"old session"


def test_sessions_begun_by_both_sides_at_once_converge(alice: Party, bob: Party) -> None:
    hers, his = alice.initiate(bob), bob.initiate(alice)
    from_alice, from_bob = hers.encrypt(b"a"), his.encrypt(b"b")
    hers, first = alice.accept(from_bob[1], replaces=hers)
    his, second = bob.accept(from_alice[1], replaces=his)
    assert (first, second) == (b"b", b"a")
    for number in range(4):
        assert his.decrypt(*hers.encrypt(b"a%d" % number)) == b"a%d" % number
        assert hers.decrypt(*his.encrypt(b"b%d" % number)) == b"b%d" % number


def test_a_seeded_session_gives_the_same_bytes(alice: Party, bob: Party) -> None:
    def encrypted() -> tuple[Kind, bytes]:
        session = Session.initiate(alice.identity, 5, bundle, random=Random(1).randbytes)
        return session.encrypt(b"hello")

    bundle = bob.bundle()
    assert encrypted() == encrypted()


@settings(max_examples=examples(25))
@given(
    rounds=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4),
    shuffle=st.randoms(use_true_random=False),
)
def test_any_interleaving_with_reordering_and_duplicates_decrypts_each_message_once(
    rounds: list[tuple[int, int]], shuffle: Random
) -> None:
    alice, bob = Party(), Party()
    hers = alice.initiate(bob)
    opening = hers.encrypt(b"opening")
    his, plaintext = bob.accept(opening[1])
    assert plaintext == b"opening"
    flying: list[tuple[Session, bytes, tuple[Kind, bytes]]] = [(his, b"opening", opening)]
    done = {(id(his), b"opening")}

    def deliver(count: int) -> None:
        for receiver, text, message in shuffle.sample(flying, count):
            if (id(receiver), text) in done:
                with pytest.raises(DuplicateMessage):
                    receiver.decrypt(*message)
            else:
                assert receiver.decrypt(*message) == text
                done.add((id(receiver), text))

    for turn, counts in enumerate(rounds):
        for sender, receiver, count in ((hers, his, counts[0]), (his, hers, counts[1])):
            for number in range(count):
                text = f"{turn} {number}".encode()
                flying.append((receiver, text, sender.encrypt(text)))
            deliver(shuffle.randint(0, len(flying)))
    deliver(len(flying))
    assert len(done) == len(flying)


@given(plaintext=st.binary(max_size=100), filler=st.binary(min_size=1, max_size=1))
def test_padding_adds_one_to_fifteen_bytes_and_comes_off_again(plaintext: bytes, filler: bytes) -> None:
    padded = pad(plaintext, lambda _: filler)
    assert 1 <= len(padded) - len(plaintext) <= 15
    assert unpad(padded) == plaintext


@for_each("padded", [b"", b"\0", b"\x05\x05", b"abc\x01\x02"])
def test_wrong_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(SignalError, match="padding"):
        unpad(padded)
