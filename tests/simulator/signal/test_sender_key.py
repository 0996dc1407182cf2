from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_simulator.signal.sender_key import DuplicateMessage, SenderKey, SenderKeyReceiver
from whatsapp_simulator.signal.wire import SignalError


@pytest.fixture
def sender() -> SenderKey:
    return SenderKey.create()


def test_every_member_decrypts_the_same_message(sender: SenderKey) -> None:
    members = [SenderKeyReceiver.from_distribution(sender.distribution()) for _ in range(3)]
    message = sender.encrypt(b"hello all")
    assert [member.decrypt(message) for member in members] == [b"hello all"] * 3


def test_a_later_member_reads_from_then_on(sender: SenderKey) -> None:
    early = sender.encrypt(b"before")
    member = SenderKeyReceiver.from_distribution(sender.distribution())
    with pytest.raises(DuplicateMessage):
        member.decrypt(early)
    assert member.decrypt(sender.encrypt(b"after")) == b"after"


def test_a_known_key_handed_out_again_keeps_overtaken_messages_readable(sender: SenderKey) -> None:
    member = SenderKeyReceiver.from_distribution(sender.distribution())
    overtaken = sender.encrypt(b"one")
    member.update(sender.distribution())
    assert member.decrypt(overtaken) == b"one"


def test_the_last_five_keys_stay_readable() -> None:
    senders = [SenderKey.create() for _ in range(6)]
    member = SenderKeyReceiver.from_distribution(senders[0].distribution())
    for sender in senders[1:]:
        member.update(sender.distribution())
    with pytest.raises(SignalError, match="no sender key"):
        member.decrypt(senders[0].encrypt(b"x"))
    assert [member.decrypt(sender.encrypt(b"x")) for sender in senders[1:]] == [b"x"] * 5


def test_a_forged_message_is_refused_and_changes_nothing(sender: SenderKey) -> None:
    member = SenderKeyReceiver.from_distribution(sender.distribution())
    message = sender.encrypt(b"genuine")
    for position in range(0, len(message), 7):
        forged = bytearray(message)
        forged[position] ^= 1
        with pytest.raises(SignalError):
            member.decrypt(bytes(forged))
    assert member.decrypt(message) == b"genuine"


def test_a_message_too_far_ahead_is_refused(sender: SenderKey) -> None:
    member = SenderKeyReceiver.from_distribution(sender.distribution())
    sender.chain.index = 2001
    with pytest.raises(SignalError, match="too far ahead"):
        member.decrypt(sender.encrypt(b"x"))


@given(count=st.integers(1, 12), shuffle=st.randoms(use_true_random=False))
def test_any_order_with_duplicates_decrypts_each_message_once(count: int, shuffle: Random) -> None:
    sender = SenderKey.create()
    member = SenderKeyReceiver.from_distribution(sender.distribution())
    texts = [b"%d" % number for number in range(count)]
    flying = [(text, sender.encrypt(text)) for text in texts] * 2
    shuffle.shuffle(flying)
    read: list[bytes] = []
    for text, message in flying:
        if text in read:
            with pytest.raises(DuplicateMessage):
                member.decrypt(message)
        else:
            assert member.decrypt(message) == text
            read.append(text)
    assert sorted(read) == sorted(texts)


def test_a_seeded_sender_key_gives_the_same_bytes() -> None:
    first, second = (SenderKey.create(Random(1).randbytes) for _ in range(2))
    assert first.distribution() == second.distribution()
    assert first.encrypt(b"x") == second.encrypt(b"x")
