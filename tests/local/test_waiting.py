"""Waiting on the local stage, end to end: nested workflows, sleepers, limits, redrive, several worker processes."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import stage as stages
from tests.support.calls import Api, call


@pytest.fixture
async def api(stage_with_service: stages.Stage) -> AsyncIterator[Api]:
    client = Api(stage_with_service.url)
    yield client
    await client.http.aclose()


@pytest.fixture(scope="module")
def stage_with_service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with stages.running(tmp_path_factory.mktemp("waiting") / "data", MILLRACE_ALLOWED_HOSTS="127.0.0.1") as running:
        yield running


async def test_a_nested_workflow_gives_its_output_to_the_one_that_waits(api: Api, service: Any):
    _, url = service
    await api.publish("child", [call("ask", f"{url}/child")], output={"got": "{% $input.n %}"})
    config = {"workflow": "child", "input": {"n": 7}}
    parent = await api.publish("parent", [{"id": "sub", "type": "workflow", "config": config}], output="{% $sub %}")

    execution = await api.until(await api.run(parent))

    assert (execution["status"], execution["output"]) == ("succeeded", {"got": 7}), execution
    (child,) = await api.listed(workflow_id=(await workflow_id_of(api, "child")))
    assert child["trigger"]["type"] == "workflow"
    assert child["trigger"]["parent"]["execution_id"] == execution["id"]


async def test_a_nested_workflow_that_nobody_waits_for(api: Api, service: Any):
    await api.publish("alone", [{"id": "t", "type": "transform", "config": {"output": 1}}])
    config = {"workflow": "alone", "input": {}, "wait": False}
    parent = await api.publish("starter", [{"id": "sub", "type": "workflow", "config": config}], output="{% $sub %}")

    execution = await api.until(await api.run(parent))

    child = await api.until(execution["output"]["execution_id"])
    assert (execution["status"], child["status"]) == ("succeeded", "succeeded")


async def test_the_failure_of_a_nested_workflow_fails_the_node(api: Api):
    config = {"workflow": "no-such-workflow", "input": {}}
    parent = await api.publish("orphan", [{"id": "sub", "type": "workflow", "config": config}])

    execution = await api.until(await api.run(parent))

    assert execution["status"] == "failed"
    assert "no-such-workflow" in execution["error"]["cause"]


async def test_cancelling_the_parent_cancels_the_child(api: Api):
    await api.publish("sleepy", [{"id": "nap", "type": "delay", "config": {"seconds": 3600}}])
    sleepy = await workflow_id_of(api, "sleepy")
    config = {"workflow": "sleepy", "input": {}}
    parent = await api.publish("impatient", [{"id": "sub", "type": "workflow", "config": config}])
    parent_id = await api.run(parent)
    async with asyncio.timeout(20):
        while not await api.listed(workflow_id=sleepy):
            await asyncio.sleep(0.05)
    (child,) = await api.listed(workflow_id=sleepy)

    (await api.http.post(f"/api/executions/{parent_id}/cancel")).raise_for_status()

    assert (await api.until(parent_id))["status"] == "cancelled"
    assert (await api.until(child["id"]))["status"] == "cancelled"


async def test_a_sleeper_leaves_memory_and_comes_back_on_time(api: Api):
    workflow = await api.publish("sleeper", [{"id": "nap", "type": "delay", "config": {"seconds": 7}}])

    execution = await api.until(await api.run(workflow))

    assert execution["status"] == "succeeded"
    assert 6_990 <= execution["duration_ms"] < 15_000, "events carry milliseconds"


async def test_only_so_many_run_at_once(api: Api, service: Any):
    receiver, url = service
    workflow = await api.publish("narrow", [call("ask", f"{url}/slow")], settings={"max_concurrency": 2})
    ids = [await api.run(workflow) for _ in range(6)]
    async with asyncio.timeout(20):
        while receiver.calls()["/slow"] < 2:
            await asyncio.sleep(0.02)
    running = [execution_id for execution_id in ids if (await api.get(execution_id))["status"] == "running"]
    assert len(running) <= 2
    assert receiver.calls()["/slow"] == 2

    receiver.on.set()

    assert [(await api.until(each))["status"] for each in ids] == ["succeeded"] * 6


async def test_a_failed_execution_goes_on_from_where_it_failed(api: Api, service: Any):
    receiver, url = service
    nodes = [call("first", f"{url}/first"), call("second", f"{url}/flaky", retry={"max_attempts": 1})]
    workflow = await api.publish("flaky", nodes, output={"status": "{% $second.status %}"})
    execution_id = await api.run(workflow)
    failed = await api.until(execution_id)
    receiver.on.set()

    answer = await api.http.post(f"/api/executions/{execution_id}/redrive")

    assert (failed["status"], answer.status_code) == ("failed", 202), failed
    execution = await api.until(execution_id)
    assert (execution["status"], execution["output"]) == ("succeeded", {"status": 200})
    assert receiver.calls()["/first"] == 1, "what has succeeded is not run again"
    again = await api.http.post(f"/api/executions/{execution_id}/redrive")
    assert (again.status_code, again.json()["code"]) == (409, "resource.conflict")


async def test_a_token_that_is_none_of_ours_completes_nothing(api: Api):
    answer = await api.http.post("/api/tasks/success", json={"task_token": "forged", "output": 1})

    assert (answer.status_code, answer.json()["code"]) == (400, "task_token_invalid")


async def workflow_id_of(api: Api, name: str) -> str:
    listed = (await api.http.get("/api/workflows", params={"limit": 200})).json()["items"]
    return next(str(each["id"]) for each in listed if each["name"] == name)


async def test_a_flood_is_refused_in_time_and_what_was_accepted_is_done(tmp_path: Path, service: Any):
    receiver, url = service
    allowed = {"MILLRACE_ALLOWED_HOSTS": "127.0.0.1", "MILLRACE_MAX_QUEUED": "50"}
    with stages.running(tmp_path / "data", **allowed) as stage:
        api = Api(stage.url)
        try:
            settings = {"max_concurrency": 5}
            workflow = await api.publish("flooded", [call("ask", f"{url}/slow")], settings=settings)
            target = f"/api/workflows/{workflow}/execute"
            answers = [await api.http.post(target, json={"input": {"n": n}}) for n in range(200)]
            refused = [answer for answer in answers if answer.status_code == 429]
            accepted = [answer.json()["execution_id"] for answer in answers if answer.status_code == 202]
            receiver.on.set()

            ends = [await api.until(execution_id) for execution_id in accepted]

            assert len(refused) + len(accepted) == 200
            assert 50 <= len(accepted) < 150
            assert {answer.json()["code"] for answer in refused} == {"queue.full"}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
            assert Counter(each["status"] for each in ends) == {"succeeded": len(accepted)}
            assert await accepted_within(api, target, seconds=2 * int(refused[-1].headers["retry-after"]))
        finally:
            await api.http.aclose()


async def accepted_within(api: Api, target: str, *, seconds: int) -> bool:
    """Whether a client that comes back as Retry-After says is let in: the depth of the queue is counted in between."""
    async with asyncio.timeout(seconds):
        while (await api.http.post(target, json={})).status_code != 202:
            await asyncio.sleep(0.2)
    return True


async def test_several_processes_share_the_work_and_one_that_dies_is_replaced(tmp_path: Path, service: Any):
    receiver, url = service
    allowed = {"MILLRACE_ALLOWED_HOSTS": "127.0.0.1"}
    with stages.running(tmp_path / "data", "--workers", "2", **allowed) as stage:
        api = Api(stage.url)
        try:
            workflow = await api.publish("shared", [call("first", f"{url}/first"), call("hold", f"{url}/slow")])
            await until_every_process_listens(stage)
            ids = await asyncio.gather(*(fresh_run(stage.url, workflow) for _ in range(60)))
            async with asyncio.timeout(20):
                while receiver.calls()["/slow"] < len(ids):
                    await asyncio.sleep(0.02)
            (child,) = worker_processes(stage)
            victim = psutil.Process(child)
            os.kill(child, signal.SIGKILL)
            await asyncio.to_thread(psutil.wait_procs, [victim])
            await api.http.aclose()
            api = Api(stage.url)  # the old one may have a connection to the dead process
            receiver.on.set()

            ends = [await api.until(execution_id) for execution_id in ids]

            assert Counter(each["status"] for each in ends) == {"succeeded": 60}
            calls = receiver.calls()
            assert calls["/first"] == 60, "a finished task was run again"
            assert 60 < calls["/slow"] <= 120, "the dead process had executions in flight, and they were taken up"
            assert worker_processes(stage) not in ([], [child])
        finally:
            await api.http.aclose()


async def fresh_run(url: str, workflow: str) -> str:
    """Over a connection of its own, so that any process may take it."""
    api = Api(url)
    try:
        return await api.run(workflow)
    finally:
        await api.http.aclose()


async def until_every_process_listens(stage: stages.Stage) -> None:
    port = int(stage.url.rsplit(":", 1)[1])
    async with asyncio.timeout(40):
        while not any(port in listening(child) for child in worker_processes(stage)):
            await asyncio.sleep(0.05)


def listening(pid: int) -> set[int]:
    connections = psutil.Process(pid).net_connections("tcp")
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def worker_processes(stage: stages.Stage) -> list[int]:
    children = psutil.Process(stage.process.pid).children()
    return [child.pid for child in children if "local.child" in " ".join(child.cmdline())]
