"""Live progress over a real server on loopback."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import httpx_sse
import orjson
import pytest

from local import web
from shared.adapters.aws.live import Glances
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ports import AgentText
from tests.functions.conftest import definition
from tests.support.history import History


@pytest.fixture
async def stage(doors):
    """The API behind uvicorn, a client, and an execution that was just started."""
    workflow = await doors.workflow()
    started = (await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json={"input": {}})).json()
    listener = web.bind("127.0.0.1", 0)
    headers = {"Authorization": doors.api.headers["Authorization"]}
    async with (
        web.serving(doors.api_app, listener) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, headers=headers) as client,
    ):
        yield Stage(doors.stores, client, workflow, started["execution_id"])


class Stage:
    def __init__(self, stores, client, workflow, execution_id):
        self.stores = stores
        self.client = client
        self.project_id = workflow["project_id"]
        self.execution_id = execution_id
        self.path = f"/api/executions/{execution_id}/events"

    @asynccontextmanager
    async def watch(self, **headers):
        async with httpx_sse.aconnect_sse(self.client, "GET", self.path, headers=headers, timeout=20) as source:
            assert source.response.status_code == 200
            yield source.aiter_sse()

    async def write(self, events, change=None):
        await self.stores.journal.write(self.execution_id, self.project_id, events, change)
        await self.stores.feed.publish([self.execution_id])


def run_of_one_node():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "hello")
    history.scheduled("hello")
    history.succeeded("hi")
    history.exited("Task", "hello", "hi", hello="hi")
    history.add("ExecutionSucceeded", output='"hi"')
    return history.events, StatusChange(ExecutionStatus.SUCCEEDED, history.events[-1].timestamp, result="hi")


async def test_changes_come_as_they_happen_and_the_stream_ends_with_the_execution(stage):
    events, change = run_of_one_node()
    running = StatusChange(ExecutionStatus.RUNNING, events[0].timestamp)

    async with stage.watch() as stream:
        await stage.write(events[:3], running)
        first = [await anext(stream), await anext(stream)]
        await stage.write(events[3:], change)
        rest = [each async for each in stream]

    told = [(each.event, orjson.loads(each.data)) for each in first + rest]
    assert [(kind, data["status"]) for kind, data in told] == [
        ("execution", "running"),
        ("node", "running"),
        ("node", "succeeded"),
        ("execution", "succeeded"),
    ]
    assert [each.id for each in first + rest] == ["1", "3", "5", "6"]
    assert told[2][1]["output"] == "hi"
    assert told[2][1]["node"] == "hello"
    assert told[2][1]["duration_ms"] == 30.0
    assert told[3][1]["output"] == "hi"
    assert {data["execution_id"] for _, data in told} == {stage.execution_id}


async def test_a_broken_stream_goes_on_where_it_broke(stage):
    await stage.write(*run_of_one_node())

    async with stage.watch(**{"Last-Event-ID": "3"}) as stream:
        told = [(each.event, orjson.loads(each.data)["status"]) async for each in stream]

    assert told == [("node", "succeeded"), ("execution", "succeeded")]


async def test_a_client_that_has_seen_the_end_is_not_kept_waiting(stage):
    await stage.write(*run_of_one_node())

    async with stage.watch(**{"Last-Event-ID": "6"}) as stream:
        assert [each async for each in stream] == []


async def test_several_clients_are_told_the_same(stage):
    async def all_of():
        async with stage.watch() as stream:
            return [(each.event, each.id) async for each in stream]

    watching = [asyncio.create_task(all_of()) for _ in range(5)]
    await stage.write(*run_of_one_node())

    told = await asyncio.gather(*watching)
    assert len(told[0]) == 4
    assert all(each == told[0] for each in told)


async def test_an_execution_cancelled_in_the_queue_ends_the_stream(stage):
    async with stage.watch() as stream:
        await stage.client.post(f"/api/executions/{stage.execution_id}/cancel")
        told = [(each.event, orjson.loads(each.data)["status"]) async for each in stream]

    assert told == [("node", "skipped"), ("execution", "cancelled")]


async def test_behind_a_gateway_a_stream_ends_with_what_there_is_and_goes_on_when_the_client_comes_back(doors, stage):
    doors.api_app.state.deps = replace(doors.api_app.state.deps, feed=Glances())
    events, change = run_of_one_node()
    streams, last = [], "0"

    for written in ([], events[:3], [], events[3:]):
        await stage.write(written, change if written[-1:] == events[-1:] else None)
        async with stage.watch(**{"Last-Event-ID": last}) as stream:
            streams.append([each async for each in stream])
        last = next((each.id for each in reversed(streams[-1]) if each.id), last)

    told = [[orjson.loads(each.data)["status"] for each in stream if each.data] for stream in streams]
    assert told == [[], ["running", "running"], [], ["succeeded", "succeeded"]]
    assert [stream[-1].retry for stream in streams] == [1_000, 1_000, 1_000, None]


async def test_a_store_that_does_not_answer_ends_the_stream_and_the_client_comes_back(doors, stage, monkeypatch):
    events, change = run_of_one_node()
    history = stage.stores.executions.history

    async def away(*_, **__):
        raise StoreUnavailable("away")

    async with stage.watch() as stream:
        await stage.write(events[:3])
        first = [await anext(stream), await anext(stream)]
        monkeypatch.setattr(stage.stores.executions, "history", away)
        (last,) = [each async for each in stream]
    monkeypatch.setattr(stage.stores.executions, "history", history)
    await stage.write(events[3:], change)
    async with stage.watch(**{"Last-Event-ID": first[-1].id}) as stream:
        rest = [orjson.loads(each.data)["status"] async for each in stream]

    assert (last.retry, last.data) == (1_000, "")
    assert rest == ["succeeded", "succeeded"]


async def test_a_quiet_stream_has_heartbeats(stage, monkeypatch):
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)

    async with stage.client.stream("GET", stage.path, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == [": ping", "", ": ping"]


async def test_a_client_that_leaves_is_let_go(stage, monkeypatch):
    left = asyncio.Event()
    watch = stage.stores.feed.watch

    async def watched(execution_id):
        moves = watch(execution_id)
        try:
            async for move in moves:
                yield move
        finally:
            await moves.aclose()
            left.set()

    monkeypatch.setattr(stage.stores.feed, "watch", watched)
    events, _ = run_of_one_node()
    await stage.write(events[:1])

    async with stage.watch() as stream:
        await anext(stream)
    await asyncio.wait_for(left.wait(), 10)


@pytest.mark.parametrize("last", ["x", "-1", "99999999999"])
async def test_an_odd_last_event_id_is_refused(stage, last):
    answer = await stage.client.get(stage.path, headers={"Last-Event-ID": last})

    assert (answer.status_code, answer.json()["code"]) == (422, "request.parameter_invalid")


async def test_a_chunked_body_above_the_limit_is_refused_and_the_connection_goes_on(stage):
    async def chunks():
        for _ in range(64):
            yield b" " * 65_536

    answer = await stage.client.post("/api/workflows", content=chunks(), headers={"Content-Type": "application/json"})

    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
    assert (await stage.client.post("/api/workflows", json=definition(name="next"))).status_code == 201


async def test_what_an_agent_says_is_told_between_the_changes(stage):
    events, change = run_of_one_node()

    async with stage.watch() as stream:
        await stage.write(events[:3], StatusChange(ExecutionStatus.RUNNING, events[0].timestamp))
        before = [await anext(stream), await anext(stream)]
        await stage.stores.feed.say(stage.execution_id, AgentText("hello", [], 0, 0, "Hi"))
        said = await anext(stream)
        await stage.write(events[3:], change)
        rest = [each.event async for each in stream]

    assert [each.event for each in before] == ["execution", "node"]
    assert said.event == "text"
    assert orjson.loads(said.data) == {
        "execution_id": stage.execution_id,
        "node": "hello",
        "iteration": [],
        "turn": 0,
        "offset": 0,
        "text": "Hi",
    }
    assert rest == ["node", "execution"]
