"""Several accounts in one WhatsApp, and what depends on the seed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from tests.simulator.bare_companion import BareClient, Keys
from tests.simulator.neonize_client import NeonizeClient, neonize_client
from tests.tables import for_each
from whatsapp_simulator import WhatsApp, kinds
from whatsapp_simulator.binary import Node
from whatsapp_simulator.network import Network

pytestmark = pytest.mark.anyio


async def test_clients_of_two_accounts_write_to_each_other(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tmp_path: Path
) -> None:
    wa, client = shared_wa, shared_client
    other = wa.account("+4915550001111", "Other")
    async with neonize_client(wa, tmp_path / "other.db") as second:
        await second.connect()
        await other.scan(await second.qr())
        await second.wait("Connected")
        await client.call(f"client.send_message(jid('{other.pn.user}'), 'hello other')")
        event = await second.message("hello other")
        assert event.Info.MessageSource.Sender.User == wa.me.lid.user
        await second.call(f"client.send_message(jid('{wa.me.pn.user}'), 'hello me')")
        assert (await client.message("hello me")).Info.MessageSource.Sender.User == other.lid.user
        chat = f"jid('{wa.me.lid.user}', 'lid')"
        read = "__import__('neonize.utils.enum', fromlist=['x']).ReceiptType.READ"
        await second.call(f"client.mark_read('{event.Info.ID}', chat={chat}, sender={chat}, receipt={read})")
        receipt = await client.wait("Receipt", lambda each: event.Info.ID in each.MessageIDs)
        assert receipt.MessageSource.Sender.User == other.lid.user
        enum = "__import__('neonize.utils.enum', fromlist=['x'])"
        shows = (
            f"{enum}.ChatPresence.CHAT_PRESENCE_COMPOSING, {enum}.ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT"
        )
        await second.call(f"client.send_chat_presence({chat}, {shows})")
        assert (await client.wait("ChatPresence")).MessageSource.Sender.User == other.lid.user
        group = wa.group("Both", [other])
        for turn in range(2):
            address = f"jid('{group.jid.user}', 'g.us')"
            await client.call(f"client.send_message({address}, 'from me {turn}')")
            await second.message(f"from me {turn}")
            await second.call(f"client.send_message({address}, 'from other {turn}')")
            await client.message(f"from other {turn}")
    assert [each.text for each in other.inbox[:1]] == ["hello other"]


async def test_the_same_seed_makes_the_same_people_ids_and_keys() -> None:
    async def story(seed: int) -> list[object]:
        async with WhatsApp(seed=seed) as wa:
            ann, bob = wa.person("Ann"), wa.person("Bob")
            group = wa.group("Boat", [ann, bob])
            sent = [await ann.says("hi"), await bob.says("ho", group)]
            return [
                wa.environment()["WHATSAPP_SIMULATOR_NOISE_ROOT"],
                ann.lid,
                ann.identity,
                bob.signed_prekey,
                group.jid,
                group.invite_code,
                sent,
                wa.me.identity,
            ]

    assert await story(5) == await story(5)
    assert await story(5) != await story(6)


async def test_the_same_seed_sends_the_same_bytes_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def now(network: Network) -> float:
        return 1_750_000_000.0

    monkeypatch.setattr(Network, "now", now)

    async def story(seed: int) -> list[Node]:
        wa = WhatsApp(seed=seed)
        ann, bob = wa.person("Ann"), wa.person("Bob")
        bob.becomes_business("Bob's Boats")
        client = BareClient(wa, Keys.seeded(1))
        group = wa.group("Boat", [ann, bob])
        poll = await ann.says(kinds.poll("When?", ["now", "later"], bytes(32)), group)
        await bob.votes(poll, "now")
        await wa.me.says(ann, "from the phone")
        await wa.me.hand_over()
        wa.me.app_state.pin(group)
        await bob.says(wa.media.attach("image", b"a picture"))
        group.rename("Ship")
        ann.calls()
        return client.sent

    assert await story(5) == await story(5)
    assert await story(5) != await story(6)


async def test_it_starts_in_well_under_a_second() -> None:
    with anyio.fail_after(1):
        async with WhatsApp() as wa:
            for number in range(100):
                wa.person(f"Person {number}")


async def test_noise_on_the_port_does_no_harm(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("refused host: /")
    wa, client = shared_wa, shared_client
    host, port = wa.environment()["HTTPS_PROXY"].removeprefix("http://").split(":")
    for noise in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT web.whatsapp.com:443 HTTP/1.1\r\n\r\nnot TLS at all",
        b"\x16\x03\x01\x02",
        b"no end" * 20_000,
    ):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream), anyio.fail_after(2):
                await stream.send(noise)
                await stream.send_eof()
                while await stream.receive():
                    pass
    ann = wa.person("Ann")
    await ann.says("still there")
    await client.message("still there")


async def test_another_host_is_refused_and_logged(wa: WhatsApp, tolerated: list[str]) -> None:
    tolerated.append("refused host: example.org")
    host, port = wa.environment()["HTTPS_PROXY"].removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 403")
    assert [(each.kind, each.detail) for each in wa.log] == [("refused host", "example.org:443")]


@for_each("address", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.5", "203.0.113.7", "2001:db8::1"])
def test_no_address_but_loopback_is_listened_on(address: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        WhatsApp(address=address)


async def test_another_loopback_address_can_be_chosen() -> None:
    async with WhatsApp(address="127.0.0.7") as wa:
        host, _, port = wa.environment()["HTTPS_PROXY"].removeprefix("http://").rpartition(":")
        assert host == "127.0.0.7"
        await (await anyio.connect_tcp(host, int(port))).aclose()
        with pytest.raises(OSError, match=r"."):
            await anyio.connect_tcp("127.0.0.1", int(port))


async def test_an_error_in_a_test_is_not_wrapped_in_an_exception_group() -> None:
    with pytest.raises(ZeroDivisionError):
        async with WhatsApp():
            raise ZeroDivisionError


async def test_a_person_who_writes_to_nobody_named_needs_an_account_to_write_to() -> None:
    async with WhatsApp(seed=1) as wa:
        ann = wa.person("Ann")
        with pytest.raises(LookupError, match="no account yet"):
            await ann.says("is anybody there?")
        assert wa.account("+4915550001", "Jonas") is wa.me
        await ann.says("hello")
        assert [each.text for each in wa.me.inbox] == ["hello"]
