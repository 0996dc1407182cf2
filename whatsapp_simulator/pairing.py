"""Linking a companion: the refs for its QR code, the phone's answer, the companion's signature."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

from whatsapp_simulator import adv, devices
from whatsapp_simulator.account import Account
from whatsapp_simulator.adv import LinkingError
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.companion import CodeRequest, Companion, Registration
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.network import Network

_RESTART = Node("stream:error", {"code": "515"})


async def serve(network: Network, connection: Connection) -> None:
    """Send an unlinked client its refs, until the connection ends."""
    registration = Registration.of(connection)
    source = network.random(f"refs {registration.identity.hex()}")
    refs = [f"2@{source.randbytes(24).hex()}" for _ in range(network.faults.qr_refs)]
    network.registrations.update(dict.fromkeys(refs, registration))
    offer = Node("pair-device", {}, [Node("ref", {}, ref) for ref in refs])
    network.start(_offer, network, connection, offer)
    network.notify()

    async def handle(node: Node) -> None:
        if node.tag == "iq":
            _answer(network, registration, node)

    try:
        await connection.serve(handle)
    finally:
        for ref in refs:
            del network.registrations[ref]
        for number, request in list(network.code_requests.items()):
            if request.registration is registration:
                del network.code_requests[number]


async def _offer(network: Network, connection: Connection, offer: Node) -> None:
    """Send a client its refs, which it must acknowledge."""
    try:
        answer = await connection.query([offer], xmlns="md")
    except TimeoutError:
        if connection.is_open:
            network.log_anomaly("unanswered", repr(offer))
    else:
        if answer.get("type") != "result":
            network.log_anomaly("malformed", repr(answer))


def _answer(network: Network, registration: Registration, iq: Node) -> None:
    """Answer a query of a client that is not linked yet."""
    if iq.get("type") not in ("get", "set"):
        return
    answer: list[Node] = []
    code = iq.child("link_code_companion_reg")
    if code is not None and code.get("stage") == "companion_hello":
        ref = network.new_id().encode()
        wrapped = code.child("link_code_pairing_wrapped_companion_ephemeral_pub")
        number = code.jid("jid")
        if number is not None and wrapped is not None:
            network.code_requests[number] = CodeRequest(registration, ref, wrapped.data)
        answer = [Node("link_code_companion_reg", {}, [Node("link_code_pairing_ref", {}, ref)])]
    elif code is not None and code.get("stage") == "companion_finish":
        number = code.jid("jid")
        if number in network.code_requests:
            network.code_requests[number].finish = code
    registration.connection.send(
        Node("iq", {"from": SERVER, "type": "result", "id": iq.get("id")}, answer or None)
    )
    network.notify()


async def enter_code(account: Account, code: str, timeout: float) -> Companion:
    """Link the companion that shows this pairing code, once it requests the phone's number.

    Raises:
        TimeoutError: No companion requested it, or it did not continue.
        LinkingError: The code is wrong, or the companion refused.
    """
    network = account.network
    await network.until(lambda: account.pn in network.code_requests, timeout)
    request = network.code_requests[account.pn]
    half = adv.LinkCodePhone(account.identity, code, network.random(f"pairing code {code}").randbytes)
    children = [
        Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, half.hello(request.wrapped_ephemeral)),
        Node("primary_identity_pub", {}, account.identity.public),
        Node("link_code_pairing_ref", {}, request.ref),
    ]
    attrs = {
        "from": SERVER,
        "id": network.new_id(),
        "type": "link_code_companion_reg",
        "t": network.timestamp(),
    }
    body = Node("link_code_companion_reg", {"stage": "primary_hello"}, children)
    request.registration.connection.send(Node("notification", attrs, [body]))
    await network.until(lambda: request.finish is not None, timeout)
    bundle = request.finish.child("link_code_pairing_wrapped_key_bundle") if request.finish else None
    secret = half.finish(bundle.data if bundle else b"", request.registration.identity)
    return await link(account, request.registration, secret)


async def scan(account: Account, qr_text: str) -> Companion:
    """Link the companion that shows `qr_text` to `account`.

    Raises:
        LinkingError: The code is unreadable or not valid now, or the companion refused.
    """
    code = adv.parse_qr(qr_text)
    registration = account.network.registrations.get(code.ref)
    if registration is None:
        raise LinkingError("no companion shows this code (any more)")
    if (registration.noise_public, registration.identity) != (code.noise_public, code.identity_public):
        raise LinkingError("the code contains other keys than the companion's payload")
    return await link(account, registration, code.adv_secret)


async def link(account: Account, registration: Registration, adv_secret: bytes) -> Companion:
    """Sign a companion's identity and let it log in.

    Raises:
        LinkingError: The phone, the server or the companion refused.
    """
    network, connection = account.network, registration.connection
    if network.faults.full:
        raise LinkingError("the phone has four linked devices already")
    if network.faults.passkey:
        connection.send(_passkey_request(network))
        raise LinkingError("the server asks for a passkey")
    if network.faults.wrong_adv:
        adv_secret = bytes(len(adv_secret))
    companion = account.new_companion(registration)
    answer = await connection.query([_success(account, companion, adv_secret)], t=network.timestamp())
    _check_signature(account, companion, answer)
    account.companions[companion.number] = companion
    connection.send(_RESTART)
    devices.announce(account, but=companion)
    network.notify()
    return companion


def _passkey_request(network: Network) -> Node:
    """The WebAuthn request options that WhatsApp has sent to some accounts since June 2026."""
    challenge = urlsafe_b64encode(network.random("passkey challenge").randbytes(32)).rstrip(b"=").decode()
    options = {
        "challenge": challenge,
        "timeout": 600_000,
        "rpId": "whatsapp.com",
        "allowCredentials": [],
        "userVerification": "required",
        "extensions": {},
    }
    body = Node("passkey_request_options", {}, json.dumps(options).encode())
    attrs = {
        "from": SERVER,
        "id": network.new_id(),
        "type": "passkey_prologue_request",
        "t": network.timestamp(),
    }
    return Node("notification", attrs, [body])


def _success(account: Account, companion: Companion, adv_secret: bytes) -> Node:
    """The pair-success stanza: the phone's signature for a companion, and the companion's addresses."""
    network = account.network
    identity = adv.sign_companion(
        account.identity,
        companion.identity,
        adv_secret,
        raw_id=account.raw_id,
        timestamp=network.timestamp(),
        key_index=companion.number,
        random=network.random(f"companion {account.pn.user} {companion.number}").randbytes,
    )
    content = [
        Node("device-identity", {}, identity),
        Node("device", {"jid": companion.pn, "lid": companion.lid}),
        Node("platform", {"name": "android"}),
    ]
    return Node("pair-success", {}, content)


def _check_signature(account: Account, companion: Companion, answer: Node) -> None:
    """Verify the companion's signature.

    Raises:
        LinkingError: The companion refused, or its signature is wrong.
    """
    signed = answer.child("pair-device-sign", "device-identity")
    if answer.get("type") != "result" or signed is None:
        raise LinkingError(f"the companion refused: {answer!r}")
    if signed.get("key-index") != str(companion.number):
        raise LinkingError("the companion signed for another key index")
    if not adv.verify_companion_signature(signed.data, companion.identity, account.identity.public):
        raise LinkingError("the companion's own signature is wrong")
