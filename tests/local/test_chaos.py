"""The short form of `make chaos`, and proof that its check can fail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from rich.console import Console

from shared.executions.records import HistoryEvent
from tests.chaos.__main__ import run
from tests.chaos.checks import _repeated, _whole

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.timeout(240)
async def test_a_few_rounds_keep_every_promise() -> None:
    assert await run(3, 20261123, Console(), per_round=30) == []


def history(*, skip: int = 0, ended: bool = True) -> list[HistoryEvent]:
    parameters = orjson.dumps({"Payload": {"config": {"body": {"place": "first"}}}}).decode()
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("ExecutionStarted", {}),
        ("TaskScheduled", {"parameters": parameters}),
        ("TaskStarted", {}),
        ("TaskSucceeded", {}),
        *([("ExecutionSucceeded", {})] if ended else []),
    ]
    events = [
        HistoryEvent(n, n - 1, kind, AT + timedelta(seconds=n), details) for n, (kind, details) in enumerate(kinds, 1)
    ]
    return [event for event in events if event.id != skip]


def test_a_call_after_its_result_is_found() -> None:
    in_flight, after = AT + timedelta(seconds=3.5), AT + timedelta(seconds=4.5)

    assert list(_repeated(history(), "first", [in_flight, in_flight])) == []
    assert len(list(_repeated(history(), "first", [in_flight, after]))) == 1


def test_a_missing_event_and_a_missing_end_are_found() -> None:
    assert list(_whole(history())) == []
    assert len(list(_whole(history(skip=3)))) == 1
    assert len(list(_whole(history(ended=False)))) == 1
    twice = [*history(), HistoryEvent(6, 5, "ExecutionFailed", AT, {})]
    assert len(list(_whole(twice))) == 1
