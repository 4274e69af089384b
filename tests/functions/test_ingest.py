"""Nothing runs executions, and every door keeps accepting; once something does, each accepted start ends once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from functions.event import core as event
from functions.schedule import core as schedule
from functions.schedule.arrivals import Arrivals
from local.machines import Machines
from local.worker import Worker
from shared.clock import SystemClock
from shared.ids import new_id
from shared.ports import TaskCall
from shared.settings import DEFAULT_PROJECT_ID
from statemachines.interpreter import Interpreter
from tests.functions.conftest import Doors
from tests.support.stores import Stores, Woken

DELIVERIES, CALLS, EVENTS, FIRES = 150, 100, 60, 5
HOURLY = {"cron": "0 * * * *", "missed": {"policy": "run_all"}}


class NoTasks:
    """The workflow is a transform: it asks for no work of nodes."""

    async def run(self, call: TaskCall) -> Any:
        raise AssertionError(call)

    async def stop(self, call: TaskCall) -> None:
        raise AssertionError(call)


async def test_doors_accept_while_nothing_runs_and_nothing_is_lost(doors: Doors):
    nodes = [{"id": "same", "type": "transform", "config": {"output": "{% $input %}"}}]
    workflow = await doors.workflow(name=f"w-{new_id()}", nodes=nodes, output="{% $same %}")
    config = {"verification": {"scheme": "none"}, "delivery_id_header": "X-Delivery"}
    hook = await doors.trigger(workflow["id"], config=config)
    await doors.trigger(workflow["id"], type="event", config={"pattern": {"source": ["ingest"]}})
    timer = await doors.trigger(workflow["id"], type="schedule", config=HOURLY)

    answers = await ingested(doors, workflow["id"], hook["webhook"]["path"])
    fired = await fire(doors.stores, timer["id"])

    assert Counter(each.status_code for each in answers) == {202: 2 * DELIVERIES + CALLS + EVENTS}
    queued = await all_of(doors, workflow["id"])
    assert {each["status"] for each in queued} == {"queued"}
    assert len(queued) == DELIVERIES + CALLS + FIRES, "deliveries that repeat start nothing; events wait on the bus"
    accepted = {each.json()["execution_id"] for each in answers if "execution_id" in each.json()} | fired
    assert accepted == {each["id"] for each in queued}

    found = await run_all(doors, workflow["id"], len(queued) + EVENTS)

    assert {each["status"] for each in found} == {"succeeded"}
    assert accepted < {each["id"] for each in found}
    outputs = [(await doors.api.get(f"/api/executions/{each['id']}")).json()["output"] for each in found]
    assert sorted(each["body"]["n"] for each in outputs if "body" in each) == list(range(DELIVERIES))
    assert sorted(each["called"] for each in outputs if "called" in each) == list(range(CALLS))
    assert sorted(each["detail"]["n"] for each in outputs if "detail" in each) == list(range(EVENTS))
    assert len({each["time"] for each in outputs if "local_time" in each}) == FIRES


async def ingested(doors: Doors, workflow_id: str, path: str) -> list[Any]:
    """The answers of all doors; each delivery comes twice, as from a sender that tries again."""
    deliveries = [
        doors.webhook.post(f"/webhooks/{path}", json={"n": n}, headers={"X-Delivery": f"d{n}"})
        for n in range(DELIVERIES)
        for _ in range(2)
    ]
    execute = f"/api/workflows/{workflow_id}/execute"
    calls = [doors.api.post(execute, json={"input": {"called": n}}) for n in range(CALLS)]
    published = [
        doors.api.post("/api/events", json={"source": "ingest", "detail-type": "n", "detail": {"n": n}})
        for n in range(EVENTS)
    ]
    return list(await asyncio.gather(*deliveries, *calls, *published))


async def fire(stores: Stores, trigger_id: str) -> set[str]:
    """Ids of what fire times start, as EventBridge Scheduler asks for them: twice."""
    s, clock = stores, SystemClock()
    deps = schedule.Deps(s.triggers, s.trigger_states, s.trigger_runs, s.workflows, s.executions, s.queue, clock)
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    times = [hour - timedelta(hours=number) for number in range(FIRES)]
    arrivals = Arrivals(deps, Woken())
    fired = [await arrivals.on_event(DEFAULT_PROJECT_ID, trigger_id, at) for at in times * 2]
    return {each.execution_id for each in fired if each.execution_id}


async def run_all(doors: Doors, workflow_id: str, count: int) -> list[dict[str, Any]]:
    """Starts what shows events to triggers, and an interpreter; every execution, once so many have ended."""
    s, clock = doors.stores, SystemClock()
    deps = event.Deps(s.events, s.event_triggers, s.workflows, s.queue, s.lifecycle, clock)
    while await event.dispatch(deps, event.Listeners(deps.triggers)):
        pass
    worker = Worker(
        name="local/1",
        interpreter=Interpreter(journal=s.journal, runner=NoTasks(), clock=clock),
        backlog=s.backlog,
        admission=s.admission,
        journal=s.journal,
        machines=Machines(s.workflows),
        clock=clock,
    )
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(60):
            while any(each["status"] in ("queued", "running") for each in await all_of(doors, workflow_id)):
                await asyncio.sleep(0.1)
    finally:
        running.cancel()
        await worker.stop()
    found = await all_of(doors, workflow_id)
    assert len(found) == count
    return found


async def all_of(doors: Doors, workflow_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    params: dict[str, Any] = {"workflow_id": workflow_id, "limit": 200}
    while True:
        page = (await doors.api.get("/api/executions", params=params)).raise_for_status().json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        params["cursor"] = page["next_cursor"]
