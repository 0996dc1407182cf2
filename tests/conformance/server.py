"""Serves the conformance suite's fixtures from the real application factory and the real HTTP stack.

`python -m tests.conformance.server PORT HOME`: the suite calls its tools, resources and prompts by name.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp.types import (
    AudioContent,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
)

from tests.conformance.questions import add_questions, add_results_that_ask
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.application import Application, create
from whatsapp_mcp.server.calls import Call, Content, resource
from whatsapp_mcp.server.runtime import Runtime, Runtimes
from whatsapp_mcp.server.transports.http import prepare
from whatsapp_mcp.settings import load

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
WAV = b"RIFF$\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data\0\0\0\0"


def _image() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    )


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def add_tools(application: Application) -> None:
    """The suite's tools."""

    @application.tool(structured_output=False)
    def test_simple_text() -> str:
        """Answers a text."""
        return "This is a simple text response for testing."

    @application.tool(structured_output=False)
    def test_image_content() -> list[ImageContent]:
        """Answers an image."""
        return [_image()]

    @application.tool(structured_output=False)
    def test_audio_content() -> list[AudioContent]:
        """Answers a sound."""
        return [AudioContent(type="audio", data=base64.b64encode(WAV).decode(), mime_type="audio/wav")]

    @application.tool(structured_output=False)
    def test_embedded_resource() -> list[EmbeddedResource]:
        """Answers a resource."""
        return [_embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]

    @application.tool(structured_output=False)
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Answers three kinds at once."""
        data = json.dumps({"test": "data", "value": 123})
        return [
            _text("Multiple content types test:"),
            _image(),
            _embedded("test://mixed-content-resource", "application/json", data),
        ]

    @application.tool(structured_output=False)
    def test_error_handling() -> str:
        """Always fails."""
        raise ToolError("This tool intentionally returns an error for testing")

    @application.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context) -> str:
        """Reports progress three times."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100)
        return "Done."


def add_logging(application: Application) -> None:
    """Tools that log, and the level from which the client wants to hear of it (before 2026-07-28)."""

    @application.tool(structured_output=False)
    async def test_tool_with_logging(ctx: Context) -> str:
        """Logs three times."""
        for step in ("started", "goes on", "is complete"):
            await ctx.info(f"The tool {step}")  # pyright: ignore[reportDeprecated]
        return "Done."

    @application.tool(structured_output=False)
    async def test_logging_tool(ctx: Context) -> str:
        """Logs once."""
        await ctx.info("The tool runs")  # pyright: ignore[reportDeprecated]
        return "Done."

    async def set_level(_: object, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    server = application._lowlevel_server  # pyright: ignore[reportPrivateUsage]
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)


@resource("test://watched-resource", "connection_status", Effect.READ, Audience.NOBODY, changes=True)
async def watched(call: Call) -> Sequence[Content]:
    """One that can be subscribed to, registered as the product's are."""
    return [Content("This changes.", "text/plain")]


def add_resources(application: Application) -> None:
    """The suite's resources."""

    @application.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """A text."""
        return "This is the content of the static text resource."

    @application.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """An image."""
        return PNG

    @application.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        """Whatever is asked for."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def add_prompts(application: Application) -> None:
    """The suite's prompts."""

    @application.prompt()
    def test_simple_prompt() -> str:
        """A plain prompt."""
        return "This is a simple prompt for testing."

    @application.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt that takes arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @application.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803
        """A prompt that brings a resource."""
        embedded = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(embedded), UserMessage("Please process the embedded resource above.")]

    @application.prompt()
    def test_prompt_with_image() -> list[Message]:
        """A prompt that brings an image."""
        return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


async def serve(port: int, home: Path) -> None:
    """Serve on loopback until killed."""
    runtime = Runtime(load(home), "default")
    application = create(runtime, functions=(), resources=(watched,))
    add_tools(application)
    add_logging(application)
    add_questions(application)
    add_results_that_ask(application)
    add_resources(application)
    add_prompts(application)
    speak = prepare(application, [runtime], host="127.0.0.1", port=port, auth=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Runtimes(runtime).run)
        await speak()


if __name__ == "__main__":
    anyio.run(serve, int(sys.argv[1]), Path(sys.argv[2]))
