"""Publishing to EventBridge where the client fails in a way that nobody thought of."""

from typing import Any

import pytest

from shared.adapters.aws import events as module
from shared.adapters.aws.events import EventBridgeBus
from shared.clock import SystemClock
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.records import event_of


class Broken:
    """Fails once, then takes everything."""

    def __init__(self) -> None:
        self.calls = 0

    def put_events(self, **given: Any) -> dict[str, Any]:
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError
        return {"Entries": [{"EventId": "1"} for _ in given["Entries"]]}


async def test_whoever_publishes_hears_of_it_and_the_next_event_is_published(monkeypatch: pytest.MonkeyPatch):
    client, bus = Broken(), EventBridgeBus("bus")
    monkeypatch.setattr(module, "client", lambda service: client)
    given = {"source": "s", "detail-type": "d", "detail": {}}
    event = event_of(given, project_id=DEFAULT_PROJECT_ID, now=SystemClock().now())

    with pytest.raises(ZeroDivisionError):
        await bus.publish(event)

    assert (await bus.publish(event)).event_id == event.id
