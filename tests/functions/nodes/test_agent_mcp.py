"""MCP servers as tools of an agent: what the model is offered, and that its calls arrive at the real server."""

import json

import pydantic_ai.models
import pytest

from functions.nodes.agent.core import AgentDeps
from functions.nodes.agent.mcp_tools import McpTools
from functions.nodes.tool.core import ToolDeps
from functions.nodes.tool.core import run as run_tool
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.connections.resolve import Connections
from shared.egress import EgressPolicy
from shared.errors import AddressBlocked, ConnectionUnusable, DestinationRefused, NodeConfigInvalid
from shared.workflow.node_lambda import NodeServices, answer
from tests.support.agent_machine import Machine
from tests.support.connections import OneConnection
from tests.support.mcp_server import mcp_server
from tests.support.openai_server import calls, openai_server, said

TOKEN = "mcp-s3cret"


@pytest.fixture
async def openai(monkeypatch):
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", True)
    async with openai_server() as server:
        yield server


@pytest.fixture
async def requester():
    async with GuardedClient(EgressPolicy.parse("127.0.0.1")) as client:
        yield Requester(client)


@pytest.fixture
def connections(stores):
    """One, called `crm`."""
    return Connections(OneConnection(stores.secrets, {"kind": "bearer", "token": TOKEN}), stores.secrets)


@pytest.fixture
async def deps(openai, stores, requester, connections):
    environment = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": "k"}
    mcp = McpTools(requester, connections)
    deps = AgentDeps(environment=environment, request_seconds=5, turns=stores.turns, mcp=mcp)
    yield deps
    await deps.aclose()


def offered(openai):
    return {each["function"]["name"]: each["function"] for each in openai.requests[-1]["tools"]}


async def test_the_model_is_offered_what_is_allowed(deps, openai):
    openai.answers = [said("Hello.")]
    async with mcp_server() as server:
        await Machine(deps, {"tools": [{"mcp": server.url, "allow": ["add"], "name": "sums"}]}).run()
    assert list(offered(openai)) == ["sums_add"]
    assert offered(openai)["sums_add"]["description"] == "Adds two numbers."
    assert set(offered(openai)["sums_add"]["parameters"]["properties"]) == {"a", "b"}


async def test_the_model_calls_a_tool_of_the_server(deps, openai, requester, node_call, connections):
    openai.answers = [calls(("add", {"a": 2})), said("Five.")]
    async with mcp_server(token=TOKEN) as server:

        async def mcp_call(arguments):
            config = {"tool": "mcp.call", "connection": "crm", "arguments": arguments}
            event = node_call("tool", config).model_dump()

            async def run(call, *, credentials=None):
                return await run_tool(call, ToolDeps(requester), credentials=credentials)

            return (await answer(event, run, NodeServices(connections=connections)))["output"]

        tool = {"mcp": server.url, "connection": "crm", "arguments": {"b": 3}, "approval": True}
        machine = Machine(deps, {"tools": [tool]}, {"mcp.call": mcp_call})
        assert await machine.run() == "Five."
        assert server.called == ["add"]
    assert "b" not in offered(openai)["add"]["parameters"]["properties"]
    assert machine.made[0]["approval"] is True
    assert machine.made[0]["config"]["connection"] == "crm"
    assert [json.loads(each["content"])["text"] for each in openai.messages if each["role"] == "tool"] == ["5"]


async def test_a_server_is_asked_once_for_many_turns(deps, openai):
    openai.answers = [calls(("add", {"a": 1, "b": 1})), calls(("add", {"a": 1, "b": 2})), said("ok")]
    async with mcp_server() as server:
        await Machine(deps, {"tools": [{"mcp": server.url}]}, {"mcp.call": lambda _: 2}).run()
        initialised = [headers for method, headers in server.requests if "mcp-session-id" not in headers]
    assert len(initialised) == 1
    assert len(openai.requests) == 3


@pytest.mark.parametrize(
    ("tool", "error"),
    [
        ({"allow": ["add", "nothing"]}, NodeConfigInvalid),
        ({}, DestinationRefused),
        ({"connection": "unknown"}, ConnectionUnusable),
    ],
)
async def test_a_server_that_cannot_be_offered(deps, openai, tool, error):
    token = None if "allow" in tool else TOKEN
    async with mcp_server(token=token) as server:
        with pytest.raises(error):
            await Machine(deps, {"tools": [{"mcp": server.url, **tool}]}).run()
    assert openai.requests == []


async def test_a_server_at_a_private_address_is_not_called(openai, stores):
    async with mcp_server() as server, GuardedClient(EgressPolicy()) as client:
        environment = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": "k"}
        deps = AgentDeps(environment=environment, turns=stores.turns, mcp=McpTools(Requester(client)))
        with pytest.raises(AddressBlocked):
            await Machine(deps, {"tools": [{"mcp": server.url}]}).run()
        await deps.aclose()
        assert server.requests == []
