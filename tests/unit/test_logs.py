"""Log lines from histories."""

from datetime import timedelta

import pytest

from shared.executions.logs import Level, LogFilter, log_lines, reason
from tests.support.history import START, History, source_map


@pytest.fixture
def lines():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.failed("DestinationTimeout", '{"errorMessage": "no answer in 5 s", "errorType": "DestinationTimeout"}')
    history.scheduled("call")
    history.succeeded("ok", {"status": 200})
    history.exited("Task", "call", "ok", call="ok")
    history.task("store", 1)
    history.add("ExecutionFailed", error="Oops", cause="why")
    return list(log_lines(source_map("call", "store"), history.events))


def test_lines_tell_what_happened(lines):
    assert [(each.level.name, each.node, each.message) for each in lines] == [
        ("INFO", None, "execution started"),
        ("DEBUG", "call", "call: started"),
        ("WARNING", "call", "call: attempt 1 failed: DestinationTimeout: no answer in 5 s"),
        ("INFO", "call", "call: attempt 2 started"),
        ("INFO", "call", "call: succeeded in 50 ms"),
        ("DEBUG", "store", "store: started"),
        ("INFO", "store", "store: succeeded in 40 ms"),
        ("ERROR", None, "execution failed: Oops: why"),
    ]
    assert lines[4].data == {"duration_ms": 50.0, "attempts": 2, "meta": {"status": 200}}


def test_ids_are_unique_and_sort_by_time(lines):
    ids = [each.id for each in lines]

    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (LogFilter(), 8),
        (LogFilter(level=Level.INFO), 6),
        (LogFilter(level=Level.WARNING), 2),
        (LogFilter(node="store"), 2),
        (LogFilter(node="nobody"), 0),
        (LogFilter(since=START + timedelta(milliseconds=70)), 4),
        (LogFilter(until=START + timedelta(milliseconds=70)), 4),
        (LogFilter(after="00000007.0000"), 3),
    ],
)
def test_filters(lines, wanted, count):
    assert sum(map(wanted.takes, lines)) == count


def test_a_reason_is_one_line():
    assert reason({"name": "States.Timeout", "cause": ""}) == "States.Timeout"
    assert reason({"name": "NodeBug", "cause": "[1]"}) == "NodeBug: [1]"
    assert reason({"name": None, "cause": "Cancelled on request."}) == "Cancelled on request."
