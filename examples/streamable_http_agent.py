"""A hosted agent: the server is elsewhere (`whatsapp-mcp serve --transport http`) with a URL and a token.

export WHATSAPP_URL=http://127.0.0.1:8808/mcp WHATSAPP_TOKEN=…
python examples/streamable_http_agent.py Who is waiting for an answer?
"""

import os

import anyio
import httpx2
from agent import answer, question_from_arguments
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    """Answer the question on the command line."""
    headers = {"Authorization": f"Bearer {os.environ['WHATSAPP_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(os.environ["WHATSAPP_URL"], http_client=http)
        async with Client(transport) as client:
            print(await answer(client, question_from_arguments()))


if __name__ == "__main__":
    anyio.run(main)
