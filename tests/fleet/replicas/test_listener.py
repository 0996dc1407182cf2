"""Replicas and nodes speak to each other over TLS on which both show certificates of one authority."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
import trustme
from anyio._backends._asyncio import TCPSocketListener
from anyio.abc import ByteStream

from tests.fleet.replicas.rig import SECRET
from whatsapp_fleet.node.replicas import listener, peers
from whatsapp_fleet.node.replicas.listener import accept, connect
from whatsapp_fleet.node.replicas.peers import Peers, Unreachable, connected
from whatsapp_fleet.node.replicas.serving import Served
from whatsapp_fleet.node.replicas.wire import PERFORM, PING, PROTOCOL
from whatsapp_fleet.settings import NodeSettings
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.processes import admission
from whatsapp_mcp.processes.admission import HELLO

pytestmark = pytest.mark.anyio
LIMIT = 30.0
OPERATE_LINE = (
    b'{"jsonrpc":"2.0","id":1,"method":"operate","params":{"account":"work","operation":"unlink"}}\n'
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def node_of(folder: Path, issuer: trustme.CA, trusted: trustme.CA, name: str = "127.0.0.1") -> NodeSettings:
    """The settings of a side with a certificate of `issuer`, which trusts those of `trusted`."""
    folder.mkdir()
    certificate = issuer.issue_cert(name)
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    trusted.cert_pem.write_to_path(folder / "authority.pem")
    return NodeSettings(
        certificate=folder / "certificate.pem", key=folder / "key.pem", authority=folder / "authority.pem"
    )


@asynccontextmanager
async def listening(node: NodeSettings) -> AsyncIterator[str]:
    """A node that leads nothing, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept, bound, node, Served(SECRET).serve)
            yield f"127.0.0.1:{bound.getsockname()[1]}"
            tasks.cancel_scope.cancel()


async def answered(address: str, node: NodeSettings) -> str:
    """Who answers a call for an account that the node does not lead."""
    with anyio.fail_after(LIMIT):
        async with await connect(address, node) as stream, connected(stream, SECRET) as connection:
            answer = await connection.ask(PERFORM, {"account": "work"}, deadline=LIMIT)
            return answer["by"]


async def is_refused(address: str, node: NodeSettings, secret: str = SECRET) -> None:
    """See that nothing is answered to a replica with these settings."""
    async with anyio.create_task_group() as tasks:
        with pytest.raises(Unreachable):
            await Peers(lambda at: connect(at, node), secret, tasks).at(address)


async def test_both_sides_with_certificates_of_the_authority_understand_each_other(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with listening(node_of(tmp_path / "node", authority, authority)) as address:
        assert await answered(address, node_of(tmp_path / "replica", authority, authority)) == "nobody"


async def test_whoever_shows_no_certificate_of_the_authority_is_answered_nothing(
    tmp_path: Path, authority: trustme.CA
) -> None:
    stranger = node_of(tmp_path / "stranger", trustme.CA(), authority)
    async with listening(node_of(tmp_path / "node", authority, authority)) as address:
        await is_refused(address, stranger)


async def test_whoever_speaks_in_the_clear_is_answered_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    async with listening(node_of(tmp_path / "node", authority, authority)) as address:
        await is_refused(address, NodeSettings())


async def test_only_the_certificates_of_replicas_that_are_named_may_call(
    tmp_path: Path, authority: trustme.CA
) -> None:
    named = node_of(tmp_path / "node", authority, authority).model_copy(
        update={"replicas": ("replica1.example.org",)}
    )
    replica = node_of(tmp_path / "replica", authority, authority, "Replica1.example.org")
    other_node = node_of(tmp_path / "other", authority, authority, "node2.example.org")
    async with listening(named) as address:
        assert await answered(address, replica) == "nobody"
        await is_refused(address, other_node)


def test_replicas_are_named_only_where_certificates_are_asked_for() -> None:
    with pytest.raises(ValueError, match="known by their certificates"):
        NodeSettings(replicas=("replica1.example.org",))


async def test_connections_that_show_nothing_keep_no_replica_out(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "GREETING_LIMIT", 3600.0)
    monkeypatch.setattr(admission, "UNGREETED", 4)
    monkeypatch.setattr(listener, "MOST", 8)
    node = node_of(tmp_path / "node", authority, authority)
    replica = node_of(tmp_path / "replica", authority, authority)
    async with listening(node) as address, AsyncExitStack() as idle:
        host, port = address.split(":")
        for _ in range(20):
            await idle.enter_async_context(await anyio.connect_tcp(host, int(port)))
        assert await answered(address, replica) == "nobody"
        assert await answered(address, replica) == "nobody"


async def test_a_node_whose_certificate_is_for_another_address_is_told_nothing(
    tmp_path: Path, authority: trustme.CA
) -> None:
    other = node_of(tmp_path / "node", authority, authority, "node2.example.org")
    replica = node_of(tmp_path / "replica", authority, authority)
    async with listening(other) as address:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(address, replica)


async def test_a_replica_says_once_why_it_does_not_reach_a_node(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    node = node_of(tmp_path / "node", authority, authority, "node2.example.org")
    replica = node_of(tmp_path / "replica", authority, authority)
    async with listening(node) as address, anyio.create_task_group() as tasks:
        reached = Peers(partial(connect, node=replica), SECRET, tasks)
        for _ in range(2):
            with pytest.raises(Unreachable):
                await reached.at(address)
    said = [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith(f"replica: node {address} cannot be reached: its certificate is not accepted: ")


async def test_a_certificate_that_is_replaced_is_shown_from_then_on(
    tmp_path: Path, authority: trustme.CA
) -> None:
    renewed = trustme.CA(key_type=trustme.KeyType.ECDSA)
    node = node_of(tmp_path / "node", authority, authority)
    replica = node_of(tmp_path / "replica", renewed, renewed)
    async with listening(node) as address:
        for name in ("certificate.pem", "key.pem", "authority.pem"):
            (tmp_path / "node" / name).write_bytes((tmp_path / "replica" / name).read_bytes())
        assert await answered(address, replica) == "nobody"


async def test_without_certificates_only_loopback_is_connected_to() -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect("192.0.2.1:7420", NodeSettings())
    async with listening(NodeSettings()) as address:
        assert await answered(address, NodeSettings()) == "nobody"


@pytest.mark.parametrize("has_certificate", [True, False])
async def test_whoever_does_not_show_the_secret_of_the_fleet_is_answered_nothing(
    tmp_path: Path, authority: trustme.CA, has_certificate: bool
) -> None:
    node, proxy = NodeSettings(), NodeSettings()
    if has_certificate:
        node = node_of(tmp_path / "node", authority, authority)
        proxy = node_of(tmp_path / "proxy", authority, authority)
    async with listening(node) as address:
        await is_refused(address, proxy, "another")
        await is_refused(address, proxy, "")


async def said(address: str, line: bytes) -> bytes:
    """What a node without certificates answers to one who opens with these bytes, until it hangs up."""
    host, port = address.split(":")
    answered = b""
    with anyio.fail_after(LIMIT):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(line)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    answered += await stream.receive()
    return answered


async def test_a_request_of_a_web_page_is_answered_nothing_and_its_body_is_not_read() -> None:
    request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\r\n" + OPERATE_LINE
    async with listening(NodeSettings()) as address:
        assert await said(address, request) == b""


async def test_a_call_before_the_secret_is_denied_and_the_connection_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "GREETING_LIMIT", 0.2)
    async with listening(NodeSettings()) as address:
        answer = json.loads(await said(address, OPERATE_LINE))
    assert answer["error"]["data"]["code"] == "DENIED"


async def test_no_more_than_a_secret_is_taken_of_one_who_has_not_shown_it() -> None:
    hello = {"protocol": PROTOCOL, "secret": SECRET, "more": "x" * 5_000}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": HELLO, "params": hello}).encode() + b"\n"
    async with listening(NodeSettings()) as address:
        assert await said(address, line) == b""
        async with (
            await connect(address, NodeSettings()) as stream,
            connected(stream, SECRET) as node,
        ):
            assert await node.ask(PING, {"more": "x" * 5_000}, deadline=LIMIT) is None


async def test_a_replica_of_another_protocol_is_told_which_one_is_spoken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening(NodeSettings()) as address:
        monkeypatch.setattr(peers, "PROTOCOL", PROTOCOL - 1)
        stream = await connect(address, NodeSettings())
        with pytest.raises(Busy, match="another protocol"):
            async with stream, connected(stream, ""):
                pass


async def test_a_replica_that_is_taken_off_the_list_calls_no_more_though_it_is_connected(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "LOOK", 0.01)
    node = node_of(tmp_path / "node", authority, authority)
    replica = node_of(tmp_path / "replica", authority, authority, "replica1.example.org")
    listed = ["replica1.example.org"]
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept, bound, node, Served(SECRET).serve, lambda: listed)
            async with await connect(address, replica) as stream, connected(stream, SECRET) as connection:
                assert await connection.ask(PING, {}, deadline=LIMIT) is None
                listed[:] = ["replica2.example.org"]
                with anyio.fail_after(LIMIT):
                    await connection._peer.wait_closed()
            await is_refused(address, replica)
            tasks.cancel_scope.cancel()


async def test_only_tls_1_3_is_spoken(tmp_path: Path, authority: trustme.CA) -> None:
    replica = node_of(tmp_path / "replica", authority, authority)
    context = ssl.create_default_context(cafile=str(replica.authority))
    context.load_cert_chain(str(replica.certificate), str(replica.key))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(node_of(tmp_path / "node", authority, authority)) as address:
        host, port = address.split(":")
        with pytest.raises((OSError, anyio.BrokenResourceError)):
            await anyio.connect_tcp(host, int(port), ssl_context=context)


async def test_a_node_that_has_no_descriptor_for_a_connection_accepts_it_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ECONNABORTED, "Aborted")]
    accepted = TCPSocketListener.accept

    async def accept_later(self: TCPSocketListener) -> ByteStream:
        if refusals:
            raise refusals.pop()
        return await accepted(self)

    monkeypatch.setattr(TCPSocketListener, "accept", accept_later)
    monkeypatch.setattr(admission, "PAUSE", 0.0)
    async with listening(NodeSettings()) as address:
        assert await answered(address, NodeSettings()) == "nobody"
    assert not refusals


async def test_beyond_the_most_connections_one_waits_until_another_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("whatsapp_fleet.node.replicas.listener.MOST", 1)
    async with listening(NodeSettings()) as address:
        for _ in range(3):
            assert await answered(address, NodeSettings()) == "nobody"
