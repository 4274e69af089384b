"""Deliveries to the webhook receiver: what starts, and each refusal with its own status and code."""

import hmac
import time

import orjson
import pytest

from shared.executions.records import ExecutionStatus, StatusChange
from shared.executions.start import MAX_INPUT_BYTES
from tests.functions.conftest import SCHEMA, assert_problem, definition
from tests.support.history import START

SECRET = "It's a Secret to Everybody"
GOOD = b'{"who": "world"}'
JSON = {"Content-Type": "application/json"}


def signed(body: bytes, **headers: str) -> dict[str, str]:
    return JSON | {"X-Hub-Signature-256": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()} | headers


@pytest.fixture
async def workflow(doors):
    return await doors.workflow(input_schema=SCHEMA)


@pytest.fixture
async def hook(doors, workflow):
    config = {"path": "github-issues", "verification": {"scheme": "github"}}
    return await doors.trigger(workflow["id"], config=config, secret=SECRET)


async def test_a_delivery_starts_the_workflow(doors, workflow, hook):
    headers = signed(GOOD, **{"X-GitHub-Delivery": "d-1", "X-GitHub-Event": "issues", "X-Correlation-Id": "c-1"})
    answer = await doors.webhook.post("/webhooks/github-issues?page=2", content=GOOD, headers=headers)
    body = answer.json()

    assert answer.status_code == 202
    assert (body["status"], body["duplicate"]) == ("queued", False)
    execution = (await doors.api.get(f"/api/executions/{body['execution_id']}")).json()
    assert execution["workflow_id"] == workflow["id"]
    assert execution["trigger"] == {"type": "webhook", "id": hook["id"]}
    assert (execution["correlation_id"], execution["context"]["delivery_id"]) == ("c-1", "d-1")
    data = execution["input"]
    assert (data["body"], data["query"], data["method"]) == ({"who": "world"}, {"page": "2"}, "POST")
    assert data["headers"]["x-github-event"] == "issues"
    assert not any("signature" in name for name in data["headers"])


async def test_a_redelivery_starts_nothing_twice(doors, workflow, hook):
    ids = []
    for agent in ("GitHub-Hookshot/1", "GitHub-Hookshot/2"):
        headers = signed(GOOD, **{"X-GitHub-Delivery": "d-1", "User-Agent": agent})
        ids.append((await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=headers)).json())

    assert [each["duplicate"] for each in ids] == [False, True]
    assert ids[0]["execution_id"] == ids[1]["execution_id"]
    assert len(await doors.executions(workflow["id"])) == 1


async def test_a_delivery_id_with_another_body_is_refused(doors, workflow, hook):
    for body, status in ((GOOD, 202), (b'{"who": "me"}', 409)):
        headers = signed(body, **{"X-GitHub-Delivery": "d-1"})
        answer = await doors.webhook.post("/webhooks/github-issues", content=body, headers=headers)
        assert answer.status_code == status
    assert_problem(answer, 409, "request.idempotency_mismatch")
    assert len(await doors.executions(workflow["id"])) == 1


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("nowhere", GOOD, signed(GOOD), 404, "webhook.not_found"),
        ("%00", GOOD, signed(GOOD), 404, "webhook.not_found"),
        ("github-issues/more", GOOD, signed(GOOD), 404, "resource.not_found"),
        ("github-issues", GOOD, JSON, 401, "webhook.signature_invalid"),
        ("github-issues", GOOD, signed(GOOD + b" "), 401, "webhook.signature_invalid"),
        ("github-issues", b'{"who": ', signed(b'{"who": '), 400, "request.malformed"),
        ("github-issues", b"{}", signed(b"{}"), 422, "input.invalid"),
        ("github-issues", b"", signed(b""), 422, "input.invalid"),
        ("github-issues", b"x", signed(b"x", **{"Content-Type": "image/png"}), 415, "request.unsupported_media_type"),
        ("github-issues", b"x" * (1024 * 1024 + 1), signed(b""), 413, "request.too_large"),
    ],
)
async def test_refusals_leave_nothing_behind(*, doors, workflow, hook, path, body, headers, status, code):
    answer = await doors.webhook.post(f"/webhooks/{path}", content=body, headers=headers)

    problem = assert_problem(answer, status, code)
    if code == "input.invalid":
        assert problem["diagnostics"][0]["path"].startswith("input.body")
    if status == 401:
        assert answer.headers["www-authenticate"]
    assert await doors.executions(workflow["id"]) == []


async def test_a_body_of_unknown_length_is_counted(doors, workflow, hook):
    async def chunks():
        for _ in range(17):
            yield b"x" * 65_536

    answer = await doors.webhook.post("/webhooks/github-issues", content=chunks(), headers=JSON)

    assert "content-length" not in answer.request.headers
    assert_problem(answer, 413, "request.too_large")


async def test_an_input_that_step_functions_could_not_start_with_is_refused(doors, workflow, hook):
    answers = []
    for size in (MAX_INPUT_BYTES - 1_000, MAX_INPUT_BYTES):
        body = orjson.dumps({"who": "w" * size})
        answers.append(await doors.webhook.post("/webhooks/github-issues", content=body, headers=signed(body)))

    assert answers[0].status_code == 202, answers[0].text
    problem = assert_problem(answers[1], 413, "request.too_large")
    assert problem["details"]["allowed"] == MAX_INPUT_BYTES
    assert len(await doors.executions(workflow["id"])) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [("pause", 409, "workflow.inactive"), ("delete", 410, "resource.deleted"), ("off", 409, "trigger.inactive")],
)
async def test_what_is_switched_off_starts_nothing_and_says_so_to_signers_only(
    *, doors, workflow, hook, change, status, code
):
    if change == "pause":
        await doors.api.post(f"/api/workflows/{workflow['id']}/pause")
    elif change == "delete":
        await doors.api.delete(f"/api/workflows/{workflow['id']}")
    else:
        await doors.api.put(f"/api/triggers/{hook['id']}", json={"is_active": False})

    known = await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=signed(GOOD))
    stranger = await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=JSON)

    assert_problem(known, status, code)
    assert_problem(stranger, 401, "webhook.signature_invalid")
    assert await doors.executions(workflow["id"]) == []


async def test_methods_are_the_registrations(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "any", "methods": ["GET", "PUT"]})

    refused = await doors.webhook.post("/webhooks/any", content=GOOD, headers=JSON)
    head = await doors.webhook.head("/webhooks/any")
    taken = await doors.webhook.put("/webhooks/any", content=GOOD, headers=JSON)

    assert_problem(refused, 405, "request.method_not_allowed")
    assert refused.headers["allow"] == "GET, PUT"
    assert head.status_code == 405
    assert taken.status_code == 202


async def test_a_new_secret_replaces_the_old_one(doors, hook):
    await doors.api.put(f"/api/triggers/{hook['id']}", json={"secret": "another"})

    answer = await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=signed(GOOD))

    assert_problem(answer, 401, "webhook.signature_invalid")


async def test_a_sender_may_be_moved_to_a_new_secret(doors, hook):
    path = f"/api/triggers/{hook['id']}"
    await doors.api.put(path, json={"secret": "another", "keep_previous_secret": True})
    during = await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=signed(GOOD))
    changed = await doors.api.put(path, json={"secret": "another"})
    after = await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=signed(GOOD))

    assert during.status_code == 202
    assert_problem(after, 401, "webhook.signature_invalid")
    assert "another" not in changed.text


async def test_stripe_may_change_an_event_that_it_sends_again(doors, workflow):
    await doors.trigger(
        workflow["id"], config={"path": "stripe", "verification": {"scheme": "stripe"}}, secret="whsec_1"
    )
    answers = []
    for pending in (2, 1):
        body = orjson.dumps({"id": "evt_1", "who": "x", "pending_webhooks": pending})
        stamp = str(int(time.time()))
        proof = hmac.digest(b"whsec_1", f"{stamp}.".encode() + body, "sha256").hex()
        headers = JSON | {"Stripe-Signature": f"t={stamp},v1={proof}"}
        answers.append((await doors.webhook.post("/webhooks/stripe", content=body, headers=headers)).json())

    assert [each["duplicate"] for each in answers] == [False, True]


async def test_a_key_in_the_query_starts_and_is_not_kept(doors, workflow):
    rule = {"scheme": "api_key", "place": "query", "name": "key"}
    await doors.trigger(workflow["id"], config={"path": "keyed", "verification": rule}, secret="s3cret")

    refused = await doors.webhook.post("/webhooks/keyed?key=s3cre", content=GOOD, headers=JSON)
    taken = await doors.webhook.post("/webhooks/keyed?key=s3cret&a=1", content=GOOD, headers=JSON)

    assert_problem(refused, 401, "webhook.signature_invalid")
    execution = await doors.api.get(f"/api/executions/{taken.json()['execution_id']}")
    assert execution.json()["input"]["query"] == {"a": "1"}
    assert "s3cret" not in execution.text


async def test_a_delivery_runs_the_newest_version(doors, workflow, hook):
    await doors.api.put(f"/api/workflows/{workflow['id']}", json=definition(description="two"))
    answer = await doors.webhook.post("/webhooks/github-issues", content=GOOD, headers=signed(GOOD))

    execution = (await doors.api.get(f"/api/executions/{answer.json()['execution_id']}")).json()
    assert execution["version"] == 2


@pytest.mark.parametrize("result", [{"total": 7}, None])
async def test_a_sender_may_wait_for_the_output(doors, workflow, result):
    await doors.trigger(workflow["id"], config={"path": "sync", "respond": "finished", "respond_within_seconds": 7})
    doors.completions.change = StatusChange(ExecutionStatus.SUCCEEDED, START, result=result)

    answer = await doors.webhook.post("/webhooks/sync", content=GOOD, headers=JSON)

    assert (answer.status_code, answer.json()) == (200, result)
    assert doors.completions.asked == [(answer.headers["x-execution-id"], 7)]


@pytest.mark.parametrize("status", ["failed", "timed_out", "cancelled"])
async def test_a_waiting_sender_is_told_of_a_failure_but_not_why(doors, workflow, status):
    await doors.trigger(workflow["id"], config={"path": "sync", "respond": "finished"})
    error = {"name": "DestinationRefused", "cause": "http://10.0.0.7/internal said 403"}
    doors.completions.change = StatusChange(ExecutionStatus(status), START, error=error)

    answer = await doors.webhook.post("/webhooks/sync", content=GOOD, headers=JSON)

    assert_problem(answer, 502, "execution.failed")
    assert "10.0.0.7" not in answer.text


async def test_a_sender_that_waited_long_enough_gets_the_id(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "sync", "respond": "finished"})

    answer = await doors.webhook.post("/webhooks/sync", content=GOOD, headers=JSON)

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.json()["execution_id"] == answer.headers["x-execution-id"]
