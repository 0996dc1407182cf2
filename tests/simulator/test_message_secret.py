import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.neonize_client import NeonizeClient
from tests.tables import for_each
from whatsapp_mcp.protobufs import Neonize
from whatsapp_simulator import WhatsApp, kinds
from whatsapp_simulator.message_secret import (
    MessageSecret,
    MessageSecretError,
    UseCase,
    decrypt_vote,
    encrypt_vote,
    option_hash,
)

POLL = MessageSecret("3EB0AA", "100@lid", bytes(range(32)))
OPTIONS = ["Pizza", "Sushi", "Čočka"]


@given(chosen=st.lists(st.sampled_from(OPTIONS), unique=True))
def test_a_vote_is_read_by_its_options_names(chosen: list[str]) -> None:
    vote = encrypt_vote(POLL, "200@lid", chosen)
    assert decrypt_vote(POLL, "200@lid", vote, OPTIONS) == chosen


def test_a_vote_of_another_voter_or_poll_is_refused() -> None:
    vote = encrypt_vote(POLL, "200@lid", ["Pizza"])
    with pytest.raises(MessageSecretError):
        decrypt_vote(POLL, "300@lid", vote, OPTIONS)
    with pytest.raises(MessageSecretError):
        decrypt_vote(MessageSecret("3EB0AB", POLL.sender, POLL.secret), "200@lid", vote, OPTIONS)


def test_a_vote_for_an_option_that_does_not_exist_is_refused() -> None:
    vote = encrypt_vote(POLL, "200@lid", ["Soup"])
    with pytest.raises(MessageSecretError, match="no such option"):
        decrypt_vote(POLL, "200@lid", vote, OPTIONS)


@for_each("use_case", ["Enc Reaction", "Enc Comment", "Event Response", "Event Edit"])
def test_other_answers_are_read_for_their_use_only(use_case: UseCase) -> None:
    payload, iv = POLL.encrypt(use_case, "200@lid", b"answer")
    assert POLL.decrypt(use_case, "200@lid", payload, iv) == b"answer"
    with pytest.raises(MessageSecretError):
        POLL.decrypt("Poll Vote", "200@lid", payload, iv)


@pytest.mark.anyio
async def test_the_real_client_reads_votes_in_direct_chats_and_groups(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    for to in (None, wa.group("Boat", [ann])):
        poll = await ann.says(kinds.poll("When?", ["today", "tomorrow"], bytes(32)), to)
        vote = await ann.votes(poll, "tomorrow")
        event = await client.wait("Message", lambda event, vote=vote: vote == event.Info.ID)
        encoded = event.SerializeToString()
        # The library's own wrapper passes a pointer instead of bytes.
        source = f"neonize._binder.gocode.DecryptPollVote(client.uuid, {encoded!r}, {len(encoded)})"
        answer = await client.call(f"{source}.contents.get_bytes()")
        decrypted = Neonize.ReturnFunctionWithError.FromString(answer)
        assert decrypted.Error == ""
        assert list(decrypted.PollVoteMessage.selectedOptions) == [option_hash("tomorrow")]
