"""The card beside `await_approval`: it shows what is asked, and can do nothing else."""

from __future__ import annotations

import json
import subprocess

import pytest
from mcp import Client
from mcp.types import TextResourceContents

from tests.hosts.node import NODE
from whatsapp_mcp.server.tools import approval_card

HOST = """
const listeners = [], sent = [], said = { textContent: "" };
const parent = { postMessage: (message) => sent.push(message) };
const addEventListener = (_, listener) => listeners.push(listener);
const document = { getElementById: () => said };
const tell = (data, source = parent) => listeners.forEach((listener) => listener({ source, data }));
"""
STORY = """
tell({ jsonrpc: "2.0", id: 1, result: {} });
const result = (text) => ({ content: [{ type: "image" }, { type: "text", text }] });
tell({ jsonrpc: "2.0", method: "ui/notifications/tool-result", params: result("<b>hello</b>") });
const other = { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: result("forged") };
tell(other, {});
tell("noise");
tell({ jsonrpc: "2.0", id: 7, method: "ui/resource-teardown", params: {} });
console.log(JSON.stringify({ sent, said: said.textContent }));
"""


@pytest.mark.anyio
async def test_the_card_is_a_resource_that_the_tool_names(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools["await_approval"].meta == {"ui": {"resourceUri": approval_card.URI}}
    assert all(tool.meta is None for name, tool in tools.items() if name != "await_approval")
    (content,) = (await client.read_resource(approval_card.URI)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.mime_type, content.text) == ("text/html;profile=mcp-app", approval_card.HTML)


def test_it_shows_what_its_host_tells_it_as_text_and_calls_no_tool() -> None:
    script = approval_card.HTML.partition("<script>")[2].partition("</script>")[0]
    ran = subprocess.run([NODE, "-e", HOST + script + STORY], capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)
    assert told["said"] == "<b>hello</b>"
    assert [message.get("method") for message in told["sent"]] == [
        "ui/initialize",
        "ui/notifications/initialized",
        None,
    ]
    assert told["sent"][2] == {"jsonrpc": "2.0", "id": 7, "result": {}}
    for word in ("innerHTML", "tools/call", "fetch", "http"):
        assert word not in script
