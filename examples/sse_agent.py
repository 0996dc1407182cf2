"""A hosted agent whose framework still speaks the older SSE transport. The same server, another address.

export WHATSAPP_URL=http://127.0.0.1:8808/sse WHATSAPP_TOKEN=…
python examples/sse_agent.py Who is waiting for an answer?
"""

import os

import anyio
from agent import answer, question_from_arguments
from mcp import Client
from mcp.client.sse import sse_client


async def main() -> None:
    """Answer the question on the command line."""
    headers = {"Authorization": f"Bearer {os.environ['WHATSAPP_TOKEN']}"}
    async with Client(sse_client(os.environ["WHATSAPP_URL"], headers=headers)) as client:
        print(await answer(client, question_from_arguments()))


if __name__ == "__main__":
    anyio.run(main)
