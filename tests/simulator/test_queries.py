"""Queries that the real client never sends in these tests, and answers that it does not read."""

from __future__ import annotations

from hashlib import sha1

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.simulator.bare_companion import BareClient, found
from tests.tables import for_each
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import Adv, MmsRetry
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.binary import Node
from whatsapp_simulator.signal import xeddsa
from whatsapp_simulator.signal.primitives import hkdf


@pytest.fixture
def asked() -> BareClient:
    return BareClient(WhatsApp(seed=1))


def test_a_business_shows_its_profile_and_others_show_none(asked: BareClient) -> None:
    bakery, ann = asked.wa.person("Lea"), asked.wa.person("Ann")
    bakery.becomes_business(
        "Lea's Bakery",
        address="Mill Lane 1",
        email="lea@example.org",
        category="Bakery",
        hours={"mon": (420, 1080)},
        timezone="Europe/Dublin",
    )

    def profile(jid: Jid) -> Node:
        body = Node("business_profile", {"v": "244"}, [Node("profile", {"jid": jid})])
        return found(asked.query("w:biz", "get", body), "business_profile")

    shown = found(profile(bakery.lid), "profile")
    assert shown.jid("jid") == bakery.lid
    assert found(shown, "address").data == b"Mill Lane 1"
    assert found(shown, "email").data == b"lea@example.org"
    assert found(shown, "categories", "category").data == b"Bakery"
    assert found(shown, "business_hours").get("timezone") == "Europe/Dublin"
    assert found(shown, "business_hours", "business_hours_config").attrs == {
        "day_of_week": "mon",
        "mode": "specific_hours",
        "open_time": "420",
        "close_time": "1080",
    }
    assert shown.child("website") is None
    assert not profile(ann.lid).children


def test_a_device_list_names_companions_with_their_key_indexes_signed_by_the_phone(asked: BareClient) -> None:
    me = asked.wa.me
    body = Node(
        "usync",
        {"sid": "1", "mode": "query", "context": "message", "last": "true", "index": "0"},
        [
            Node("query", {}, [Node("devices", {"version": 2})]),
            Node("list", {}, [Node("user", {"jid": me.lid})]),
        ],
    )
    devices = found(asked.query("usync", "get", body), "usync", "list", "user", "devices")
    listed = [(each.get("id"), each.get("key-index")) for each in found(devices, "device-list").children]
    assert listed == [("0", ""), ("1", "1")]
    signed = Adv.ADVSignedKeyIndexList.FromString(found(devices, "key-index-list").data)
    assert list(Adv.ADVKeyIndexList.FromString(signed.details).validIndexes) == [0, 1]
    assert xeddsa.verify(me.identity.public, b"\x06\x02" + signed.details, signed.accountSignature)


def test_keys_of_a_device_that_does_not_exist_are_answered_by_an_error(asked: BareClient) -> None:
    ann = asked.wa.person("Ann")
    users = [Node("user", {"jid": jid}) for jid in (ann.lid, Jid(ann.lid.user, "lid", 7), Jid("1", "lid"))]
    answer = found(asked.query("encrypt", "get", Node("key", {}, users)), "list")
    assert [user.children[0].tag for user in answer.children] == ["registration", "error", "error"]


def test_the_servers_send_the_digest_of_a_companions_keys(asked: BareClient) -> None:
    companion = asked.companion
    companion.prekeys = {5: bytes(32), 6: bytes([1]) * 32}
    digest = found(asked.query("encrypt", "get", Node("digest")), "digest")
    assert found(digest, "identity").data == companion.identity
    assert [each.data for each in found(digest, "list").children] == [b"\0\0\x05", b"\0\0\x06"]
    keys = [companion.identity, companion.signed_prekey, companion.signed_prekey_signature]
    assert found(digest, "hash").data == sha1(b"".join([*keys, *companion.prekeys.values()])).digest()


def test_a_new_signed_prekey_takes_the_place_of_the_former_one(asked: BareClient) -> None:
    children = [Node("id", {}, b"\0\0\x09"), Node("value", {}, bytes(32)), Node("signature", {}, bytes(64))]
    asked.query("encrypt", "set", Node("rotate", {}, [Node("skey", {}, children)]))
    bundle = asked.companion.take_bundle()
    assert (bundle.signed_prekey_id, bundle.signed_prekey) == (9, bytes(32))


@for_each(
    "xmlns, kind, content",
    [
        ("abt", "get", Node("props", {"protocol": "1"})),
        ("urn:xmpp:whatsapp:dirty", "set", Node("clean", {"type": "groups"})),
        ("urn:xmpp:whatsapp:push", "set", Node("config", {"platform": "web"})),
        ("tos", "set", Node("notice", {"id": "1", "stage": "5"})),
        ("w:p", "get", None),
    ],
)
def test_background_queries_of_clients_are_answered(
    asked: BareClient, xmlns: str, kind: str, content: Node | None
) -> None:
    assert asked.query(xmlns, kind, *([content] if content else [])).get("type") == "result"
    assert asked.wa.log == []


def test_a_request_to_join_is_accepted_or_rejected(asked: BareClient) -> None:
    ann, ben = asked.wa.person("Ann"), asked.wa.person("Ben")
    group = asked.wa.group("Boat", [])
    group.requests_to_join(ann)
    group.requests_to_join(ben)
    verdicts = [
        Node(verdict, {}, [Node("participant", {"jid": user.lid})])
        for verdict, user in (("approve", ann), ("reject", ben))
    ]
    asked.query("w:g2", "set", Node("membership_requests_action", {}, verdicts), to=group.jid)
    assert set(group.members) == {asked.wa.me.lid, ann.lid}
    assert group.requests == {}


def test_what_members_may_change_is_for_the_admins_to_say(asked: BareClient) -> None:
    ann, ben = asked.wa.person("Ann"), asked.wa.person("Ben")
    group = asked.wa.group("Boat", [ann], founder=ann)

    def refused(content: Node) -> bool:
        return asked.query("w:g2", "set", content, to=group.jid).get("type") == "error"

    approval = [Node("group_join", {"state": "on"})]
    for admins_only in (
        Node("promote", {}, [Node("participant", {"jid": asked.wa.me.lid})]),
        Node("remove", {}, [Node("participant", {"jid": ann.lid})]),
        Node("announcement"),
        Node("locked"),
        Node("membership_approval_mode", {}, approval),
    ):
        assert refused(admins_only), admins_only
    rename, add = Node("subject", {}, "Ship"), Node("add", {}, [Node("participant", {"jid": ben.lid})])
    group.switch("locked", True)
    group.let_members_add(False)
    assert refused(rename)
    assert refused(add)
    group.switch("locked", False)
    group.let_members_add(True)
    assert not refused(rename)
    assert not refused(add)
    group.promote(asked.wa.me)
    assert not refused(Node("membership_approval_mode", {}, approval))
    assert (group.name, group.switches) == ("Ship", {"membership_approval_mode"})
    assert set(group.members) == {asked.wa.me.lid, ann.lid, ben.lid}


def test_who_may_add_members_is_set_by_admins(asked: BareClient) -> None:
    group = asked.wa.group("Boat", [asked.wa.person("Ann")])
    asked.query("w:g2", "set", Node("member_add_mode", {}, "admin_add"), to=group.jid)
    assert group.member_add_mode == "admin_add"
    group.demote(asked.wa.me)
    refused = asked.query("w:g2", "set", Node("member_add_mode", {}, "all_member_add"), to=group.jid)
    assert found(refused, "error").get("code") == "403"


@pytest.mark.anyio
async def test_the_phone_uploads_a_lost_file_again(asked: BareClient) -> None:
    wa, ann = asked.wa, asked.wa.person("Ann")
    message = wa.media.attach("image", b"a picture")
    sent = await ann.says(message)
    wa.media.expire(message, 410)
    cipher = AESGCM(hkdf(message.imageMessage.mediaKey, b"WhatsApp Media Retry Notification", 32))
    plain = MmsRetry.ServerErrorReceipt(stanzaID=sent).SerializeToString()

    def ask(message_id: str) -> Node:
        sealed = [
            Node("enc_p", {}, cipher.encrypt(bytes(12), plain, message_id.encode())),
            Node("enc_iv", {}, bytes(12)),
        ]
        place = Node("rmr", {"jid": ann.lid, "from_me": "false"})
        attrs = {"id": message_id, "to": wa.me.pn, "type": "server-error"}
        asked.sends(Node("receipt", attrs, [Node("encrypt", {}, sealed), place]))
        return asked.last("notification")

    told = ask(sent)
    assert (told.get("type"), told.get("id"), told.jid("from")) == ("mediaretry", sent, wa.me.pn)
    assert found(told, "rmr").jid("jid") == ann.lid
    nonce = found(told, "encrypt", "enc_iv").data
    opened = cipher.decrypt(nonce, found(told, "encrypt", "enc_p").data, sent.encode())
    answer = MmsRetry.MediaRetryNotification.FromString(opened)
    assert answer.result == answer.SUCCESS
    message.imageMessage.directPath = answer.directPath
    assert wa.media.open(message) == b"a picture"
    assert found(ask("3A00"), "error").get("code") == "2"
    assert wa.log == []


def test_an_unknown_query_is_refused_and_logged(asked: BareClient) -> None:
    for kind in ("get", "set", ""):
        assert asked.query("w:unheard", kind, Node("of")).get("type") == "error"
    assert [each.kind for each in asked.wa.log] == ["unanswered"] * 3
