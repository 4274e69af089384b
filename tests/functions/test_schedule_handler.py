"""The Lambda that takes fire times of EventBridge Scheduler from SQS."""

from pathlib import Path

import orjson
import pytest

from functions.schedule import handler as module
from functions.schedule.core import Fired
from shared.adapters.aws import batches

EVENT = orjson.loads((Path(__file__).parents[2] / "events" / "schedule-fire.json").read_bytes())
(RECORD,) = EVENT["Records"]
SAID = orjson.loads(RECORD["body"])


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    async def rest(record, *, hopeless):
        assert hopeless, "what is no fire time never will be one"

    monkeypatch.setattr(batches, "_rest", rest)
    monkeypatch.setattr(module, "_deps", lambda: None)


def test_the_sample_event_names_one_fire_time(monkeypatch):
    asked = []

    async def on_event(deps, project_id, trigger_id, scheduled):
        asked.append((project_id, trigger_id, scheduled.isoformat()))
        return Fired(fire_time=scheduled, outcome="started", execution_id="e")

    monkeypatch.setattr(module, "on_event", on_event)

    assert module.handler(EVENT, object()) == {"batchItemFailures": []}
    assert asked == [(SAID["project_id"], SAID["trigger_id"], "2026-11-23T09:00:00+00:00")]


@pytest.mark.parametrize("change", [{"scheduled_time": "2026-11-23T09:00:00"}, {"extra": 1}, {"trigger_id": None}])
def test_another_message_fails_alone(change):
    record = RECORD | {"body": orjson.dumps({**SAID, **change}).decode()}

    answer = module.handler({"Records": [record]}, object())

    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
