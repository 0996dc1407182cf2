"""The card that hosts with MCP Apps draw beside `await_approval`: what is asked, and where to answer.

It has no button that answers. What a card does it does by calling a tool through its host, and what a host
lets a card call a model may call as well: a yes from here would prove nothing. See
https://apps.extensions.modelcontextprotocol.io for the messages between a card and its host.
"""

from __future__ import annotations

from typing import Final

URI: Final = "ui://approval"
HTML: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Approval</title><style>
html{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:1em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;border-radius:.5em;padding:.7em}
</style></head><body><pre id="said" dir="auto">…</pre>
<p><small>Only you can answer: in this application if it asks you, on your phone, on the page
(<code>whatsapp-mcp page</code>) or in a terminal with <code>whatsapp-mcp approve</code>.
This card cannot.</small></p><script>
const say = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
addEventListener("message", ({ source, data }) => {
  if (source !== parent || !data || data.jsonrpc !== "2.0") return;
  if (data.id === 1 && data.result) say({ method: "ui/notifications/initialized" });
  else if (data.method === "ui/notifications/tool-result") {
    const texts = (data.params.content || []).filter((block) => block.type === "text");
    document.getElementById("said").textContent = texts.map((block) => block.text).join("\\n");
  } else if (data.method && data.id !== undefined) say({ id: data.id, result: {} });
});
say({ id: 1, method: "ui/initialize", params: {
  appInfo: { name: "whatsapp-mcp", version: "1" }, appCapabilities: {}, protocolVersion: "2026-01-26" } });
</script></body></html>
"""
