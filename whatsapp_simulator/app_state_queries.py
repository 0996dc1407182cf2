"""Queries about app state (`w:sync:app:state`): a companion fetches missing patches, and uploads its own.

A companion without any version gets a snapshot, others the patches since their version. Large ones are blobs
on the media hosts.
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.protobufs import ServerSync
from whatsapp_simulator.account import Client
from whatsapp_simulator.app_state_crypto import (
    AppStateCollection,
    AppStateConflict,
    AppStateError,
)
from whatsapp_simulator.binary import Node
from whatsapp_simulator.queries import QueryError, Table

_INLINE_MUTATIONS = 100
_PATCHES_AT_ONCE = 50


def _sync(client: Client, iq: Node) -> Sequence[Node]:
    return [Node("sync", {}, [_answer(client, each) for each in iq.children[0].all("collection")])]


def _answer(client: Client, asked: Node) -> Node:
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
        return _missing(client, collection, asked, _error(409, "conflict"))
    except AppStateError as error:
        client.network.log_anomaly("app state", f"{collection.name} by {client.companion.lid}: {error}")
        return Node("collection", {"name": collection.name, "type": "error"}, [_error(400, "bad-request")])
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


def _error(code: int, text: str) -> Node:
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


TABLE: Table = {("w:sync:app:state", "set", "sync"): _sync}
"""Handlers for `queries.answer`."""
