"""Express workflows run on EXPRESS machines, whose log is their history; test_parity runs more of them."""

from typing import Any

from tests.localstack.deployment import PREFIX, Api, Deployment, until

STATES = "arn:aws:states:us-east-1:000000000000"


def document(name: str, mode: str, seconds: int = 1) -> dict[str, Any]:
    """A workflow that takes so long."""
    nodes = [
        {"id": "pause", "type": "delay", "config": {"seconds": seconds}},
        {"id": "a", "type": "transform", "config": {"output": "{% $input.n * 2 %}"}},
    ]
    settings = {"mode": mode, "timeout_seconds": 60}
    edges = [{"from": "pause", "to": "a"}]
    return {"name": name, "settings": settings, "nodes": nodes, "edges": edges, "output": "{% $a %}"}


async def test_a_workflow_that_becomes_express_has_a_machine_for_each_mode(api: Api, deployment: Deployment):
    made = await api.active(document("turned", "durable"))
    durable = await api.start(made, {"n": 1})
    updated = await api.http.put(f"api/workflows/{made['id']}", json=document("turned", "express", 5))
    assert updated.status_code == 200, updated.text

    express = await api.start(made, {"n": 2})

    async def running() -> bool:
        return bool((await api.get(f"api/executions/{express}"))["status"] == "running")

    await until(running)
    cancelled = await api.http.post(f"api/executions/{express}/cancel")
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "resource.conflict")
    assert "EXPRESS" in cancelled.json()["detail"]
    for execution_id, version, output in ((durable, 1, 2), (express, 2, 4)):
        ended = await api.ended(execution_id)
        assert (ended["status"], ended["version"], ended["output"]) == ("succeeded", version, output)
        assert {run["node"]: run["status"] for run in ended["nodes"]} == {"pause": "succeeded", "a": "succeeded"}
        assert (await api.get(f"api/executions/{execution_id}/logs"))["items"]
    machine, client = f"{STATES}:stateMachine:{PREFIX}-{made['id']}", deployment.client("stepfunctions")
    assert client.describe_state_machine(stateMachineArn=f"{machine}-express")["type"] == "EXPRESS"
    ran = client.list_executions(stateMachineArn=machine)["executions"]
    assert [each["name"] for each in ran] == [durable]


async def test_an_express_workflow_that_another_waits_for_runs_where_it_can_be_asked_about(api: Api):
    inner = await api.active(document("turned-inner", "express"))
    call = {"id": "a", "type": "workflow", "config": {"workflow": "turned-inner", "input": {"n": "{% $input.n %}"}}}
    outer = await api.active({"name": "turned-outer", "nodes": [call], "edges": [], "output": "{% $a %}"})

    execution = await api.ended(await api.start(outer, {"n": 21}))

    assert (execution["status"], execution["output"]) == ("succeeded", 42), execution

    async def nested() -> list[dict[str, Any]]:
        found = (await api.get(f"api/executions?workflow_id={inner['id']}"))["items"]
        return [each for each in found if each["completed_at"]]

    (child,) = await until(nested)
    whole = await api.get(f"api/executions/{child['id']}")
    assert {run["node"]: run["status"] for run in whole["nodes"]} == {"pause": "succeeded", "a": "succeeded"}
