"""The Lambda that takes fire times of EventBridge Scheduler from SQS."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from functions.schedule import handler as module
from shared.adapters.aws import batches
from shared.clock import ManualClock
from tests.support.stores import Woken

EVENT = orjson.loads((Path(__file__).parents[2] / "events" / "schedule-fire.json").read_bytes())
(RECORD,) = EVENT["Records"]
SAID = orjson.loads(RECORD["body"])
IDS = {name: SAID[name] for name in ("project_id", "trigger_id")}
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    async def rest(record, *, hopeless):
        assert hopeless, "what is no fire time never will be one"

    monkeypatch.setattr(batches, "_rest", rest)


class Arrivals:
    """Keeps what it is told of."""

    def __init__(self) -> None:
        self.deps, self.wakes = SimpleNamespace(clock=ManualClock(NOW)), Woken()
        self.told: list[tuple[Any, ...]] = []

    async def on_event(self, project_id, trigger_id, scheduled, *, put_off=False):
        self.told.append((project_id, trigger_id, scheduled.isoformat(), put_off))

    async def on_end(self, project_id, trigger_id):
        self.told.append((project_id, trigger_id))


@pytest.fixture
def arrivals(monkeypatch) -> Arrivals:
    made = Arrivals()
    monkeypatch.setattr(module, "_arrivals", lambda: made)
    return made


def records(*bodies: dict[str, Any]) -> dict[str, Any]:
    return {"Records": [RECORD | {"body": orjson.dumps(body).decode()} for body in bodies]}


def test_the_sample_event_names_one_fire_time(arrivals):
    assert module.handler(EVENT, object()) == {"batchItemFailures": []}
    assert arrivals.told == [(*IDS.values(), "2026-11-23T09:00:00+00:00", False)]


def test_what_was_put_off_comes_at_its_time_and_too_early_goes_back(arrivals):
    fire_time = NOW.isoformat()
    early, late = ((NOW + timedelta(seconds=s)).isoformat() for s in (1, -1))

    module.handler(records(*({**IDS, "fire_time": fire_time, "look_at": at} for at in (early, late))), object())

    assert arrivals.told == [(*IDS.values(), fire_time, True)]
    assert arrivals.wakes.schedules == [(IDS["trigger_id"], NOW, NOW + timedelta(seconds=1))]


def test_the_end_of_an_execution_lets_the_next_one_go(arrivals):
    module.handler(records({**IDS, "fire_time": None, "look_at": None}), object())

    assert arrivals.told == [tuple(IDS.values())]


@pytest.mark.parametrize("change", [{"scheduled_time": "2026-11-23T09:00:00"}, {"extra": 1}, {"trigger_id": None}])
def test_another_message_fails_alone(change):
    record = RECORD | {"body": orjson.dumps({**SAID, **change}).decode()}

    answer = module.handler({"Records": [record]}, object())

    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
