"""The document says what is offered, and is a valid one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.server.everything import GOOD
from tests.server.fakes import FakeSource
from tests.server.over_http import TOKEN, api
from tests.tables import for_each
from whatsapp_mcp.policy import scope_of
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets

pytestmark = pytest.mark.anyio
SELECTIONS = [*toolsets.TOOLSETS, "all"]


async def document(source: FakeSource, selection: str = "all", token: str = TOKEN) -> dict[str, Any]:
    async with api(source, selection, token=token) as http:
        answer = await http.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return answer.json()


@for_each("selection", SELECTIONS)
async def test_the_document_of_each_toolset_is_valid(source: FakeSource, selection: str) -> None:
    import schemathesis  # a second, which every worker that only collects would spend

    told = await document(source, selection)

    assert told["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(told).validate()
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_every_tool_that_is_offered_is_in_it_with_its_shapes(source: FakeSource) -> None:
    told = await document(source)

    offered = {spec_of(function).name: spec_of(function) for function in toolsets.load_tools("all")}
    assert set(told["paths"]) == {
        *(f"/api/v1/{name}" for name in offered),
        "/api/v1/events",
        "/api/v1/media/{ref}",
    }
    for name, spec in offered.items():
        operation = told["paths"][f"/api/v1/{name}"]["post"]
        shown = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert operation["operationId"] == name
        assert spec.result is not None, name
        assert shown == {"$ref": f"#/components/schemas/{spec.result.__name__}"}


async def test_a_list_of_choices_is_of_one_type_as_generators_of_clients_want_it(source: FakeSource) -> None:
    told = await document(source)

    def lists(value: Any) -> Iterator[list[Any]]:
        if isinstance(value, dict):
            if isinstance(value.get("enum"), list):
                yield value["enum"]
            for inner in value.values():
                yield from lists(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from lists(inner)

    assert [each for each in lists(told) if len({type(one) for one in each}) > 1] == []
    unread = told["components"]["schemas"]["list_chats_arguments"]["properties"]["unread"]
    for value in ("any", "true", "false", True, False):
        Draft202012Validator(unread).validate(value)


async def test_an_argument_that_may_be_left_out_says_its_default_in_words(source: FakeSource) -> None:
    schemas = (await document(source))["components"]["schemas"]

    limit = schemas["list_chats_arguments"]["properties"]["limit"]
    assert (limit["description"], limit["type"]) == ("Default: 20", "integer")
    properties = [each for schema in schemas.values() for each in schema.get("properties", {}).values()]
    assert [each for each in properties if "default" in each] == []


async def test_the_content_of_a_file_has_a_type_that_generators_of_clients_know(source: FakeSource) -> None:
    responses = (await document(source))["paths"]["/api/v1/media/{ref}"]["get"]["responses"]

    for status in ("200", "206"):
        assert responses[status]["content"]["application/octet-stream"]["schema"]["format"] == "binary"


async def test_every_reference_leads_somewhere(source: FakeSource) -> None:
    told = await document(source)

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                found: Any = told
                for part in value["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(told)
    assert "$defs" not in str(told)


async def test_the_arguments_with_which_tools_are_tried_are_valid_by_it(source: FakeSource) -> None:
    told = await document(source)

    for tool, arguments in GOOD.items():
        path = told["paths"].get(f"/api/v1/{tool}")
        if path is None or callable(arguments):
            continue
        schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": told["components"]}).validate(arguments)


@pytest.mark.parametrize("scope", ["read", "send", "admin"])
async def test_a_token_is_shown_what_its_scopes_allow(source: FakeSource, scope: str) -> None:
    told = await document(source, token=scope)

    expected = {
        f"/api/v1/{spec.name}"
        for function in toolsets.load_tools("all")
        if scope_of((spec := spec_of(function)).name, spec.effect) == scope
    }
    beside = {"/api/v1/events", "/api/v1/media/{ref}"} if scope == "read" else set[str]()
    assert set(told["paths"]) == expected | beside


async def test_only_tools_that_take_a_key_name_the_header(source: FakeSource) -> None:
    told = await document(source)

    for path, methods in told["paths"].items():
        if "post" not in methods:
            continue
        schema = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
        taken = told["components"]["schemas"][schema["$ref"].rpartition("/")[2]].get("properties", {})
        named = [each["name"] for each in methods["post"].get("parameters", [])]
        assert ("Idempotency-Key" in named) == ("idempotency_key" in taken), path


async def test_without_the_tool_that_gives_the_same_there_are_no_events_and_no_files(
    source: FakeSource,
) -> None:
    told = await document(source, "groups")
    async with api(source, "groups") as http:
        answers = [await http.get(f"/api/v1/{path}") for path in ("events", "media/1042")]

    assert not {"/api/v1/events", "/api/v1/media/{ref}"} & told["paths"].keys()
    assert [answer.status_code for answer in answers] == [404, 404]
