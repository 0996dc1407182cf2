"""Fixtures of the conformance suite that ask the client: during a call, or as its result since 2026-07-28."""

from __future__ import annotations

from typing import Annotated, Any, Final

from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, Field

from whatsapp_mcp.server.application import Application

SIZES: Final[dict[str, Any]] = {"enum": ["small", "large"], "enumNames": ["Small size", "Large size"]}
TITLED: Final[list[Any]] = [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]


class Answer(BaseModel):
    """What a form asks for."""

    username: str = ""
    email: str = ""


class Defaults(BaseModel):
    """A default of each primitive type."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Annotated[str, Field(json_schema_extra={"enum": ["active", "inactive", "pending"]})] = "active"
    verified: bool = True


class Choices(BaseModel):
    """Each way to offer a choice."""

    untitledSingle: Annotated[str, Field(json_schema_extra={"enum": ["a", "b"]})]  # noqa: N815
    titledSingle: Annotated[str, Field(json_schema_extra={"oneOf": TITLED})]  # noqa: N815
    legacyEnum: Annotated[str, Field(json_schema_extra=SIZES)]  # noqa: N815
    untitledMulti: Annotated[  # noqa: N815
        list[str], Field(json_schema_extra={"items": {"type": "string", "enum": ["a", "b"]}})
    ]
    titledMulti: Annotated[  # noqa: N815
        list[str], Field(json_schema_extra={"items": {"anyOf": TITLED}})
    ]


def _form(message: str, name: str, kind: str = "string") -> ElicitRequest:
    """A question for one value."""
    schema: dict[str, Any] = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sampling(text: str) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=100))


def _asks(state: str | None = None, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def _filled(context: Context, key: str) -> dict[str, Any] | None:
    """What was filled into a form; None where it was not."""
    answer = (context.input_responses or {}).get(key)
    return answer.content or {} if isinstance(answer, ElicitResult) and answer.action == "accept" else None


def add_questions(application: Application) -> None:
    """Tools that ask during a call."""

    @application.tool(structured_output=False)
    async def test_sampling(prompt: str, ctx: Context) -> str:
        """Asks the client's model."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        answer = await ctx.session.create_message([message], max_tokens=100)  # pyright: ignore[reportDeprecated]
        return f"LLM response: {answer.content}"

    @application.tool(structured_output=False)
    async def test_elicitation(message: str, ctx: Context) -> str:
        """Asks the user to fill in a form."""
        return f"User response: {await ctx.elicit(message, Answer)}"

    @application.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Asks with defaults."""
        return f"Elicitation completed: {await ctx.elicit('Who are you?', Defaults)}"

    @application.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Asks for choices."""
        answer = await ctx.session.elicit_form("Choose.", Choices.model_json_schema(), ctx.request_id)
        return f"Elicitation completed: {answer.action}"


def add_results_that_ask(application: Application) -> None:
    """Tools and a prompt whose result is a question."""

    @application.tool(structured_output=False)
    def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Asks for a name."""
        filled = _filled(ctx, "user_name")
        if filled is None:
            return _asks(user_name=_form("What is your name?", "name"))
        return f"Hello, {filled.get('name')}!"

    @application.tool(structured_output=False)
    def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Asks on a stream."""
        return _asks(user_name=_form("What is your name?", "name"))

    @application.tool(structured_output=False)
    def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
        """Asks the client's model."""
        answer = (ctx.input_responses or {}).get("capital_question")
        if not isinstance(answer, CreateMessageResult):
            return _asks(capital_question=_sampling("What is the capital of France?"))
        return f"It says: {answer.content}"

    @application.tool(structured_output=False)
    def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
        """Asks for the client's folders."""
        answer = (ctx.input_responses or {}).get("client_roots")
        if not isinstance(answer, ListRootsResult):
            return _asks(client_roots=ListRootsRequest())
        return f"Roots: {[str(root.uri) for root in answer.roots]}"

    @application.tool(structured_output=False)
    def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
        """Gives a state that comes back."""
        if _filled(ctx, "confirm") is None:
            return _asks("asked", confirm=_form("Please confirm.", "ok", "boolean"))
        return "state-ok" if ctx.request_state == "asked" else "another state came back"

    @application.tool(structured_output=False)
    def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
        """Gives a state that nobody may change."""
        if _filled(ctx, "confirm") is None:
            return _asks("asked", confirm=_form("Please confirm.", "ok", "boolean"))
        return "state-ok"

    @application.tool(structured_output=False)
    def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
        """Asks three things at once."""
        if len(ctx.input_responses or {}) >= 3:
            return "All is answered."
        return _asks(
            "asked",
            user_name=_form("What is your name?", "name"),
            greeting=_sampling("Generate a greeting"),
            client_roots=ListRootsRequest(),
        )

    @application.tool(structured_output=False)
    def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
        """Asks twice."""
        if _filled(ctx, "step2") is not None:
            return "Both are answered."
        if _filled(ctx, "step1") is not None:
            return _asks("second", step2=_form("Step 2: What is your favorite color?", "color"))
        return _asks("first", step1=_form("Step 1: What is your name?", "name"))

    @application.tool(structured_output=False)
    def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
        """Asks what the client can be asked."""
        offered = ctx.client_capabilities
        requests: dict[str, InputRequest] = {}
        if offered is not None and offered.sampling is not None:
            requests["greeting"] = _sampling("Generate a greeting")
        if offered is not None and offered.elicitation is not None:
            requests["user_name"] = _form("What is your name?", "name")
        return InputRequiredResult(input_requests=requests) if requests else "There is nobody to ask."

    @application.prompt()
    def test_input_required_result_prompt(ctx: Context) -> list[Message] | InputRequiredResult:
        """A prompt that asks."""
        filled = _filled(ctx, "user_context")
        if filled is None:
            return _asks(user_context=_form("What context should the prompt use?", "context"))
        return [UserMessage(f"Use this context: {filled.get('context')}")]

    @application.tool(structured_output=False)
    def test_missing_capability(ctx: Context) -> str:
        """Needs a client that samples."""
        offered = ctx.client_capabilities
        if offered is None or offered.sampling is None:
            needed = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", needed)
        return "The client samples."
