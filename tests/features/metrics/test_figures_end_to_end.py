"""Two servers of one account: each tells machines the truth of the account, whichever of them leads."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures import HttpServer, client_of, http_server, link
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 60


async def figures(http: httpx2.AsyncClient, server: HttpServer) -> dict[str, float]:
    """What a server says of the account, without the metrics that have further labels."""
    scrape = await http.get(f"{server.base}/metrics", headers=server.headers)
    assert scrape.status_code == 200, scrape.text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(scrape.text)
        for sample in family.samples
        if set(sample.labels) == {"account"}
    }


async def until_it_says(http: httpx2.AsyncClient, server: HttpServer, expected: str) -> None:
    """Wait until `/readyz` answers so."""
    with anyio.fail_after(LIMIT):
        while (await http.get(f"{server.base}/readyz")).text != expected:  # noqa: ASYNC110
            await anyio.sleep(0.1)


async def test_a_follower_tells_of_its_leader_while_that_works_stands_still_and_is_gone(
    whatsapp: WhatsApp, home: Path
) -> None:
    async with (
        http_server(whatsapp, home) as leader,
        httpx2.AsyncClient(trust_env=False, timeout=LIMIT) as http,
    ):
        await until_it_says(http, leader, "not ready: no phone is linked\n")
        async with client_of(leader, "http") as client:
            await link(client, whatsapp)
        async with http_server(whatsapp, home) as follower:
            await until_it_says(http, leader, "ready\n")
            await until_it_says(http, follower, "ready\n")
            of_leader, of_follower = await figures(http, leader), await figures(http, follower)
            same = [f"whatsapp_{name}" for name in ("client_generation", "logins_total", "ready", "linked")]
            assert {name: of_leader[name] for name in same} == {name: of_follower[name] for name in same}
            assert (of_leader["whatsapp_leading"], of_follower["whatsapp_leading"]) == (1, 0)

            leader.process.send_signal(signal.SIGSTOP)
            try:
                await until_it_says(http, follower, "not ready: no leader answers\n")
                alone = await figures(http, follower)
                assert (alone["whatsapp_leader_up"], alone["whatsapp_ready"]) == (0, 0)
                assert "whatsapp_client_generation" not in alone
                assert (await http.get(f"{follower.base}/healthz")).text == "ok\n"
            finally:
                leader.process.send_signal(signal.SIGCONT)
            await until_it_says(http, follower, "ready\n")

            leader.process.kill()
            await until_it_says(http, follower, "ready\n")
            with anyio.fail_after(LIMIT):
                while (await figures(http, follower))["whatsapp_leading"] != 1:  # noqa: ASYNC110
                    await anyio.sleep(0.1)
