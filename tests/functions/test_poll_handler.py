"""The Lambda that takes polls of EventBridge Scheduler from SQS."""

from pathlib import Path

import orjson
import pytest

from functions.poll import handler as module
from shared.adapters.aws import batches

EVENT = orjson.loads((Path(__file__).parents[2] / "events" / "poll.json").read_bytes())
(RECORD,) = EVENT["Records"]
SAID = orjson.loads(RECORD["body"])


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    async def rest(record, *, hopeless):
        assert hopeless, "what is no poll never will be one"

    monkeypatch.setattr(batches, "_rest", rest)
    monkeypatch.setattr(module, "_deps", lambda: None)


def test_the_sample_event_names_one_trigger(monkeypatch):
    asked = []

    async def on_event(deps, trigger_id):
        asked.append(trigger_id)
        return "polled"

    monkeypatch.setattr(module, "on_event", on_event)

    assert module.handler(EVENT, object()) == {"batchItemFailures": []}
    assert asked == [SAID["trigger_id"]]


@pytest.mark.parametrize("body", [{}, {**SAID, "extra": 1}, {"trigger_id": 5}])
def test_another_message_fails_alone(body):
    record = RECORD | {"body": orjson.dumps(body).decode()}

    answer = module.handler({"Records": [record]}, object())

    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
