"""Files between the real client and those on the simulated WhatsApp."""

from __future__ import annotations

import base64
from typing import Any, get_args

import anyio
import pytest

from tests.simulator.neonize_client import CallError, NeonizeClient
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.media import Kind
from whatsapp_simulator.media_crypto import MediaError

pytestmark = pytest.mark.anyio

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
KINDS: tuple[Kind, ...] = get_args(Kind)


async def download(client: NeonizeClient, message: Any, timeout: float = 10) -> bytes:
    source = (
        f"client.download_any(E2E.Message.FromString(bytes.fromhex('{message.SerializeToString().hex()}')))"
    )
    return await client.call(source, timeout)


async def test_a_file_of_every_kind_arrives_and_is_downloaded(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    for kind in KINDS:
        data = f"the {kind}".encode() * 1000
        message = shared_wa.media.attach(kind, data)
        sent = await ann.says(message)
        event = await shared_client.wait("Message", lambda event, id=sent: id == event.Info.ID)
        assert event.Message.ListFields() == message.ListFields()
        if kind != "video_note":  # the library knows no video notes
            assert await download(shared_client, event.Message) == data


async def test_fields_of_a_file_arrive_with_it(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    ann = shared_wa.person("Ann")
    message = shared_wa.media.attach("document", b"%PDF-", fileName="bill.pdf", mimetype="application/pdf")
    sent = await ann.says(message)
    event = await shared_client.wait("Message", lambda event: sent == event.Info.ID)
    assert event.Message.documentMessage.fileName == "bill.pdf"
    assert event.Message.documentMessage.mimetype == "application/pdf"
    quoted = E2E.ContextInfo(stanzaID="3A01")
    voice = shared_wa.media.attach("voice", b"OggS", seconds=3, contextInfo=quoted)
    assert voice.audioMessage.contextInfo.stanzaID == "3A01"
    assert voice.audioMessage.PTT
    assert voice.audioMessage.seconds == 3


async def test_an_image_that_the_client_sends_is_uploaded_and_decrypted(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    await shared_client.call(f"client.send_image(jid('{ann.pn.user}'), {PNG!r}, caption='look')")
    received = await ann.receives()
    assert received.text == "look"
    assert received.message.imageMessage.mimetype == "image/png"
    assert shared_wa.media.open(received.message) == PNG


_UPLOADED_AS = {"image": 0, "sticker": 0, "document": 3, "audio": 2, "voice": 2}  # others are videos: 1


async def test_a_file_of_every_kind_that_the_client_sends_is_decrypted_with_its_fields(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    media_type = "__import__('neonize.utils.enum', fromlist=['x']).MediaType"
    for kind in KINDS:
        data = f"the {kind} of the client".encode() * 100
        upload = await shared_client.call(
            f"client.upload({data!r}, {media_type}({_UPLOADED_AS.get(kind, 1)}))"
        )
        message = (
            shared_wa.media.attach(kind, b"its fields", seconds=3)
            if kind == "voice"
            else (shared_wa.media.attach(kind, b"its fields"))
        )
        ((_, part),) = message.ListFields()
        part.URL, part.directPath, part.mediaKey = upload.url, upload.DirectPath, upload.MediaKey
        part.fileSHA256, part.fileEncSHA256 = upload.FileSHA256, upload.FileEncSHA256
        part.fileLength = len(data)
        await shared_client.call(
            f"client.send_message(jid('{ann.lid.user}', 'lid'), "
            f"E2E.Message.FromString({message.SerializeToString()!r}))"
        )
        received = await ann.receives()
        got = E2E.Message.FromString(received.message.SerializeToString())
        got.ClearField("messageContextInfo")
        assert got == message, kind
        assert shared_wa.media.open(received.message) == data


async def test_a_large_document_that_the_client_sends_is_whole(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    await shared_client.call(
        f"client.send_document(jid('{ann.pn.user}'), bytes(5_000_000), filename='zeros.bin')"
    )
    received = await ann.receives()
    assert received.message.documentMessage.fileName == "zeros.bin"
    assert shared_wa.media.open(received.message) == bytes(5_000_000)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_expired_file_fails_at_once(
    shared_wa: WhatsApp, shared_client: NeonizeClient, status: int
) -> None:
    message = shared_wa.media.attach("image", PNG)
    assert await download(shared_client, message) == PNG
    shared_wa.media.expire(message, status)
    with anyio.fail_after(3), pytest.raises(CallError, match=str(status)):
        await download(shared_client, message)


async def test_a_corrupted_file_is_detected_until_the_fault_ends(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("hash of media ciphertext doesn't match")
    message = shared_wa.media.attach("image", PNG)
    shared_wa.corrupt_media()
    with pytest.raises(CallError, match=r"(?i)hash|hmac"):
        await download(shared_client, message)
    shared_wa.recover()
    assert await download(shared_client, message) == PNG


async def test_throttling_that_ends_is_waited_out(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("status code 429")
    message = shared_wa.media.attach("image", PNG)
    shared_wa.media_status(429, times=1)
    assert await download(shared_client, message) == PNG
    assert [method for method, _ in shared_wa.media.requests] == ["GET", "GET"]


@pytest.mark.slow
async def test_throttling_that_lasts_fails_a_download_after_five_tries_at_each_host(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("status code 503")
    message = shared_wa.media.attach("image", PNG)
    shared_wa.media_status(503)
    with pytest.raises(CallError, match="503"):
        await download(shared_client, message, timeout=60)
    assert len(shared_wa.media.requests) == 10


async def test_an_upload_that_is_refused_fails_the_send(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    shared_wa.media_status(503)
    with pytest.raises(CallError, match="503"):
        await shared_client.call(f"client.send_image(jid('{ann.pn.user}'), {PNG!r})")
    shared_wa.recover()
    await shared_client.call(f"client.send_image(jid('{ann.pn.user}'), {PNG!r})")
    assert shared_wa.media.open((await ann.receives()).message) == PNG


async def test_a_text_carries_no_file(shared_wa: WhatsApp) -> None:
    message = shared_wa.media.attach("image", PNG)
    message.ClearField("imageMessage")
    with pytest.raises(MediaError, match="no file"):
        shared_wa.media.open(message)


async def test_a_file_that_is_not_what_its_message_says_is_rejected(shared_wa: WhatsApp) -> None:
    message = shared_wa.media.attach("image", PNG)
    message.imageMessage.fileLength += 1
    with pytest.raises(MediaError, match="bytes, not"):
        shared_wa.media.open(message)
