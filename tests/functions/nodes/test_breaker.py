"""The circuit breaker around the requests of nodes: what counts against a destination, and what is not sent then."""

from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from functions.nodes.http.core import HttpDeps
from functions.nodes.http.core import run as run_http
from functions.nodes.tool.core import ToolDeps
from functions.nodes.tool.core import run as run_tool
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.adapters.redis.circuits import BreakerRule, RedisCircuits
from shared.egress import EgressPolicy
from shared.errors import CircuitOpen, NodeError
from tests.functions.nodes.conftest import EXECUTION

RULE = BreakerRule(threshold=3)


@pytest.fixture
async def circuits(redis_url):
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        yield RedisCircuits(redis, RULE)


@asynccontextmanager
async def sending(node_call, circuits, url):
    async with GuardedClient(EgressPolicy.parse("127.0.0.1")) as client:
        deps = HttpDeps(Requester(client, circuits), total_seconds=0.3)

        async def send(path):
            return await run_http(node_call("webhook", {"url": url + path}), deps)

        yield send, deps


@pytest.mark.parametrize("path", ["/broken", "/silent", "/dropped", "/no-http"])
async def test_a_destination_that_fails_is_left_alone(node_call, circuits, hostile, path):
    async with sending(node_call, circuits, hostile.url) as (send, deps):
        for _ in range(RULE.threshold):
            with pytest.raises(NodeError) as failed:
                await send(path)
            assert not isinstance(failed.value, CircuitOpen)
        with pytest.raises(CircuitOpen, match=r"left alone for 1\d s") as caught:
            await send("/echo")
        arguments = {"tool": "http.request", "arguments": {"url": f"{hostile.url}/echo"}}
        with pytest.raises(CircuitOpen):
            await run_tool(node_call("tool", arguments), ToolDeps(deps.requester))
    assert "/echo" not in [seen.path for seen in hostile.seen]
    assert CircuitOpen.retryable
    assert int(caught.value.details["retry_after"]) > 0


@pytest.mark.parametrize("path", ["/busy", "/refused", "/nowhere", "/over?", "/to?http://10.0.0.1/"])
async def test_an_answer_does_not_count_against_it(node_call, circuits, hostile, path):
    async with sending(node_call, circuits, hostile.url) as (send, _):
        for _ in range(RULE.threshold + 1):
            try:
                await send(path)
            except CircuitOpen:
                raise
            except NodeError:
                pass
        assert (await send("/echo")).output["status"] == 200


async def test_success_in_between_starts_the_count_anew(node_call, circuits, hostile):
    async with sending(node_call, circuits, hostile.url) as (send, _):
        for path in ["/broken", "/broken", "/echo"] * 3:
            try:
                await send(path)
            except CircuitOpen:
                raise
            except NodeError:
                pass


async def test_another_host_is_another_circuit(node_call, circuits, hostile):
    async with sending(node_call, circuits, "http://127.0.0.1:1") as (send, _):
        for _ in range(RULE.threshold + 1):
            with pytest.raises(NodeError):
                await send("/")
    async with sending(node_call, circuits, hostile.url) as (send, _):
        assert (await send("/echo")).output["status"] == 200
    [circuit] = await circuits.list(EXECUTION["project_id"])
    assert circuit.destination == "127.0.0.1:1"
