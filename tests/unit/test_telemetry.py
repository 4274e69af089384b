"""What a Lambda logs and measures; what it prints is what CloudWatch is sent."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from functions.complete import handler as complete_handler
from functions.complete.core import Ended
from functions.dispatch import handler as dispatch_handler
from functions.nodes import services
from shared.adapters.aws.starts import encode
from shared.adapters.telemetry import powertools
from shared.adapters.telemetry.observed import Metric, measure, observed
from shared.connections.redaction import Redactor, redacting
from shared.errors import NodeError
from shared.executions.records import ExecutionStatus
from shared.observability import bind
from tests.support.stores import new_request, new_workflow

CONTEXT = SimpleNamespace(
    function_name="millrace-test-tool",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:millrace-test-tool",
    aws_request_id="request-1",
)
log = logging.getLogger("millrace.test")


@pytest.fixture
def in_lambda(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    """A Lambda's environment, whose log is put back to what it was. Powertools keeps a logger for each service."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "millrace-test-tool")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "millrace-test")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # configure() closes what it replaces; pytest's own must stay open
    powertools._logger.cache_clear()
    powertools._metrics.cache_clear()
    yield
    root.handlers, root.level = handlers, level
    powertools._logger.cache_clear()
    powertools._metrics.cache_clear()


@pytest.fixture
def printed(in_lambda: None, capsys: pytest.CaptureFixture[str]):
    """What was written so far, line by line."""
    return lambda: [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]


def invoke(work: Any) -> Any:
    return observed(lambda event, context: work())({}, CONTEXT)


def test_a_line_has_the_ids_of_the_invocation_and_of_what_is_bound(printed):
    def work():
        with bind(execution_id="e1", correlation_id="c1"):
            log.info("sent %s", "it", extra={"port": 25})

    invoke(work)
    invoke(work)

    first, second = printed()
    assert (first["level"], first["logger"], first["message"], first["port"]) == (
        "INFO",
        "millrace.test",
        "sent it",
        25,
    )
    assert (first["execution_id"], first["correlation_id"]) == ("e1", "c1")
    assert first["function_request_id"] == "request-1"
    assert (first["cold_start"], second["cold_start"]) == (True, False)
    assert first["timestamp"].endswith("+00:00")


def test_no_line_has_a_secret(printed):
    redactor = Redactor(["hunter2-and-more"])

    def work():
        with redacting(redactor):
            try:
                int("hunter2-and-more")
            except ValueError:
                log.exception("failed with %s", "hunter2-and-more", extra={"header": "hunter2-and-more"})
        log.warning("key mr_0123456789abcdefghij")

    invoke(work)

    scrubbed, masked = printed()
    assert "hunter2" not in orjson.dumps(scrubbed).decode()
    assert scrubbed["message"] == "failed with [redacted]"
    assert "ValueError: invalid literal for int() with base 10: '[redacted]'" in scrubbed["exception"]
    assert masked["message"] == "key mr_***"


def test_metrics_are_told_once_an_invocation_ends_also_when_it_fails(printed):
    def work():
        measure(Metric.NODE_ERRORS)
        measure(Metric.QUEUE_AGE, 12.5)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        invoke(work)
    invoke(lambda: None)

    (told,) = printed()
    (directive,) = told["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "millrace-test"
    assert directive["Dimensions"] == [["service"]]
    units = {each["Name"]: each["Unit"] for each in directive["Metrics"]}
    assert units == {"NodeErrors": "Count", "QueueAge": "Milliseconds"}
    assert (told["NodeErrors"], told["QueueAge"]) == ([1], [12.5])


def test_outside_a_lambda_nothing_is_measured_and_the_log_stays(capsys):
    handlers = logging.getLogger().handlers[:]

    assert invoke(lambda: (measure(Metric.NODE_ERRORS), "done")[1]) == "done"

    assert capsys.readouterr().out == ""
    assert logging.getLogger().handlers == handlers


def sqs(body: bytes) -> dict[str, Any]:
    return {"Records": [{"messageId": "m", "body": body.decode(), "attributes": {"ApproximateReceiveCount": "1"}}]}


def told(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The metrics among the lines, by name."""
    (found,) = [line for line in lines if "_aws" in line]
    return {each["Name"]: found[each["Name"]] for each in found["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


@pytest.mark.parametrize("started", [True, False])
def test_dispatch_tells_what_it_started_and_how_long_that_waited(printed, monkeypatch, started):
    async def dispatch(request, deps):
        return started

    monkeypatch.setattr(dispatch_handler, "dispatch", dispatch)
    monkeypatch.setattr(dispatch_handler, "_deps", lambda: None)
    workflow, _ = new_workflow()

    dispatch_handler.handler(sqs(encode(new_request(workflow))), CONTEXT)

    lines = printed()
    if not started:
        assert lines == []
        return
    metrics = told(lines)
    assert metrics["ExecutionsStarted"] == [1]
    assert 0 <= metrics["QueueAge"][0] < 3_600_000


@pytest.mark.parametrize(("status", "metric"), [*complete_handler.ENDS.items()])
def test_complete_tells_how_executions_end(printed, monkeypatch, status, metric):
    async def complete(event, deps, *, again):
        return Ended(status, 1_500)

    monkeypatch.setattr(complete_handler, "complete", complete)
    monkeypatch.setattr(complete_handler, "_deps", lambda: None)

    complete_handler.handler(sqs(orjson.dumps({"detail": {"name": "e"}})), CONTEXT)

    assert told(printed()) == {metric: [1], "ExecutionDuration": [1_500]}


def test_every_end_has_its_metric():
    assert {*complete_handler.ENDS} == {
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.TIMED_OUT,
        ExecutionStatus.CANCELLED,
    }


def test_nodes_tell_errors_tokens_and_dollars(printed, monkeypatch):
    usage = {"input_tokens": 100, "output_tokens": 20, "requests": 1}
    answers = [
        {"output": 1, "meta": {"usage": usage, "cost_usd": 0.25}},
        {"output": 1, "meta": {"usage": usage, "cost_usd": 0.25, "cached": True}},
        {"output": 1, "meta": {}},
        NodeError("broken"),
    ]

    async def answer(event, run, found):
        result = answers.pop(0)
        if isinstance(result, NodeError):
            raise result
        return result

    monkeypatch.setattr(services, "answer", answer)

    def work():
        for _ in range(3):
            asyncio.run(services._answer({}, None, only_blobs=False))
        with pytest.raises(NodeError):
            asyncio.run(services._answer({}, None, only_blobs=False))

    invoke(work)

    assert told(printed()) == {"Tokens": [120], "Dollars": [0.25], "NodeErrors": [1]}
