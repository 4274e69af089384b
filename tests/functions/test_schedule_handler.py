"""The Lambda that EventBridge Scheduler invokes."""

from pathlib import Path

import orjson
import pytest

from functions.schedule import handler as module
from functions.schedule.core import Fired
from shared.errors import MalformedRequest, NotImplementedYet

EVENT = orjson.loads((Path(__file__).parents[2] / "events" / "schedule-fire.json").read_bytes())


def test_the_sample_event_names_one_fire_time(monkeypatch):
    asked = []

    async def on_event(deps, project_id, trigger_id, scheduled):
        asked.append((project_id, trigger_id, scheduled.isoformat()))
        return Fired(fire_time=scheduled, outcome="started", execution_id="e")

    monkeypatch.setattr(module, "from_environment", lambda: None)
    monkeypatch.setattr(module, "on_event", on_event)

    answer = module.handler(EVENT, object())

    assert asked == [(EVENT["project_id"], EVENT["trigger_id"], "2026-11-23T09:00:00+00:00")]
    assert (answer["outcome"], answer["execution_id"]) == ("started", "e")


def test_the_stage_says_that_it_is_not_built():
    with pytest.raises(NotImplementedYet):
        module.handler(EVENT, object())


@pytest.mark.parametrize("change", [{"scheduled_time": "2026-11-23T09:00:00"}, {"extra": 1}, {"trigger_id": None}])
def test_another_event_is_refused(change):
    with pytest.raises(MalformedRequest):
        module.handler({**EVENT, **change}, object())
