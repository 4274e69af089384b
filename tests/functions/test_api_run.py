"""A run by the real compiler, interpreter and stores, read through the API."""

from shared.clock import SystemClock
from shared.executions.records import StartRequest
from shared.ports import TaskFailed, TaskRunner
from shared.settings import DEFAULT_PROJECT_ID
from statemachines.interpreter import Interpreter, Machine

NODES = [
    {"id": "shape", "type": "transform", "config": {"output": "{% $input.body %}"}},
    {
        "id": "route",
        "type": "condition",
        "config": {"cases": [{"case": "big", "when": "{% $shape.n > 3 %}"}], "default": "small"},
    },
    {"id": "left", "type": "transform", "config": {"output": "{% $shape.n * 2 %}"}},
    {"id": "right", "type": "webhook", "config": {"url": "http://127.0.0.1/", "body": "{% $shape %}"}},
    {"id": "both", "type": "transform", "config": {"output": "{% [$left, $right.n] %}"}},
    {"id": "small", "type": "transform", "config": {"output": "no"}},
]
EDGES = [
    {"from": "shape", "to": "route"},
    {"from": "route", "to": "left", "case": "big"},
    {"from": "route", "to": "right", "case": "big"},
    {"from": "route", "to": "small", "case": "small"},
    {"from": "left", "to": "both"},
    {"from": "right", "to": "both"},
]
RETRY = {"max_attempts": 2, "interval_seconds": 1, "jitter": True}


class Flaky(TaskRunner):
    """Fails on the first attempt; and on every one where it `never` succeeds."""

    def __init__(self, *, never: bool = False) -> None:
        self.never = never

    async def run(self, call):
        if self.never or call.attempt == 0:
            raise TaskFailed("DestinationTimeout", '{"errorMessage": "no answer in 5 s"}')
        return {"Payload": {"output": {"n": 7}, "meta": {"status": 200}}, "StatusCode": 200}


async def run(doors, runner):
    """Starts the workflow through the API and runs it to its end; the execution as the API shows it."""
    nodes = [node | ({"retry": RETRY} if node["id"] == "right" else {}) for node in NODES]
    workflow = await doors.workflow(name="real", nodes=nodes, edges=EDGES, output="{% $both %}")
    path = f"/api/workflows/{workflow['id']}"
    data = {"body": {"n": 5}}
    started = (await doors.api.post(f"{path}/execute", json={"input": data})).raise_for_status().json()
    request = StartRequest(
        execution_id=started["execution_id"],
        project_id=DEFAULT_PROJECT_ID,
        workflow_id=workflow["id"],
        version=1,
        input=data,
        context={},
        created_at=SystemClock().now(),
    )
    version = (await doors.api.get(f"{path}/versions/1")).json()
    interpreter = Interpreter(journal=doors.stores.journal, runner=runner, clock=SystemClock())
    try:
        await interpreter.run(Machine.load(version["asl"]), request, workflow_name="real", mode="durable")
    finally:
        await interpreter.close()
    return (await doors.api.get(f"/api/executions/{started['execution_id']}")).json()


async def test_every_node_of_a_run_is_told(doors):
    execution = await run(doors, Flaky())

    nodes = {node["node"]: node for node in execution["nodes"]}
    assert (execution["status"], execution["output"]) == ("succeeded", [10, 7])
    assert {name: (n["status"], n["attempts"], n["output"]) for name, n in nodes.items()} == {
        "shape": ("succeeded", 1, {"n": 5}),
        "route": ("succeeded", 1, {"case": "big"}),
        "left": ("succeeded", 1, 10),
        "right": ("succeeded", 2, {"n": 7}),
        "both": ("succeeded", 1, [10, 7]),
        "small": ("skipped", 0, None),
    }
    assert nodes["right"]["input"]["body"] == {"n": 5}
    assert nodes["right"]["meta"] == {"status": 200}
    assert all(n["duration_ms"] is not None for n in nodes.values() if n["status"] == "succeeded")


async def test_a_failure_is_told_where_it_happened(doors):
    execution = await run(doors, Flaky(never=True))

    lines = (await doors.api.get(f"/api/executions/{execution['id']}/logs", params={"level": "warning"})).json()[
        "items"
    ]
    assert (execution["status"], execution["error"]["name"]) == ("failed", "DestinationTimeout")
    assert {n["node"]: n["status"] for n in execution["nodes"]} == {
        "shape": "succeeded",
        "route": "succeeded",
        "left": "succeeded",
        "right": "failed",
        "both": "skipped",
        "small": "skipped",
    }
    assert [(line["level"], line["message"]) for line in lines] == [
        ("warning", "right: attempt 1 failed: DestinationTimeout: no answer in 5 s"),
        ("warning", "right: attempt 2 failed: DestinationTimeout: no answer in 5 s"),
        ("error", "right: failed: DestinationTimeout: no answer in 5 s"),
        ("error", "execution failed: DestinationTimeout: no answer in 5 s"),
    ]
