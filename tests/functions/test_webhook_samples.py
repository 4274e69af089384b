"""A webhook's test URL: samples instead of executions."""

from typing import Any

import pytest

from tests.functions.conftest import Doors, assert_problem

JSON = {"Content-Type": "application/json"}
SECRET = {**JSON, "Authorization": "Bearer s3cret"}
STRICT = {"type": "object", "required": ["title"]}
CONFIG = {
    "path": "x",
    "verification": {"scheme": "bearer"},
    "filter": '{% $input.body.action = "opened" %}',
    "transform": {"title": "{% $input.body.title %}"},
}


@pytest.fixture
async def trigger(doors: Doors) -> dict[str, Any]:
    workflow = await doors.workflow(active=False, input_schema=STRICT)
    return await doors.trigger(workflow["id"], config=CONFIG, secret="s3cret")


async def samples(doors: Doors, trigger: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await doors.api.get(f"/api/triggers/{trigger['id']}/samples")
    return answer.raise_for_status().json()["items"]


async def test_what_deliveries_would_do_is_kept_and_nothing_starts(doors: Doors, trigger: dict[str, Any]):
    assert trigger["webhook"]["test_url"] == f"{trigger['webhook']['url']}/test"
    bodies = [b'{"action": "opened", "title": "It hangs"}', b'{"action": "closed"}', b'{"action": "opened"}']

    answers = [await doors.webhook.post("/webhooks/x/test?page=2", content=each, headers=SECRET) for each in bodies]

    assert [each.json()["outcome"] for each in answers] == ["starts", "ignored", "refused"]
    refused, ignored, starts = await samples(doors, trigger)
    assert [refused["id"], ignored["id"], starts["id"]] == [each.json()["sample_id"] for each in reversed(answers)]
    assert starts["input"] == {"title": "It hangs"}
    assert starts["delivery"]["body"]["title"] == "It hangs"
    assert starts["delivery"]["query"] == {"page": "2"}
    assert "s3cret" not in str([refused, ignored, starts])
    assert (ignored["input"], ignored["problem"]) == (None, None)
    assert refused["problem"]["code"] == "input.invalid"
    assert await doors.executions(trigger["workflow_id"]) == []


async def test_a_delivery_without_its_proof_leaves_no_sample(doors: Doors, trigger: dict[str, Any]):
    answer = await doors.webhook.post("/webhooks/x/test", content=b"{}", headers=JSON)
    unknown = await doors.webhook.post("/webhooks/y/test", content=b"{}", headers=JSON)

    assert answer.status_code == 401
    assert_problem(unknown, 404, "webhook.not_found")
    assert await samples(doors, trigger) == []


async def test_the_newest_ten_are_kept_until_they_are_cleared(doors: Doors, trigger: dict[str, Any]):
    for n in range(12):
        body = b'{"action": "opened", "title": "%d"}' % n
        (await doors.webhook.post("/webhooks/x/test", content=body, headers=SECRET)).raise_for_status()

    assert [each["input"]["title"] for each in await samples(doors, trigger)] == [str(n) for n in range(11, 1, -1)]
    assert (await doors.api.delete(f"/api/triggers/{trigger['id']}/samples")).status_code == 204
    assert await samples(doors, trigger) == []
