"""A hosted agent: the server is already running (`whatsapp-mcp serve --transport http`).

export WHATSAPP_URL=http://127.0.0.1:8808/mcp WHATSAPP_TOKEN=…
python examples/streamable_http_agent.py Who is waiting for an answer?
"""

import anyio
import httpx2
from agent import answer, hosted_server, question_from_arguments
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    """Answer the question on the command line."""
    url, headers = hosted_server()
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        print(await answer(client, question_from_arguments()))


if __name__ == "__main__":
    anyio.run(main)
