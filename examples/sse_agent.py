"""A hosted agent whose framework supports only the older SSE transport: the same server, another URL.

export WHATSAPP_URL=http://127.0.0.1:8808/sse WHATSAPP_TOKEN=…
python examples/sse_agent.py Who is waiting for an answer?
"""

import anyio
from agent import answer, hosted_server, question_from_arguments
from mcp import Client
from mcp.client.sse import sse_client


async def main() -> None:
    """Answer the question on the command line."""
    url, headers = hosted_server()
    async with Client(sse_client(url, headers=headers)) as client:
        print(await answer(client, question_from_arguments()))


if __name__ == "__main__":
    anyio.run(main)
