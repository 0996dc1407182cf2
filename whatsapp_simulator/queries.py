"""The answers to a companion's queries (`<iq>`), and those queries that every client makes in the background.

A query is identified by its namespace, its type and the tag of its first child. A handler returns the
children of the result, or raises `QueryError`. Other modules have handler tables of their own;
`login.HANDLERS` combines them.

A companion uploads its published keys (`encrypt`), and fetches those of others. It uploads its patches of app
state (`w:sync:app:state`), and fetches missing ones: without any version a snapshot, otherwise the patches
since its version. Large ones are blobs on the media hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1

from google.protobuf.message import DecodeError

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import ServerSync
from whatsapp_simulator import devices
from whatsapp_simulator.account import Client
from whatsapp_simulator.app_state_crypto import (
    AppStateCollection,
    AppStateConflict,
    AppStateError,
)
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.media import HOSTS
from whatsapp_simulator.signal.session import PreKeyBundle

_CONNECTION_SECONDS = 6 * 3600

Handler = Callable[[Client, Node], Sequence[Node]]
"""Answers one query of one companion."""

Table = Mapping[tuple[str, str, str], Handler]
"""Handlers by namespace, type and tag of the first child (empty when there is none)."""


MALFORMED = (LookupError, ValueError, DecodeError, InvalidArgument)
"""The exceptions that a handler raises for an invalid stanza."""
_INLINE_MUTATIONS = 100
_PATCHES_AT_ONCE = 50


class QueryError(Exception):
    """The query is answered with an error of this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def nothing(client: Client, iq: Node) -> Sequence[Node]:
    """An empty result."""
    del client, iq
    return ()


def _set_passive(client: Client, iq: Node) -> Sequence[Node]:
    """Stop delivering to a companion until it is active again."""
    del iq
    client.companion.active = False
    client.network.notify()
    return ()


def _props(client: Client, iq: Node) -> Sequence[Node]:
    """The flags of experiments (AB props): none."""
    del client, iq
    return [Node("props", {"protocol": 1, "hash": "sim", "refresh": 86400, "refresh_id": 0})]


def _bots(client: Client, iq: Node) -> Sequence[Node]:
    """The list of bots: none."""
    del client
    return [Node("bot", {"v": iq.children[0].get("v")}, [Node("section", {"type": "all", "name": "All"})])]


def _media_conn(client: Client, iq: Node) -> Sequence[Node]:
    """The media hosts, and the credential for uploads."""
    del iq
    attrs = {
        "auth": client.network.media.auth,
        "ttl": _CONNECTION_SECONDS,
        "auth_ttl": _CONNECTION_SECONDS,
        "max_buckets": 12,
    }
    return [Node("media_conn", attrs, [Node("host", {"hostname": host}) for host in HOSTS])]


def _log_out(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    devices.unlink(client.account, client.companion)
    return ()


def registration_id(bundle: PreKeyBundle) -> Node:
    """The registration id, four bytes."""
    return Node("registration", {}, bundle.registration_id.to_bytes(4, "big"))


def published_keys(bundle: PreKeyBundle) -> list[Node]:
    """Identity, signed prekey and, if there is one, a one-time prekey."""
    signed = [
        Node("id", {}, bundle.signed_prekey_id.to_bytes(3, "big")),
        Node("value", {}, bundle.signed_prekey),
        Node("signature", {}, bundle.signed_prekey_signature),
    ]
    nodes = [
        Node("type", {}, b"\x05"),
        Node("identity", {}, bundle.identity),
        Node("skey", {}, signed),
    ]
    if bundle.prekey_id is not None and bundle.prekey is not None:
        one_time = [Node("id", {}, bundle.prekey_id.to_bytes(3, "big")), Node("value", {}, bundle.prekey)]
        nodes.append(Node("key", {}, one_time))
    return nodes


def _count_prekeys(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    return [Node("count", {"value": len(client.companion.prekeys)})]


def _upload(client: Client, iq: Node) -> Sequence[Node]:
    keys = iq.child("list")
    for key in keys.children if keys else ():
        number, value = key.child("id"), key.child("value")
        if number is not None and value is not None:
            client.companion.prekeys[int.from_bytes(number.data, "big")] = value.data
    _take_signed_prekey(client.companion, iq)
    return ()


def _take_signed_prekey(companion: Companion, parent: Node) -> None:
    signed = parent.child("skey")
    if signed is not None:
        number, value, signature = (signed.child(tag) for tag in ("id", "value", "signature"))
        if number and value and signature:
            companion.signed_prekey_id = int.from_bytes(number.data, "big")
            companion.signed_prekey, companion.signed_prekey_signature = (
                value.data,
                signature.data,
            )


def _digest(client: Client, iq: Node) -> Sequence[Node]:
    """A digest of a companion's published keys, for comparison with its own."""
    del iq
    companion = client.companion
    held = [
        companion.identity,
        companion.signed_prekey,
        companion.signed_prekey_signature,
    ]
    digest = sha1(b"".join([*held, *companion.prekeys.values()])).digest()  # noqa: S324
    bundle = companion.bundle()
    children = [
        registration_id(bundle),
        *published_keys(bundle),
        Node("list", {}, [Node("id", {}, number.to_bytes(3, "big")) for number in companion.prekeys]),
        Node("hash", {}, digest),
    ]
    return [Node("digest", {}, children)]


def _rotate(client: Client, iq: Node) -> Sequence[Node]:
    """Store a companion's new signed prekey."""
    rotated = iq.children[0]
    _take_signed_prekey(client.companion, rotated)
    return ()


def _user(jid: Jid, bundle: PreKeyBundle) -> Node:
    return Node("user", {"jid": jid}, [registration_id(bundle), *published_keys(bundle)])


def _bundles(client: Client, iq: Node) -> Sequence[Node]:
    asked = iq.child("key")
    users: list[Node] = []
    for each in asked.children if asked else ():
        jid = each.jid("jid")
        user = client.network.user(jid) if jid else None
        if jid is None:
            continue
        if user is not None and jid.device == 0:
            users.append(_user(jid, user.bundle()))
        elif user is not None and jid.device in user.companions:
            users.append(_user(jid, user.companions[jid.device].take_bundle()))
        else:
            users.append(Node("user", {"jid": jid}, [Node("error", {"code": 404, "text": "item-not-found"})]))
    return [Node("list", {}, users)]


def _sync(client: Client, iq: Node) -> Sequence[Node]:
    return [Node("sync", {}, [_collection(client, each) for each in iq.children[0].all("collection")])]


def _collection(client: Client, asked: Node) -> Node:
    """The answer for one collection: whether a patch was applied, or the patches that the companion lacks."""
    collections = {str(name): each for name, each in client.account.app_state.collections.items()}
    collection = collections.get(asked.get("name"))
    if collection is None:
        client.network.log_anomaly("app state", f"no collection {asked!r}")
        raise QueryError(404, "item-not-found")
    patch = asked.child("patch")
    if patch is None:
        return _missing(client, collection, asked)
    try:
        client.account.app_state.take_patch(client.companion, collection.name, patch.data, _version(asked))
    except AppStateConflict:
        return _missing(client, collection, asked, _error_node(409, "conflict"))
    except AppStateError as error:
        client.network.log_anomaly("app state", f"{collection.name} by {client.companion.lid}: {error}")
        return Node(
            "collection", {"name": collection.name, "type": "error"}, [_error_node(400, "bad-request")]
        )
    return _result(client, collection, collection.version)


def _missing(client: Client, collection: AppStateCollection, asked: Node, *error: Node) -> Node:
    """The requested snapshot, or the patches since the companion's version."""
    if asked.get("return_snapshot") == "true" and collection.version:
        blob = _external(client, collection.snapshot().SerializeToString())
        snapshot = Node("snapshot", {}, blob.SerializeToString())
        return _result(client, collection, collection.version, *error, snapshot)
    since = _version(asked)
    page = collection.patches[since : since + _PATCHES_AT_ONCE]
    patches = Node("patches", {}, [Node("patch", {}, _served(client, each)) for each in page])
    return _result(client, collection, since + len(page), *error, patches)


def _result(client: Client, collection: AppStateCollection, version: int, *content: Node) -> Node:
    client.account.app_state.record_sent(client.companion, collection.name, version)
    attrs = {
        "name": collection.name,
        "version": version,
        "has_more_patches": "true" if version < collection.version else None,
        "type": "error" if any(each.tag == "error" for each in content) else None,
    }
    return Node("collection", attrs, content or None)


def _version(asked: Node) -> int:
    return int(asked.get("version", "0"))


def _error_node(code: int, text: str) -> Node:
    return Node("error", {"code": code, "text": text})


def _served(client: Client, patch: ServerSync.SyncdPatch) -> bytes:
    """A patch in the form sent to companions: many mutations are sent as a blob."""
    if len(patch.mutations) <= _INLINE_MUTATIONS:
        return patch.SerializeToString()
    mutations = ServerSync.SyncdMutations(mutations=patch.mutations).SerializeToString()
    served = ServerSync.SyncdPatch(externalMutations=_external(client, mutations))
    served.MergeFrom(patch)
    served.ClearField("mutations")
    return served.SerializeToString()


def _external(client: Client, blob: bytes) -> ServerSync.ExternalBlobReference:
    upload = client.network.media.put("WhatsApp App State Keys", blob)
    return ServerSync.ExternalBlobReference(
        mediaKey=upload.media.media_key,
        directPath=upload.direct_path,
        handle=upload.direct_path.partition("?")[0],
        fileSizeBytes=upload.media.file_length,
        fileSHA256=upload.media.file_sha256,
        fileEncSHA256=upload.media.file_enc_sha256,
    )


TABLE: Table = {
    ("abt", "get", "props"): _props,
    ("urn:xmpp:whatsapp:dirty", "set", "clean"): nothing,
    ("urn:xmpp:whatsapp:push", "get", "settings"): nothing,
    ("urn:xmpp:whatsapp:push", "set", "config"): nothing,
    ("tos", "set", "notice"): nothing,
    ("bot", "get", "bot"): _bots,
    ("passive", "set", "active"): nothing,
    ("passive", "set", "passive"): _set_passive,
    ("w:p", "get", ""): nothing,
    ("w:p", "get", "ping"): nothing,
    ("w:m", "set", "media_conn"): _media_conn,
    ("md", "set", "remove-companion-device"): _log_out,
    ("encrypt", "get", "count"): _count_prekeys,
    ("encrypt", "set", "registration"): _upload,
    ("encrypt", "get", "key"): _bundles,
    ("encrypt", "get", "digest"): _digest,
    ("encrypt", "set", "rotate"): _rotate,
    ("w:sync:app:state", "set", "sync"): _sync,
}
"""Handlers of the queries that every client makes in the background."""


def answer(client: Client, iq: Node, handlers: Table) -> None:
    """Answer a query with its handler; a query without a handler is refused and logged."""
    network, connection = client.network, client.companion.connection
    xmlns, kind = iq.get("xmlns"), iq.get("type")
    if connection is None or kind in ("result", "error") or network.faults.ignores(xmlns):
        return
    key = xmlns, kind, iq.children[0].tag if iq.children else ""
    try:
        outcome, content = "result", _handled(handlers.get(key), client, iq)
    except QueryError as error:
        outcome, content = "error", [Node("error", {"code": error.code, "text": error.text})]
    attrs = {"from": iq.jid("to") or SERVER, "id": iq.get("id"), "type": outcome}
    connection.send(Node("iq", attrs, list(content) or None))
    if outcome == "result" and key == ("passive", "set", "active"):
        client.companion.activate()


def _handled(handler: Handler | None, client: Client, iq: Node) -> Sequence[Node]:
    if handler is None:
        client.network.log_anomaly("unanswered", repr(iq))
        raise QueryError(501, "feature-not-implemented")
    refusal = client.network.faults.refuse_queries.get(iq.get("xmlns"))
    if refusal is not None:
        raise QueryError(refusal, "refused")
    try:
        return handler(client, iq)
    except MALFORMED as error:
        client.network.log_anomaly("malformed", f"{iq!r}: {error!r}")
        raise QueryError(400, "bad-request") from error
