"""A local agent: it starts the server and communicates with it over stdin and stdout.

python examples/stdio_agent.py Who is waiting for an answer?
python examples/stdio_agent.py Tell Ann Byrne: I will take both tins.
"""

import os

import anyio
from agent import answer, question_from_arguments
from mcp import Client
from mcp.client.stdio import StdioServerParameters


async def main() -> None:
    """Answer the question on the command line."""
    server = StdioServerParameters(command="whatsapp-mcp", args=["serve"], env=dict(os.environ))
    async with Client(server) as client:
        print(await answer(client, question_from_arguments()))


if __name__ == "__main__":
    anyio.run(main)
