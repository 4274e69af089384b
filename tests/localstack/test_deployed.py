"""The deployed product, driven through its REST API: what runs on Step Functions is what runs on the local stage."""

import hashlib
import hmac
import json
from typing import Any

import httpx
import orjson
import yaml

from shared.adapters.aws.starts import encode
from shared.clock import SystemClock
from shared.executions.records import Priority, StartRequest
from shared.ids import new_id
from tests.localstack.deployment import PREFIX, Api, Deployment, until
from tests.localstack.emulator import REGION, ROOT
from tests.support.openai_server import OpenAIServer, calls, said

ISSUE = ROOT / "events" / "github-issues-opened.json"
ORDER = {"order": "A-1", "priority": 9, "items": [{"price": 5, "quantity": 2}, {"price": 1, "quantity": 4}]}


def example(name: str, echo: str) -> Any:
    """An example's document, with the service of the tests in the place of the one it names."""
    text = (ROOT / "examples" / name / "workflow.yaml").read_text()
    return yaml.safe_load(text.replace("127.0.0.1:8099", echo))


def workflow(name: str, *nodes: dict[str, Any], output: str = "{% $a %}") -> dict[str, Any]:
    return {"name": name, "nodes": list(nodes), "edges": [], "output": output}


def statuses(execution: dict[str, Any]) -> dict[str, str]:
    return {run["node"]: run["status"] for run in execution["nodes"]}


async def test_a_request_without_credentials_gets_no_further_than_the_gateway(deployment: Deployment):
    """The emulator gives the answer's status, and leaves its template and headers out: tests/infra/test_stacks.py."""
    async with httpx.AsyncClient(base_url=deployment.url, timeout=60) as nobody:
        refused = await nobody.get("api/workflows")
        signing_in = await nobody.post("api/auth/login", json={"email": "a@example.org", "password": "wrong"})

    assert refused.status_code == 401
    assert "Authorization" in refused.json()["message"]  # the function's answers have `code` and `detail`
    assert (signing_in.status_code, signing_in.json()["code"]) == (401, "auth.unauthenticated"), signing_in.text


async def test_the_first_example_runs_and_its_history_and_node_runs_can_be_read(api: Api, echo: str):
    execution_id = await api.start(await api.active(example("hello", echo)), {"name": "Ada", "hour": 9})

    execution = await api.ended(execution_id)

    assert (execution["status"], execution["output"]) == ("succeeded", {"greeting": "Good morning, ADA!"})
    assert statuses(execution) == {"guest": "succeeded", "time": "succeeded", "early": "succeeded", "late": "skipped"}
    assert execution["started_at"] <= execution["completed_at"]
    listed = await api.get("api/executions")
    assert execution_id in [each["id"] for each in listed["items"]]


async def test_an_example_with_an_http_request_runs(api: Api, echo: str):
    execution = await api.ended(await api.start(await api.active(example("w5", echo)), {"body": ORDER}))

    assert execution["status"] == "succeeded", execution
    assert execution["output"] == {"order": "A-1", "rush": True, "totals": [14, 14], "agreed": True}


async def test_an_example_with_an_agent_runs(api: Api, echo: str):
    given = {"body": json.loads(ISSUE.read_text())}

    execution = await api.ended(await api.start(await api.active(example("github-issue-triage", echo)), given))

    assert execution["status"] == "succeeded", execution
    assert execution["output"]["published"] == 200
    assert next(run for run in execution["nodes"] if run["node"] == "triage")["meta"]["model"] == "demo:triage"


async def test_an_example_that_is_imported_from_n8n_runs(api: Api, echo: str):
    export = (ROOT / "examples" / "from-n8n" / "orders.json").read_text().replace("127.0.0.1:8099", echo)
    headers = {"Content-Type": "application/json"}
    imported = await api.http.post("api/workflows/import/n8n", content=export.encode(), headers=headers)
    assert imported.status_code == 200, imported.text
    order = {"customer": " Ada ", "items": [{"price": 500, "quantity": 3}]}

    made = await api.active(imported.json()["definition"])
    execution = await api.ended(await api.start(made, {"body": order}))

    assert execution["status"] == "succeeded", execution
    assert "Ada ordered for 1500" in json.dumps(execution["nodes"])


async def test_a_signed_delivery_starts_an_execution_and_another_is_refused(api: Api):
    made = await api.active(
        workflow("hooked", {"id": "a", "type": "transform", "config": {"output": "{% $input.body %}"}})
    )
    config = {"verification": {"scheme": "github"}}
    trigger = await api.http.post(
        f"api/workflows/{made['id']}/triggers", json={"type": "webhook", "config": config, "secret": "hush-hush"}
    )
    path, body = f"webhooks/{trigger.json()['webhook']['path']}", orjson.dumps({"n": 7})
    signed = "sha256=" + hmac.new(b"hush-hush", body, hashlib.sha256).hexdigest()

    headers = {"Content-Type": "application/json", "X-GitHub-Delivery": "d-1", "X-GitHub-Event": "push"}
    taken = await api.http.post(path, content=body, headers={**headers, "X-Hub-Signature-256": signed})
    refused = await api.http.post(path, content=body, headers={**headers, "X-Hub-Signature-256": "sha256=00"})

    assert (taken.status_code, refused.status_code) == (202, 401), (taken.text, refused.text)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == 401
    execution = await api.delivered(taken.json()["execution_id"])
    assert (execution["status"], execution["output"]) == ("succeeded", {"n": 7})


async def test_an_agent_asks_its_model_and_its_tools_turn_by_turn(api: Api, models: OpenAIServer):
    agent = {"model": "openai:tested-model", "prompt": "Parse it.", "tools": ["csv.parse"]}
    models.answers += [calls(("csv_parse", {"text": "a,b\n1,2\n"})), said("One row.")]

    execution = await api.ended(
        await api.start(await api.active(workflow("agent", {"id": "a", "type": "agent", "config": agent})), {})
    )

    assert (execution["status"], execution["output"]) == ("succeeded", "One row."), execution
    assert models.messages[-1]["role"] == "tool"


async def test_a_persons_decision_completes_the_task_token(api: Api):
    ask = {"id": "a", "type": "approval", "config": {"title": "Refund?", "approvers": ["ada"]}}
    execution_id = await api.start(await api.active(workflow("approval", ask)), {})

    async def pending() -> Any:
        return (await api.get(f"api/approvals?execution_id={execution_id}"))["items"]

    (approval,) = await until(pending)
    decided = await api.http.post(f"api/approvals/{approval['id']}/decide", json={"by": "ada", "approved": True})

    execution = await api.ended(execution_id)
    assert decided.status_code == 200, decided.text
    assert (execution["status"], execution["output"]["approved"]) == ("succeeded", True)


async def test_a_running_execution_is_cancelled(api: Api):
    wait = {"id": "a", "type": "delay", "config": {"seconds": 300}}
    execution_id = await api.start(await api.active(workflow("long", wait, output="{% 1 %}")), {})

    async def running() -> bool:
        return bool((await api.get(f"api/executions/{execution_id}"))["status"] == "running")

    await until(running)
    cancelled = await api.http.post(f"api/executions/{execution_id}/cancel")

    assert cancelled.status_code in (200, 202), cancelled.text
    assert (await api.ended(execution_id))["status"] == "cancelled"


async def test_what_is_cancelled_while_its_machine_starts_is_stopped(api: Api, deployment: Deployment):
    """As `dispatch` finds it that comes back after it started a machine, and ended before it looked once more."""
    wait = {"id": "a", "type": "delay", "config": {"seconds": 300}}
    document = workflow("one-at-a-time", wait, output="{% 1 %}") | {"settings": {"max_concurrency": 1}}
    made = await api.active(document)
    running, held_up = [await api.start(made, {}) for _ in range(2)]
    machines, machine = deployment.client("stepfunctions"), f"{PREFIX}-{made['id']}"
    states = f"arn:aws:states:{REGION}:000000000000"
    assert (await api.http.post(f"api/executions/{held_up}/cancel")).status_code in (200, 202)
    begun = machines.start_execution(stateMachineArn=f"{states}:stateMachine:{machine}:v1", name=held_up, input="{}")
    request = StartRequest(
        execution_id=held_up,
        project_id=made["project_id"],
        workflow_id=made["id"],
        version=1,
        input={},
        context={"trigger": {"type": "manual"}, "correlation_id": "cancelled"},
        created_at=SystemClock().now(),
    )

    sqs = deployment.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{PREFIX}-starts-normal")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=encode(request).decode())

    async def stopped() -> bool:
        found = machines.describe_execution(executionArn=begun["executionArn"])
        return bool(found["status"] == "ABORTED")

    await until(stopped)
    assert (await api.ended(held_up))["status"] == "cancelled"
    await api.http.post(f"api/executions/{running}/cancel")


async def test_a_workflow_runs_another_and_both_are_executions(api: Api):
    inner = await api.active(
        workflow("inner", {"id": "a", "type": "transform", "config": {"output": "{% $input.n * 2 %}"}})
    )
    call = {"id": "a", "type": "workflow", "config": {"workflow": "inner", "input": {"n": "{% $input.n %}"}}}
    outer = await api.active(workflow("outer", call))

    execution = await api.ended(await api.start(outer, {"n": 21}))

    assert (execution["status"], execution["output"]) == ("succeeded", 42), execution

    async def nested() -> list[dict[str, Any]]:
        found = (await api.get(f"api/executions?workflow_id={inner['id']}"))["items"]
        return [each for each in found if each["completed_at"]]

    (child,) = await until(nested)
    whole = await api.get(f"api/executions/{child['id']}")
    assert (whole["status"], whole["output"], whole["input"]) == ("succeeded", 42, {"n": 21})
    assert statuses(whole) == {"a": "succeeded"}


async def test_a_workflow_that_runs_one_that_is_not_there_is_refused(api: Api):
    call = {"id": "a", "type": "workflow", "config": {"workflow": "nowhere"}}

    answer = await api.http.post("api/workflows", json=workflow("calling", call))

    assert (answer.status_code, answer.json()["code"]) == (422, "request.parameter_invalid"), answer.text


async def test_a_poisoned_start_becomes_a_dead_letter_and_starts_once_it_is_redriven(api: Api, deployment: Deployment):
    document = workflow("poisoned", {"id": "a", "type": "transform", "config": {"output": 1}})
    made = await api.active(document)
    request = StartRequest(
        execution_id=new_id(),
        project_id=made["project_id"],
        workflow_id=made["id"],
        version=2,  # that is not there
        input={},
        context={"trigger": {"type": "manual"}, "correlation_id": "poison"},
        created_at=SystemClock().now(),
        priority=Priority.LOW,
    )
    sqs = deployment.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{PREFIX}-starts-low")["QueueUrl"]
    dead = sqs.get_queue_url(QueueName=f"{PREFIX}-starts-low-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    once = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})  # twenty tries take three minutes
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": once})

    sqs.send_message(QueueUrl=queue, MessageBody=encode(request).decode())

    async def given_up() -> bool:
        names = ["ApproximateNumberOfMessages"]
        found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=names)["Attributes"]
        return found[names[0]] == "1"

    await until(given_up)
    answer = await api.http.put(f"api/workflows/{made['id']}", json=document | {"output": "{% $a + 1 %}"})
    assert answer.status_code == 200, answer.text  # the cause is mended
    sqs.start_message_move_task(SourceArn=arn)

    async def taken() -> bool:
        return (await api.http.get(f"api/executions/{request.execution_id}")).status_code == 200

    await until(taken)
    assert (await api.ended(request.execution_id))["output"] == 2
