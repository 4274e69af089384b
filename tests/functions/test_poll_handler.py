"""The Lambda that EventBridge Scheduler invokes for polls."""

from pathlib import Path

import orjson
import pytest

from functions.poll import handler as module
from shared.errors import MalformedRequest, NotImplementedYet

EVENT = orjson.loads((Path(__file__).parents[2] / "events" / "poll.json").read_bytes())


def test_the_sample_event_names_one_trigger(monkeypatch):
    asked = []

    async def on_event(deps, trigger_id):
        asked.append(trigger_id)
        return "polled"

    monkeypatch.setattr(module, "from_environment", lambda: None)
    monkeypatch.setattr(module, "on_event", on_event)

    assert module.handler(EVENT, object()) == {"outcome": "polled"}
    assert asked == [EVENT["trigger_id"]]


def test_the_stage_says_that_it_is_not_built():
    with pytest.raises(NotImplementedYet):
        module.handler(EVENT, object())


@pytest.mark.parametrize("event", [{}, {**EVENT, "extra": 1}, {"trigger_id": 5}])
def test_another_event_is_refused(event):
    with pytest.raises(MalformedRequest):
        module.handler(event, object())
