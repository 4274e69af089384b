"""The `agent` node against a server that speaks the chat-completions API."""

import asyncio
import json

import pydantic_ai.models
import pytest
from aiohttp import web

from functions.nodes.agent.core import AgentDeps, run
from shared.errors import ModelRefused, ModelUnavailable, NodeConfigInvalid, OutputInvalid
from tests.support.openai_server import failed, filled_in, openai_server, said

KEY = "sk-this-is-secret"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["urgency", "summary"],
    "properties": {"urgency": {"type": "integer", "minimum": 1, "maximum": 10}, "summary": {"type": "string"}},
}
GOOD = {"urgency": 8, "summary": "It is bad."}


@pytest.fixture
async def openai(monkeypatch):
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", True)
    async with openai_server() as server:
        yield server


@pytest.fixture
async def agent(openai, node_call):
    """Calls an agent node whose provider is the loopback server."""
    deps = AgentDeps(environment={"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY}, request_seconds=5)

    async def ask(**config):
        config = {"model": "openai:tested-model", "prompt": "Is it bad?", "output_schema": SCHEMA, **config}
        return await run(node_call("agent", config), deps)

    yield ask
    await deps.aclose()


async def test_a_structured_answer(agent, openai):
    openai.answers = [filled_in(GOOD)]
    result = await agent(instructions="You judge.", prompt={"title": "Data löss", "n": [1]})
    assert result.output == GOOD
    assert result.meta["model"] == "openai:tested-model"
    assert result.meta["usage"] == {"requests": 1, "input_tokens": 11, "output_tokens": 7}
    assert result.meta["duration_ms"] > 0
    assert "stand_in" not in result.meta
    assert "cost_usd" not in result.meta  # no price list knows this model
    request = openai.requests[0]
    assert request["model"] == "tested-model"
    assert request["tools"][0]["function"]["parameters"]["properties"]["urgency"]["maximum"] == 10
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["messages"][0]["content"] == "You judge."
    assert json.loads(request["messages"][1]["content"]) == {"title": "Data löss", "n": [1]}
    assert openai.authorizations == [f"Bearer {KEY}"]


async def test_an_answer_in_words(agent, openai):
    openai.answers = [said("Yes.")]
    assert (await agent(output_schema=None)).output == "Yes."
    assert "tools" not in openai.requests[0]


async def test_a_schema_that_is_no_object_is_wrapped_and_unwrapped(agent, openai):
    openai.answers = [filled_in({"value": ["a", "b"]})]
    result = await agent(
        output_schema={"type": "array", "items": {"$ref": "#/$defs/w"}, "$defs": {"w": {"type": "string"}}}
    )
    assert result.output == ["a", "b"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (filled_in({"urgency": 11, "summary": "x"}), "11 is greater than the maximum of 10"),
        (filled_in({"urgency": "high"}), "'summary' is a required property"),
        (filled_in({**GOOD, "mood": "sad"}), "'mood' was unexpected"),
        (filled_in("{not json"), "JSON"),
        (said("I would say eight."), "tool"),
    ],
)
async def test_a_wrong_answer_is_repaired(agent, openai, wrong, told):
    openai.answers = [wrong, filled_in(GOOD)]
    result = await agent()
    assert result.output == GOOD
    assert result.meta["usage"] == {"requests": 2, "input_tokens": 22, "output_tokens": 14}
    assert told in json.dumps(openai.messages[2:])


async def test_an_answer_that_stays_wrong_fails_with_what_is_wrong(agent, openai):
    openai.answers = [filled_in({"urgency": 0, "summary": 7}) for _ in range(3)]
    with pytest.raises(OutputInvalid, match="does not match output_schema") as caught:
        await agent()
    assert len(openai.requests) == 3
    assert sorted(caught.value.details["errors"]) == [
        "$.summary: 7 is not of type 'string'",
        "$.urgency: 0 is less than the minimum of 1",
    ]


async def test_max_turns_bounds_the_repairs(agent, openai):
    openai.answers = [filled_in({}), filled_in(GOOD)]
    with pytest.raises(OutputInvalid):
        await agent(max_turns=1)
    assert len(openai.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (failed(429, "Slow down"), ModelUnavailable, "HTTP 429"),
        (failed(500, "Oops"), ModelUnavailable, "HTTP 500"),
        (failed(503, "Overloaded"), ModelUnavailable, "HTTP 503"),
        (failed(429, "Pay first", code="insufficient_quota"), ModelRefused, "rejected"),
        (failed(401, "Bad key"), ModelRefused, "HTTP 401"),
        (failed(404, "No such model", code="model_not_found"), ModelRefused, "HTTP 404"),
        (failed(400, "Too long", code="context_length_exceeded"), ModelRefused, "HTTP 400"),
        (web.Response(body=b"<html>", content_type="text/html"), OutputInvalid, "no usable answer"),
        (web.json_response({"choices": []}), OutputInvalid, "no usable answer"),
    ],
)
async def test_failures_of_the_provider_have_their_own_names(agent, openai, answer, error, says):
    openai.answers = [answer]
    with pytest.raises(error, match=says) as caught:
        await agent()
    assert len(openai.requests) == 1  # retries are the state machine's, where they can be seen
    assert KEY not in str(caught.value) + str(caught.value.details)


async def test_the_wait_that_the_provider_asks_for_is_told(agent, openai):
    openai.answers = [failed(429, "Slow down", **{"Retry-After": "12"})]
    with pytest.raises(ModelUnavailable) as caught:
        await agent()
    assert caught.value.details["retry_after"] == 12


async def test_a_provider_that_does_not_answer(openai, node_call):
    openai.answers = [None]
    deps = AgentDeps(environment={"OPENAI_BASE_URL": openai.url}, request_seconds=0.2)
    with pytest.raises(ModelUnavailable):
        await run(node_call("agent", {"model": "openai:m", "prompt": "?"}), deps)
    await deps.aclose()


async def test_a_provider_that_is_not_there(openai, node_call):
    deps = AgentDeps(environment={"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    with pytest.raises(ModelUnavailable, match="'openai:m' failed"):
        await run(node_call("agent", {"model": "openai:m", "prompt": "?"}), deps)
    await deps.aclose()


async def test_calls_share_the_model_and_its_connections(openai, node_call):
    openai.answers = [said(str(number)) for number in range(4)]
    deps = AgentDeps(environment={"OPENAI_BASE_URL": openai.url})
    call = node_call("agent", {"model": "openai:m", "prompt": "?"})
    results = await asyncio.gather(*(run(call, deps) for _ in range(4)))
    assert {result.output for result in results} == {"0", "1", "2", "3"}
    assert list(deps.models) == ["openai:m"]
    await deps.aclose()


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"tools": ["http.request"]}, "tools, which need the loop"),
        ({"prompt": "  "}, "prompt .* is empty"),
        ({"output_schema": {"type": "thing"}}, "output_schema can not be used"),
        ({"instructions": 7}, "instructions: Input should be a valid string"),
    ],
)
async def test_a_config_that_can_not_be_run_is_refused(agent, openai, config, says):
    with pytest.raises(NodeConfigInvalid, match=says):
        await agent(**config)
    assert openai.requests == []
