"""What no state machine carries, through every function that puts it aside or takes it up: files and long texts."""

import base64
import json
from typing import Any

import httpx

from tests.localstack.deployment import Api, until
from tests.localstack.parity.services import serving
from tests.support.openai_server import OpenAIServer, said

LONG = 300_000
"""Bytes; more than 200 kB are put aside."""
LARGE = 7_000_000
"""Bytes; a Lambda answers with 6 MB at most."""


async def kept(api: Api, execution_id: str, ticket: dict[str, Any]) -> Any:
    """What a claim check in an output stands for."""
    return await api.get(f"api/executions/{execution_id}/blobs/{ticket['$blob']['sha256']}")


async def test_a_file_comes_to_a_webhook_and_goes_on_to_a_service_byte_for_byte(api: Api, echo: str):
    nodes = [
        {"id": "send", "type": "webhook", "config": {"url": f"http://{echo}/", "body": "{% $input.body.base64 %}"}},
        {"id": "about", "type": "transform", "config": {"output": "{% $input.body.content_type %}"}},
    ]
    edges = [{"from": "send", "to": "about"}]
    made = await api.active(
        {"name": "files", "nodes": nodes, "edges": edges, "output": ["{% $about %}", "{% $send %}"]}
    )
    config = {"verification": {"scheme": "none"}, "delivery_id_header": "X-Delivery"}
    trigger = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "webhook", "config": config})
    path, file = f"webhooks/{trigger.json()['webhook']['path']}", bytes(range(256)) * (LONG // 256)
    headers = {"Content-Type": "application/pdf", "X-Delivery": "d-1"}

    first, again = [await api.http.post(path, content=file, headers=headers) for _ in range(2)]

    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
    execution = await api.delivered(first.json()["execution_id"])
    assert execution["status"] == "succeeded", execution["error"]
    content_type, answer = execution["output"]
    assert content_type == "application/pdf"
    echoed = await kept(api, execution["id"], answer["body"])
    assert base64.b64decode(echoed["body"]) == file


async def test_a_long_text_goes_from_an_agent_to_another_and_to_a_person(api: Api, models: OpenAIServer):
    text = "x" * LONG
    models.answers += [said(text), said("Read.")]
    nodes = [
        {"id": "write", "type": "agent", "config": {"model": "openai:tested-model", "prompt": "Write."}},
        {"id": "read", "type": "agent", "config": {"model": "openai:tested-model", "prompt": "{% $write %}"}},
        {"id": "show", "type": "approval", "config": {"title": "{% $read %}", "description": "{% $write %}"}},
    ]
    edges = [{"from": "write", "to": "read"}, {"from": "read", "to": "show"}]
    made = await api.active({"name": "long-texts", "nodes": nodes, "edges": edges, "output": "{% $write %}"})
    execution_id = await api.start(made, {})

    async def asked() -> Any:
        return (await api.get(f"api/approvals?execution_id={execution_id}"))["items"]

    (approval,) = await until(asked)
    assert (approval["title"], approval["description"]) == ("Read.", text)
    assert text in json.dumps(models.messages), "the second agent was told what stands behind the claim check"
    await api.http.post(f"api/approvals/{approval['id']}/decide", json={"by": "ada", "approved": True})
    execution = await api.ended(execution_id)
    assert execution["status"] == "succeeded", execution["error"]
    assert await kept(api, execution_id, execution["output"]) == text


async def test_what_is_too_large_for_an_answer_of_a_lambda_is_fetched_from_a_link(api: Api):
    async with serving(1) as services:
        url = f"http://{services.addresses[0]}/large/{LARGE}"
        config = {"method": "GET", "url": url, "max_response_bytes": 8_000_000}
        node = {"id": "a", "type": "webhook", "config": config}
        made = await api.active({"name": "larger-than-lambda", "nodes": [node], "edges": [], "output": "{% $a.body %}"})
        execution = await api.ended(await api.start(made, {}))
    assert execution["status"] == "succeeded", execution["error"]

    path = f"api/executions/{execution['id']}/blobs/{execution['output']['$blob']['sha256']}"
    answer = await api.http.get(path)

    assert answer.status_code == 307, answer.text
    assert answer.headers["cache-control"] == "no-store"
    async with httpx.AsyncClient() as anybody:
        fetched = await anybody.get(answer.headers["location"])
    assert fetched.status_code == 200, fetched.text
    assert fetched.json() == {"text": "x" * LARGE}
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in answer.headers["location"], "as KMS asks; LocalStack does not look"


async def test_a_tool_starts_a_workflow(api: Api):
    node = {"id": "a", "type": "transform", "config": {"output": "{% $input.n * 2 %}"}}
    started = await api.active({"name": "started", "nodes": [node], "edges": [], "output": "{% $a %}"})
    arguments = {"workflow": "started", "input": {"n": 21}}
    starting = {"id": "a", "type": "tool", "config": {"tool": "workflow.start", "arguments": arguments}}
    made = await api.active({"name": "starting", "nodes": [starting], "edges": [], "output": "{% $a.execution_id %}"})

    execution = await api.ended(await api.start(made, {}))

    assert execution["status"] == "succeeded", execution["error"]
    other = await api.delivered(execution["output"])
    assert (other["workflow_id"], other["output"]) == (started["id"], 42)
