"""The comparison at a soak's end finds what is planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.soak import words
from benchmarks.soak.fleet import Answer
from benchmarks.soak.ledger import Kept, Message, Row, Verdict, compare
from benchmarks.soak.traffic import Sent, Spoken
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.binary import Node
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.people import Person


class World:
    """One message each way, and everything about them as it should be."""

    def __init__(self) -> None:
        self.wa = WhatsApp(seed=5)
        self.ann: Person = self.wa.person("Ann")
        self.spoken = Spoken("IN1", "text", "in-1", "Ann", self.ann, 10.0, None, acknowledged_at=11.0)
        self.sent = Sent("text", "out-2", "send_message", {"text": "out-2"}, (self.ann,), 10.0)
        self.sent.answers.append(Answer({"status": "sent", "message_id": "OUT2"}, None))
        self.kept = Kept()
        self.kept.messages["IN1"].append(Message("in-1", own=False, revoked=False))
        self.kept.messages["OUT2"].append(Message("out-2", own=True, revoked=False))
        self.kept.sends["out-2"].append(Row(1, "sent", "OUT2", None))
        self.client_ends: list[float] = []
        self.arrives("OUT2")

    def arrives(self, message_id: str, text: str = "out-2") -> None:
        """Ann gets a message."""
        self.ann.inbox.append(
            Received(
                message_id,
                E2E.Message(conversation=text),
                self.wa.me.lid,
                self.wa.me.lid,
                10,
                Node("message", {"id": message_id}),
            )
        )

    @property
    def verdict(self) -> Verdict:
        """What the comparison says."""
        return compare(self.wa, [self.spoken], [self.sent], self.kept, self.client_ends)


def test_what_is_as_it_should_be_has_no_complaint() -> None:
    verdict = World().verdict
    assert verdict.unexplained == []
    assert (verdict.archived, verdict.received, verdict.missing, verdict.doubled) == (1, 1, 0, 0)


def _lose_incoming(world: World) -> None:
    del world.kept.messages["IN1"]


def _double_incoming(world: World) -> None:
    world.kept.messages["IN1"] *= 2


def _garble_incoming(world: World) -> None:
    world.kept.messages["IN1"][0] = replace(world.kept.messages["IN1"][0], text="in-7")


def _drop_edit(world: World) -> None:
    world.spoken.change = Spoken("IN3", "edit", "in-1 again", "Ann", world.ann, 12.0, None)
    world.spoken.change.target = world.spoken


def _lose_outgoing(world: World) -> None:
    world.ann.inbox.clear()


def _double_outgoing(world: World) -> None:
    world.arrives("OUT3")


def _forget_send(world: World) -> None:
    world.kept.sends.clear()


def _deny_send(world: World) -> None:
    world.kept.sends["out-2"] = [Row(1, "failed", None, "REJECTED")]


def _leave_send(world: World) -> None:
    world.kept.sends["out-2"] = [Row(1, "sending", None, None)]


def _forget_own(world: World) -> None:
    del world.kept.messages["OUT2"]


def _tell_another_id(world: World) -> None:
    world.sent.answers.append(Answer({"status": "sent", "message_id": "OUT9"}, None))


@pytest.mark.parametrize(
    "spoil",
    [
        _lose_incoming,
        _double_incoming,
        _garble_incoming,
        _lose_outgoing,
        _double_outgoing,
        _forget_send,
        _deny_send,
        _leave_send,
        _forget_own,
        _tell_another_id,
    ],
)
def test_every_planted_defect_is_a_complaint(spoil: Callable[[World], None]) -> None:
    world = World()
    spoil(world)
    assert world.verdict.unexplained


def test_a_change_that_was_acknowledged_and_is_not_archived_is_a_complaint() -> None:
    world = World()
    _drop_edit(world)
    change = world.spoken.change
    assert change is not None
    verdict = compare(world.wa, [world.spoken, change], [], world.kept, [])
    assert len(verdict.unexplained) == 1
    world.kept.messages["IN1"][0] = replace(world.kept.messages["IN1"][0], text="in-1 again")
    assert compare(world.wa, [world.spoken, change], [], world.kept, []).unexplained == []


def test_a_reaction_is_archived_until_its_message_is_deleted() -> None:
    world = World()
    asked = {"message": "IN1", "emoji": "👍"}
    world.sent = Sent("reaction", "out-2", "react", asked, (world.ann,), 10.0)
    world.sent.answers.append(Answer({"status": "sent", "message_id": "OUT2"}, None))
    assert len(world.verdict.unexplained) == 1
    world.kept.reactions["IN1"][True] = "👍"
    assert world.verdict.unexplained == []
    world.kept.messages["IN1"][0] = replace(world.kept.messages["IN1"][0], revoked=True)
    assert any("is not archived so" in complaint for complaint in world.verdict.unexplained)
    del world.kept.reactions["IN1"]
    assert not any("is not archived so" in complaint for complaint in world.verdict.unexplained)


def test_a_loss_counts_as_explained_only_near_the_end_of_a_client_and_when_the_archive_tells_of_it() -> None:
    world = World()
    _lose_incoming(world)
    world.client_ends = [12.0]
    assert len(world.verdict.unexplained) == 1, "the archive tells of no gap"
    world.kept.gaps.append("The client ended while events came in.")
    assert world.verdict.unexplained == []
    world.client_ends = [40.0]
    assert len(world.verdict.unexplained) == 1


def test_what_a_client_took_along_is_acknowledged_by_its_successor() -> None:
    world = World()
    _lose_incoming(world)
    world.kept.gaps.append("The client ended while events came in.")
    world.spoken.at, world.spoken.acknowledged_at = 10.0, 13.0
    world.client_ends = [10.5]
    assert world.verdict.unexplained == []
    world.client_ends = [9.5]
    assert len(world.verdict.unexplained) == 1, "said to the successor"


def test_what_a_reader_could_not_decrypt_is_sent_again_by_the_same_client_only() -> None:
    world = World()
    world.ann.inbox.clear()
    world.wa.network.log_anomaly(
        "undecryptable", f"OUT2 from {world.wa.me.lid} at {world.ann.lid}: no session"
    )
    assert len(world.verdict.unexplained) == 1, "its client lives on"
    world.client_ends = [12.0]
    assert (world.verdict.unexplained, world.verdict.missing) == ([], 1)
    world.wa.log.clear()
    assert len(world.verdict.unexplained) == 1, "nobody asked for it again"


def test_a_send_that_is_unknown_may_have_arrived_or_not() -> None:
    world = World()
    world.sent.answers.clear()
    world.kept.sends["out-2"] = [Row(1, "unknown", None, "The client ended.")]
    assert world.verdict.unexplained == []
    _lose_outgoing(world)
    assert world.verdict.unexplained == []


def test_words_are_the_same_for_what_is_asked_for_and_what_arrives() -> None:
    reacted = E2E.Message()
    reacted.reactionMessage.key.ID = "A1"
    reacted.reactionMessage.text = "👍"
    edited = E2E.Message()
    edited.editedMessage.message.protocolMessage.key.ID = "A1"
    edited.editedMessage.message.protocolMessage.type = E2E.ProtocolMessage.MESSAGE_EDIT
    edited.editedMessage.message.protocolMessage.editedMessage.conversation = "new"
    revoked = E2E.Message()
    revoked.protocolMessage.key.ID = "A1"
    revoked.protocolMessage.type = E2E.ProtocolMessage.REVOKE
    pictured = E2E.Message()
    pictured.imageMessage.caption = "out-3"
    for message, content in (
        (reacted, {"kind": "reaction", "message_id": "A1", "emoji": "👍"}),
        (edited, {"kind": "edit", "message_id": "A1", "text": "new"}),
        (revoked, {"kind": "revoke", "message_id": "A1"}),
        (pictured, {"kind": "image", "caption": "out-3"}),
        (E2E.Message(conversation="out-4"), {"kind": "text", "text": "out-4"}),
    ):
        assert words.of_message(message) == words.of_content(content)
