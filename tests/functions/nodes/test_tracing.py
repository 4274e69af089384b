"""What Langfuse is told about calls of models and tools, by a real server that records it."""

import asyncio
import logging

import pydantic_ai.models
import pytest

from functions.nodes.agent import core as agent
from functions.nodes.agent.core import AgentDeps
from functions.nodes.tool import core as tool
from shared.adapters.langfuse import tracing
from shared.connections.redaction import Redactor, redacting
from shared.errors import DestinationUnreachable, ModelRefused
from shared.settings import Settings
from shared.workflow.node_call import NodeCall
from tests.functions.nodes.conftest import EXECUTION
from tests.support.agent_machine import Machine
from tests.support.langfuse_server import SECRET_KEY, langfuse_server
from tests.support.openai_server import calls, failed, filled_in, openai_server, said, streamed

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture
async def openai(monkeypatch):
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", True)
    async with openai_server() as server:
        yield server


@pytest.fixture
async def langfuse():
    async with langfuse_server() as server:
        yield server


@pytest.fixture
async def monitor(langfuse, monkeypatch):
    for name, value in (("PUBLIC_KEY", langfuse.public_key), ("SECRET_KEY", SECRET_KEY), ("BASE_URL", langfuse.url)):
        monkeypatch.setenv(f"LANGFUSE_{name}", value)
    found = tracing(Settings())
    yield found
    await asyncio.to_thread(found.close)


@pytest.fixture
async def deps(openai, stores, monitor):
    environment = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": "k"}
    deps = AgentDeps(environment=environment, request_seconds=5, turns=stores.turns, feed=stores.feed, tracing=monitor)
    yield deps
    await deps.aclose()


@pytest.fixture
async def tools(monitor):
    deps = tool.tool_deps("127.0.0.1", tracing=monitor)
    yield deps
    await deps.aclose()


async def sent(langfuse, monitor):
    await asyncio.to_thread(monitor.close)
    return langfuse.spans


def priced(answer):
    """By a model whose price is known."""
    answer.text = answer.text.replace("tested-model", "gpt-4o")
    return answer


def tool_call(step, **config):
    return NodeCall.model_validate(
        {"node": "agent", "type": "tool", "config": config, "execution": EXECUTION, "step": step}
    )


async def test_every_call_of_a_run_is_told(deps, tools, openai, langfuse, monitor):
    openai.answers = [priced(calls(("csv_parse", {"text": "a\n1"}))), filled_in({"n": "x"}), filled_in({"n": 1})]

    async def parse(arguments):
        made = tool_call("call.0.0", tool="csv.parse", arguments=arguments)
        made.execution.id = machine.execution_id
        return (await tool.run(made, tools)).output

    config = {"model": "openai:gpt-4o", "tools": ["csv.parse"], "output_schema": SCHEMA, "instructions": "Be brief."}
    machine = Machine(deps, config, {"csv.parse": parse})
    assert await machine.run() == {"n": 1}

    spans = await sent(langfuse, monitor)

    assert [span.attributes["type"] for span in spans] == ["generation", "tool", "generation", "generation"]
    assert [span.name for span in spans] == ["agent: gpt-4o", "agent: csv.parse", "agent: gpt-4o", "agent: gpt-4o"]
    assert len({span.trace_id for span in spans}) == 1
    for span in spans:
        told = span.attributes
        assert told["trace.metadata.execution_id"] == machine.execution_id
        assert told["trace.metadata.project_id"] == EXECUTION["project_id"]
        assert told["trace.name"] == EXECUTION["workflow"]
        assert str(told["version"]) == str(EXECUTION["version"])
        assert told["metadata.prompt_version"] == f"{EXECUTION['workflow']}@{EXECUTION['version']}"
        assert told["metadata.node"] == "agent"
        assert span.milliseconds > 0
    first, called = spans[0].attributes, spans[1].attributes
    assert first["model.name"] == "gpt-4o"
    assert first["usage_details"] == {"input": 11, "output": 7}
    assert first["cost_details"]["total"] > 0
    assert "Be brief." in str(first["input"])
    assert first["output"][0]["tool_name"] == "csv_parse"
    assert called["input"] == {"text": "a\n1"}
    assert called["output"] == [{"a": "1"}]


async def test_a_turn_that_is_repeated_is_not_told_again(deps, openai, langfuse, monitor):
    openai.answers = [said("Hello.")]
    machine = Machine(deps, {"memory": None})
    await machine.turn(0)
    await machine.turn(0)
    assert len(await sent(langfuse, monitor)) == 1


async def test_words_that_stream_are_told_whole(deps, openai, langfuse, monitor):
    openai.answers = [streamed("Hel", "lo.")]
    assert await Machine(deps, {"stream": True}).run() == "Hello."
    (span,) = await sent(langfuse, monitor)
    assert span.attributes["output"][0]["content"] == "Hello."
    assert span.attributes["usage_details"] == {"input": 11, "output": 7}


async def test_an_agent_of_one_state_is_told_too(deps, openai, langfuse, monitor, node_call):
    openai.answers = [said("Hi.")]
    call = node_call("agent", {"model": "openai:tested", "prompt": "Go."})
    assert (await agent.run(call, deps)).output == "Hi."
    (span,) = await sent(langfuse, monitor)
    assert span.attributes["model.name"] == "tested"


async def test_failures_are_told_as_such(deps, tools, openai, langfuse, monitor):
    openai.answers = [failed(400, "no such thing")]
    with pytest.raises(ModelRefused):
        await Machine(deps, {"stream": False, "budget": {"tokens": 9_000}}).run()
    with pytest.raises(DestinationUnreachable):
        await tool.run(tool_call("call.0.0", tool="http.request", arguments={"url": "http://127.0.0.1:1/"}), tools)
    spans = await sent(langfuse, monitor)
    assert [span.attributes["level"] for span in spans] == ["ERROR", "ERROR"]
    assert "no such thing" in spans[0].attributes["status_message"]


async def test_tools_that_no_model_called_are_not_told(tools, langfuse, monitor):
    await tool.run(tool_call(None, tool="csv.parse", arguments={"text": "a\n1"}), tools)
    assert await sent(langfuse, monitor) == []


async def test_secrets_are_scrubbed(tools, langfuse, monitor):
    secret = "s3cret-of-a-connection"
    with redacting(Redactor([secret])):
        await tool.run(tool_call("call.0.0", tool="csv.parse", arguments={"text": f"a\n{secret}"}), tools)
    assert len(await sent(langfuse, monitor)) == 1
    assert not [body for body in langfuse.raw if secret.encode() in body]
    assert "[redacted]" in str(langfuse.spans[0].attributes["input"])


async def test_a_monitor_that_is_down_disturbs_nobody(deps, openai, langfuse, monitor, caplog):
    langfuse.status = 503
    openai.answers = [said("Hello.")]
    with caplog.at_level(logging.CRITICAL):
        assert await Machine(deps, {}).run() == "Hello."
        await asyncio.to_thread(monitor.close)
    assert langfuse.requests > 0


@pytest.mark.parametrize("missing", ["PUBLIC_KEY", "SECRET_KEY"])
async def test_without_keys_nobody_is_told(deps, openai, langfuse, monkeypatch, missing):
    monkeypatch.delenv(f"LANGFUSE_{missing}")
    deps.tracing = tracing(Settings())
    assert deps.tracing is None
    openai.answers = [said("Hello.")]
    assert await Machine(deps, {}).run() == "Hello."
    assert langfuse.requests == 0
