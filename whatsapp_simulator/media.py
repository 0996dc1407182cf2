"""The media hosts, from which clients download, upload and delete encrypted blobs over HTTPS.

A blob is identified by its hash, with which every path to it ends. A direct path already contains a query,
because clients append `&hash=...` and more to it. Uploads and deletions need the `auth` of `media_conn`.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import media_crypto
from whatsapp_simulator.envelope import unwrapped
from whatsapp_simulator.http import MalformedRequest, Request, read_body, read_request, response
from whatsapp_simulator.media_crypto import EncryptedMedia, KindInfo
from whatsapp_simulator.simulation import Simulation

DOMAIN = "cdn.whatsapp.net"
HOSTS = (f"media-sim1-1.{DOMAIN}", f"media-sim2-1.{DOMAIN}")
"""The hosts listed in `media_conn`, in the order in which clients try them."""
FALLBACK_HOST = "mmg.whatsapp.net"
"""The host from which clients fetch a direct path if `media_conn` listed none."""

Kind = Literal["image", "video", "gif", "video_note", "audio", "voice", "document", "sticker"]


@dataclass(frozen=True, slots=True)
class _Format:
    field: str
    info: KindInfo
    mimetype: str


_FORMATS: dict[Kind, _Format] = {
    "image": _Format("imageMessage", "WhatsApp Image Keys", "image/jpeg"),
    "video": _Format("videoMessage", "WhatsApp Video Keys", "video/mp4"),
    "gif": _Format("videoMessage", "WhatsApp Video Keys", "video/mp4"),
    "video_note": _Format("ptvMessage", "WhatsApp Video Keys", "video/mp4"),
    "audio": _Format("audioMessage", "WhatsApp Audio Keys", "audio/mpeg"),
    "voice": _Format("audioMessage", "WhatsApp Audio Keys", "audio/ogg; codecs=opus"),
    "document": _Format("documentMessage", "WhatsApp Document Keys", "application/octet-stream"),
    "sticker": _Format("stickerMessage", "WhatsApp Image Keys", "image/webp"),
}


@dataclass(slots=True)
class Blob:
    """A stored blob: encrypted bytes, and the HTTP status for downloads (200 at first)."""

    data: bytes
    status: int = 200


@dataclass(frozen=True, slots=True)
class Picture:
    """A profile picture and its id, which is new with each change."""

    id: str
    data: bytes

    @property
    def name(self) -> str:
        """Name of the picture on the media hosts, which store it unencrypted."""
        return f"{self.id}.jpg"


@dataclass(frozen=True, slots=True)
class Upload:
    """A blob that was encrypted and uploaded."""

    media: EncryptedMedia
    direct_path: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """A file that was uploaded again: its key and its new path."""

    media_key: bytes
    direct_path: str


class MediaHosts:
    """All media hosts of one simulated WhatsApp; they serve the same blobs.

    Attributes:
        blobs: The stored blobs, by the hash with which each path to them ends.
        requests: Every request so far, as method and path.
        auth: The credential from `media_conn`, which uploads must present.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._faults = simulation.faults
        self._random = simulation.random("media")
        self.auth = self._random.randbytes(16).hex()
        self.blobs: dict[str, Blob] = {}
        self.requests: list[tuple[str, str]] = []

    def put(self, info: KindInfo, plaintext: bytes) -> Upload:
        """Encrypt a blob with a new key and store it."""
        media = media_crypto.encrypt(info, plaintext, random=self._random.randbytes)
        return Upload(media, self._keep(media.ciphertext_with_mac))

    def attach(self, kind: Kind, data: bytes, **fields: Any) -> E2E.Message:
        """A message with this file, for `says`; the file is on the hosts afterwards.

        Args:
            kind: The kind of media.
            data: The file.
            **fields: Further fields of the media message (`caption`, `fileName`, `mimetype`, `seconds` ...).
        """
        form = _FORMATS[kind]
        upload = self.put(form.info, data)
        message = E2E.Message()
        part = getattr(message, form.field)
        values: dict[str, Any] = {
            "URL": f"https://{HOSTS[0]}{upload.direct_path}",
            "directPath": upload.direct_path,
            "mimetype": form.mimetype,
            "fileLength": upload.media.file_length,
            "fileSHA256": upload.media.file_sha256,
            "fileEncSHA256": upload.media.file_enc_sha256,
            "mediaKey": upload.media.media_key,
        }
        values |= {"PTT": True} if kind == "voice" else {}
        values |= {"gifPlayback": True} if kind == "gif" else {}
        part.MergeFrom(type(part)(**(values | fields)))
        return message

    def open(self, message: E2E.Message) -> bytes:
        """The file in a message that a client sent, verified against the message's hashes and length.

        Raises:
            MediaError: The blob is missing, or does not match the message.
        """
        form, part = _media_part(message)
        blob = self.blobs.get(_name(part.directPath))
        if blob is None:
            raise media_crypto.MediaError(f"nothing at {part.directPath}")
        plaintext = media_crypto.decrypt(
            form.info,
            blob.data,
            part.mediaKey,
            file_sha256=part.fileSHA256,
            file_enc_sha256=part.fileEncSHA256,
        )
        if len(plaintext) != part.fileLength:
            raise media_crypto.MediaError(f"{len(plaintext)} bytes, not {part.fileLength}")
        return plaintext

    def expire(self, message: E2E.Message, status: int = 410) -> None:
        """Answer downloads of this message's file with `status` (403, 404 or 410) from now on."""
        _, part = _media_part(message)
        self.blobs[_name(part.directPath)].status = status

    def renew(self, message: E2E.Message) -> Renewed:
        """Upload this message's file again, as its sender's phone does when a host has lost it.

        Raises:
            MediaError: The message has no file, or the file no longer exists.
        """
        _, part = _media_part(message)
        name = _name(part.directPath)
        if name not in self.blobs:
            raise media_crypto.MediaError(f"nothing at {part.directPath}")
        self.blobs[name].status = 200
        return Renewed(part.mediaKey, f"/v/t62.7118-24/{name}?ccb=11-4&oh=again")

    async def serve(self, stream: anyio.abc.ByteStream) -> None:
        """Answer the HTTP requests of one TLS stream until it ends."""
        buffered = BufferedByteReceiveStream(stream)
        while True:
            try:
                request = await read_request(buffered)
            except MalformedRequest as error:
                self._simulation.log_anomaly("malformed", str(error))
                await stream.send(response(400))
                return
            body = await read_body(buffered, request)
            await self._faults.silence.passed()
            await stream.send(self._answer(request, body))
            self._simulation.notify()

    def _answer(self, request: Request, body: bytes) -> bytes:
        target = urlsplit(request.target)
        self.requests.append((request.method, target.path))
        status = self._faults.next_media_status()
        if status is not None:
            return response(status)
        query = parse_qs(target.query)
        if request.method == "GET":
            return self._download(target.path)
        if query.get("auth") != [self.auth]:
            self._simulation.log_anomaly("media", f"{request.method} {target.path} without the right auth")
            return response(401)
        if request.method == "POST":
            return self._take(target.path, body)
        if request.method == "DELETE":
            return response(200 if self.blobs.pop(_name(target.path), None) else 404)
        self._simulation.log_anomaly("media", f"{request.method} {target.path}")
        return response(405)

    def _download(self, path: str) -> bytes:
        blob = self.blobs.get(_name(path))
        if blob is None or blob.status != 200:
            return response(blob.status if blob else 404)
        data = blob.data
        if self._faults.media_corrupt:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        return response(200, {"Content-Type": "application/octet-stream"}, data)

    def _take(self, path: str, body: bytes) -> bytes:
        token = _name(path)
        if token != _base64(sha256(body).digest()):
            self._simulation.log_anomaly("media", f"POST {path} is not named by the hash of its body")
            return response(400)
        direct_path = self._keep(body)
        answer = {
            "url": f"https://{HOSTS[0]}{direct_path}",
            "direct_path": direct_path,
            "handle": token,
            "object_id": token,
        }
        return response(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _keep(self, data: bytes) -> str:
        name = _base64(sha256(data).digest())
        self.blobs[name] = Blob(data)
        return f"/v/t62.7118-24/{name}?ccb=11-4"


def _media_part(message: E2E.Message) -> tuple[_Format, Any]:
    message = unwrapped(message)
    for form in _FORMATS.values():
        if message.HasField(form.field):  # type: ignore[arg-type]  # the names are fields
            return form, getattr(message, form.field)
    raise media_crypto.MediaError("the message has no file")


def _name(path: str) -> str:
    return urlsplit(path).path.rpartition("/")[2].rstrip("=")


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
