"""MCP servers: the tool `mcp.call` against a real server of the SDK, and against what is none."""

import pytest
from pydantic import SecretStr

from functions.nodes.tool.core import ToolDeps, run
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.adapters.http.exchange import Limits
from shared.adapters.http.mcp import McpServer
from shared.connections.kinds import Bearer
from shared.egress import EgressPolicy
from shared.errors import (
    AddressBlocked,
    ConnectionUnusable,
    DestinationRefused,
    DestinationTimeout,
    DestinationUnreachable,
    ResponseTooLarge,
)
from tests.support.mcp_server import mcp_server

LIMITS = Limits(100_000, total_seconds=10.0)
TOKEN = "mcp-s3cret"


@pytest.fixture
async def requester():
    async with GuardedClient(EgressPolicy.parse("127.0.0.1")) as client:
        yield Requester(client)


@pytest.fixture(params=[False, True], ids=["events", "json"])
async def server(request):
    async with mcp_server(json_response=request.param) as stub:
        yield stub


@pytest.fixture
def use(node_call, requester):
    async def _use(url, tool, arguments, credentials=None, **limits):
        config = {"tool": "mcp.call", "arguments": {"url": url, "tool": tool, "arguments": arguments, **limits}}
        return (await run(node_call("tool", config), ToolDeps(requester), credentials=credentials)).output

    return _use


async def test_a_tool_is_called(use, server):
    assert await use(server.url, "add", {"a": 2, "b": 3}) == {"text": "5", "structured": {"result": 5}, "other": []}
    assert server.called == ["add"]
    assert {method for method, _ in server.requests} <= {"POST", "DELETE"}


async def test_the_tools_are_listed(requester, server):
    found = {each.name: each for each in await McpServer(requester, server.url, LIMITS).tools()}
    assert set(found) == {"add", "fail", "large", "wait"}
    assert found["add"].description == "Adds two numbers."
    assert found["add"].arguments["required"] == ["a", "b"]


async def test_a_tool_that_fails_says_why(use, server):
    with pytest.raises(DestinationRefused, match=r"The MCP tool 'fail' failed: .*broken pipe"):
        await use(server.url, "fail", {"why": "broken pipe"})
    assert server.called == ["fail"]


@pytest.mark.parametrize("arguments", [("nothing", {}), ("add", {"a": "x"})])
async def test_a_call_that_the_server_cannot_take(use, server, arguments):
    with pytest.raises(DestinationRefused):
        await use(server.url, *arguments)
    assert server.called == []


async def test_an_answer_is_limited(use, server):
    with pytest.raises(ResponseTooLarge):
        await use(server.url, "large", {"characters": 50_000}, max_response_bytes=20_000)


async def test_time_is_limited(use, server):
    with pytest.raises(DestinationTimeout):
        await use(server.url, "wait", {}, timeout_seconds=1)


async def test_credentials_go_with_every_request(use):
    async with mcp_server(token=TOKEN) as server:
        output = await use(server.url, "add", {"a": 1, "b": 1}, Bearer(token=SecretStr(TOKEN)))
        assert output["text"] == "2"
        assert len(server.requests) >= 3
        with pytest.raises(DestinationRefused, match="401"):
            await use(server.url, "add", {"a": 1, "b": 1})


async def test_credentials_stay_with_the_hosts_of_their_connection(use, server):
    credentials = Bearer(token=SecretStr(TOKEN), hosts=["mcp.example"])
    with pytest.raises(ConnectionUnusable):
        await use(server.url, "add", {"a": 1, "b": 1}, credentials)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/mcp",
        "http://10.0.0.1/mcp",
        "http://localhost:1/mcp",
        "file:///mcp",
        "http://2130706434/",
    ],
)
async def test_servers_are_under_the_egress_policy(node_call, url):
    async with GuardedClient(EgressPolicy()) as client:
        config = {"tool": "mcp.call", "arguments": {"url": url, "tool": "add"}}
        with pytest.raises(AddressBlocked):
            await run(node_call("tool", config), ToolDeps(Requester(client)))


async def test_the_address_that_was_checked_is_the_one_that_is_called(server):
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    async def rebinding(*_):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    url = server.url.replace("127.0.0.1", "rebind.test").replace("/mcp", "/mcp")
    async with GuardedClient(EgressPolicy(), rebinding) as client:
        with pytest.raises(AddressBlocked):
            await McpServer(Requester(client), url, LIMITS).tools()
    assert server.requests == []


async def test_redirects_are_not_followed(requester, hostile):
    with pytest.raises(DestinationRefused):
        await McpServer(requester, f"{hostile.url}/to?http://169.254.169.254/", LIMITS).tools()


async def test_a_server_that_speaks_something_else(requester, hostile):
    with pytest.raises(DestinationRefused):
        await McpServer(requester, f"{hostile.url}/echo", LIMITS).tools()


async def test_nobody_there(requester):
    with pytest.raises(DestinationUnreachable):
        await McpServer(requester, "http://127.0.0.1:1/mcp", LIMITS).tools()
