"""Triggers that go by the clock, deployed. The emulator keeps schedules and never fires them: what a schedule would
send is sent here, to where it would send it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.localstack.deployment import PREFIX, Api, Deployment, until
from tests.triggers.source import source_server


async def timed(api: Api, name: str, output: str, **trigger: Any) -> tuple[dict[str, Any], str]:
    """A workflow, and the id of the trigger that starts it."""
    node = {"id": "a", "type": "transform", "config": {"output": output}}
    made = await api.active({"name": name, "nodes": [node], "edges": [], "output": "{% $a %}"})
    answer = await api.http.post(f"api/workflows/{made['id']}/triggers", json=trigger)
    assert answer.status_code == 201, answer.text
    return made, str(answer.json()["id"])


def schedules(deployment: Deployment, trigger_id: str) -> list[dict[str, Any]]:
    """Those of a trigger, whole."""
    client = deployment.client("scheduler")
    pages = client.get_paginator("list_schedules").paginate(GroupName=PREFIX)
    names = [each["Name"] for page in pages for each in page["Schedules"] if each["Name"].startswith(trigger_id)]
    return [client.get_schedule(GroupName=PREFIX, Name=name) for name in names]


def fire(deployment: Deployment, schedule: dict[str, Any], at: datetime) -> None:
    """Sends what the schedule's target gets at a time."""
    target = schedule["Target"]
    assert target["RoleArn"].endswith(f"role/{PREFIX}-scheduler")
    body = target["Input"].replace("<aws.scheduler.scheduled-time>", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    sqs = deployment.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=target["Arn"].rpartition(":")[2])["QueueUrl"], MessageBody=body
    )


async def ran(api: Api, workflow: dict[str, Any], count: int) -> list[Any]:
    """Outputs of the workflow's executions, once so many have ended."""

    async def look() -> list[str] | None:
        found = (await api.get(f"api/executions?workflow_id={workflow['id']}"))["items"]
        ended = [each["id"] for each in found if each["completed_at"]]
        return sorted(ended) if len(ended) >= count else None

    ids = await until(look, 90)
    return [(await api.get(f"api/executions/{each}"))["output"] for each in ids]


async def test_a_schedule_is_kept_in_step_and_each_fire_time_runs_once(api: Api, deployment: Deployment):
    config = {"cron": "30 9 1 * MON", "timezone": "Europe/Berlin", "jitter_seconds": 90}
    made, trigger_id = await timed(api, "timed", "{% $input.time %}", type="schedule", config=config)

    either, other = schedules(deployment, trigger_id)
    assert {each["ScheduleExpression"] for each in (either, other)} == {"cron(30 9 1 * ? *)", "cron(30 9 ? * 2 *)"}
    assert {each["ScheduleExpressionTimezone"] for each in (either, other)} == {"Europe/Berlin"}
    assert either["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 2}
    assert (either["State"], other["State"]) == ("ENABLED", "ENABLED")
    now = datetime.now(UTC).replace(microsecond=0)
    for schedule in (either, other):  # a date that both name
        fire(deployment, schedule, now)
    fire(deployment, either, now - timedelta(days=1))  # too late, and the policy is to skip
    assert await ran(api, made, 1) == [now.strftime("%Y-%m-%dT%H:%M:%S.000Z")]

    paused = await api.http.put(f"api/triggers/{trigger_id}", json={"is_active": False})
    assert paused.status_code == 200, paused.text
    assert {each["State"] for each in schedules(deployment, trigger_id)} == {"DISABLED"}
    changed = {"is_active": True, "config": {"rate": {"value": 5, "unit": "minutes"}}}
    resumed = await api.http.put(f"api/triggers/{trigger_id}", json=changed)
    assert resumed.status_code == 200, resumed.text
    (rate,) = schedules(deployment, trigger_id)
    assert (rate["ScheduleExpression"], rate["State"]) == ("rate(5 minutes)", "ENABLED")
    deleted = await api.http.delete(f"api/triggers/{trigger_id}")
    assert deleted.status_code == 204, deleted.text
    assert schedules(deployment, trigger_id) == []
    assert len(await ran(api, made, 1)) == 1


async def test_a_fire_time_cancels_the_run_before_it_where_the_trigger_says_so(api: Api, deployment: Deployment):
    now = datetime.now(UTC).replace(microsecond=0)
    seconds = f"{{% $input.time = '{now.strftime('%Y-%m-%dT%H:%M:%S.000Z')}' ? 300 : 1 %}}"
    wait = {"id": "a", "type": "delay", "config": {"seconds": seconds}}
    made = await api.active({"name": "overlapping", "nodes": [wait], "edges": [], "output": 1})
    config = {"rate": {"value": 1, "unit": "hours"}, "overlap": "cancel_previous"}
    answer = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "schedule", "config": config})
    assert answer.status_code == 201, answer.text
    (schedule,) = schedules(deployment, answer.json()["id"])

    async def reached(wanted: list[str]) -> None:
        async def look() -> bool:
            found = (await api.get(f"api/executions?workflow_id={made['id']}"))["items"]
            return [each["status"] for each in sorted(found, key=lambda each: each["id"])] == wanted

        await until(look, 90)

    fire(deployment, schedule, now)
    await reached(["running"])
    fire(deployment, schedule, now + timedelta(seconds=1))
    await reached(["cancelled", "succeeded"])


async def test_what_eventbridge_scheduler_cannot_say_is_refused(api: Api):
    node = {"id": "a", "type": "transform", "config": {"output": 1}}
    made = await api.active({"name": "refused", "nodes": [node], "edges": [], "output": "{% $a %}"})
    source = {"type": "http", "url": "http://127.0.0.1:1"}
    config = {"interval_seconds": 90, "source": source, "detect": {"by": "hash"}}

    answer = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "polling", "config": config})

    assert answer.json()["code"] == "request.parameter_invalid", answer.text
    assert (await api.get(f"api/workflows/{made['id']}/triggers"))["items"] == []


async def test_a_run_that_has_to_wait_for_the_one_before_begins_when_that_has_ended(api: Api, deployment: Deployment):
    nodes = [
        {"id": "b", "type": "delay", "config": {"seconds": 1}},
        {"id": "a", "type": "transform", "config": {"output": "{% $input.time %}"}},
    ]
    document = {"name": "in-turn", "nodes": nodes, "edges": [{"from": "b", "to": "a"}], "output": "{% $a %}"}
    made = await api.active(document)
    trigger = {"type": "schedule", "config": {"rate": {"value": 1, "unit": "minutes"}, "overlap": "queue"}}
    answer = await api.http.post(f"api/workflows/{made['id']}/triggers", json=trigger)
    (schedule,) = schedules(deployment, answer.json()["id"])
    now = datetime.now(UTC).replace(microsecond=0)

    fire(deployment, schedule, now)

    async def running() -> bool:
        return bool((await api.get(f"api/executions?workflow_id={made['id']}"))["items"])

    await until(running)
    fire(deployment, schedule, now + timedelta(seconds=1))
    assert len(await ran(api, made, 2)) == 2
    found = (await api.get(f"api/executions?workflow_id={made['id']}"))["items"]
    first, second = sorted(found, key=lambda each: each["created_at"])
    assert first["completed_at"] < second["started_at"]
    await api.http.delete(f"api/triggers/{answer.json()['id']}")


async def test_a_poll_starts_an_execution_for_each_new_item(api: Api, deployment: Deployment):
    async with source_server() as source:
        source.document = {"items": [{"id": 1}, {"id": 2}], "more": "x" * 300_000}  # is put aside for its size
        config = {
            "interval_seconds": 60,
            "source": {"type": "http", "url": source.url},
            "items": "{% $response.body.items %}",
            "detect": {"by": "ids", "id": "{% $item.id %}"},
            "first_poll": {"policy": "emit_all"},
        }
        made, trigger_id = await timed(api, "polled", "{% $input.item.id %}", type="polling", config=config)
        (schedule,) = schedules(deployment, trigger_id)
        assert schedule["ScheduleExpression"] == "rate(1 minute)"

        for _ in range(2):  # the second is not due yet
            fire(deployment, schedule, datetime.now(UTC))

        assert sorted(await ran(api, made, 2)) == [1, 2]
        assert len(source.requests) == 1
