"""Bulk runs and replays, deployed: the API starts the machines that repeat a function until their work is done."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ids import new_id
from tests.localstack.deployment import Api, until


async def workflow(api: Api, name: str, node: dict[str, Any]) -> dict[str, Any]:
    return await api.active({"name": name, "nodes": [{"id": "a", **node}], "edges": [], "output": "{% $a %}"})


async def bulk_of(api: Api, made: dict[str, Any], inputs: list[Any], **query: Any) -> str:
    """The id of a bulk run."""
    answer = await api.http.post(f"api/workflows/{made['id']}/bulk", json=inputs, params=query)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def bulk_in(api: Api, bulk_id: str, wanted: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await api.get(f"api/bulk/{bulk_id}")
        return found if wanted(found) else None

    shown: dict[str, Any] = await until(look, 90)
    return shown


async def test_a_bulk_run_starts_every_input_and_tells_what_became_of_each(api: Api):
    made = await workflow(api, "numbers", {"type": "transform", "config": {"output": "{% $number($input.n) %}"}})

    bulk_id = await bulk_of(api, made, [{"n": "x" if n == 5 else n} for n in range(12)], max_in_flight=8)
    ended = await bulk_in(api, bulk_id, lambda found: found["status"] == "completed")

    assert (ended["submitted"], ended["counts"]["succeeded"], ended["counts"]["failed"]) == (12, 11, 1), ended
    items = (await api.get(f"api/bulk/{bulk_id}/items"))["items"]
    assert [each["output"] for each in items] == [None if n == 5 else n for n in range(12)]


async def test_a_cancelled_bulk_run_stops_its_executions(api: Api):
    made = await workflow(api, "waiting", {"type": "delay", "config": {"seconds": 300}})
    bulk_id = await bulk_of(api, made, [{}] * 4, max_in_flight=2)
    await bulk_in(api, bulk_id, lambda found: found["counts"]["running"] == 2)

    cancelled = await api.http.post(f"api/bulk/{bulk_id}/cancel")

    assert cancelled.status_code == 202, cancelled.text
    ended = await bulk_in(api, bulk_id, lambda found: found["status"] == "cancelled")
    assert (ended["submitted"], ended["counts"]["cancelled"]) == (2, 2)


async def test_events_of_the_past_are_replayed_to_a_chosen_trigger(api: Api):
    source = f"shop-{new_id()}"
    begun = datetime.now(UTC) - timedelta(seconds=1)
    events = [{"source": source, "detail-type": "order", "detail": {"n": n}} for n in range(3)]
    published = await api.http.post("api/events", json=events)
    assert published.status_code == 202, published.text

    async def archived() -> bool:
        found = (await api.get("api/events"))["items"]
        return sum(each["event"]["source"] == source for each in found) == 3

    await until(archived, 90)
    made = await workflow(api, "replayed", {"type": "transform", "config": {"output": "{% $input %}"}})
    config = {"pattern": {"source": [source], "detail": {"n": [{"numeric": [">", 0]}]}}}
    trigger = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "event", "config": config})

    times = {"starts_at": begun.isoformat(), "ends_at": (begun + timedelta(hours=1)).isoformat()}
    body = {"name": source, "trigger_ids": [trigger.json()["id"]], **times}
    answer = await api.http.post("api/events/replays", json=body)

    assert answer.status_code == 202, answer.text

    async def completed() -> dict[str, Any] | None:
        found: dict[str, Any] = await api.get(f"api/events/replays/{answer.json()['id']}")
        return found if found["status"] == "completed" else None

    assert (await until(completed, 90))["delivered"] == 2
    found = (await api.get(f"api/executions?workflow_id={made['id']}"))["items"]
    ran = [await api.ended(each["id"]) for each in found]
    assert sorted(each["output"]["detail"]["n"] for each in ran) == [1, 2]
    assert {each["output"]["replay-name"] for each in ran} == {source}
