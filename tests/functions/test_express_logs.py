"""From the log of EXPRESS machines to histories and ends, over the real database. Deliveries are as AWS's documentation
and its recorded answers have them: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html."""

import asyncio
import base64
import gzip
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from functions.complete.core import CompleteDeps
from functions.complete.express import take
from functions.complete.watched import look
from shared.adapters.aws.executions import LOG_LATE, AwsExecutions
from shared.adapters.aws.watches import LATER_SECONDS
from shared.clock import ManualClock, SystemClock
from shared.errors import MalformedRequest, StoreUnavailable
from shared.executions.projector import project
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, Watch
from shared.identity.principal import acting_project
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import KeptBus, KeptWatches, Stores, Woken, new_request, new_workflow

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "express-log.json").read_bytes())
SAMPLE_ID = "01a20aa5-0000-7000-8000-000000000001"
BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
WHOLE, CUT = {"truncated": False}, {"truncated": True}
SOURCE_MAP = {"states": {"a": {"node": "a", "role": "main"}}, "nodes": {"a": {"type": "transform"}}}


def line(run: str, number: int, kind: str, before: int | None = None, /, **details: Any) -> str:
    """One event, as EXPRESS machines log it."""
    at = BEGAN + timedelta(milliseconds=20 * number)
    fields = {"id": str(number), "type": kind, "details": details, "execution_arn": run, "redrive_count": "0"}
    more = {"previous_event_id": str(number - 1 if before is None else before)}
    return orjson.dumps({**fields, **more, "event_timestamp": str(int(at.timestamp() * 1_000))}).decode()


def lines(run: str, output: str = "9") -> list[str]:
    """All that a run of one state logs."""
    return [
        line(run, 1, "ExecutionStarted", input="{}", inputDetails=WHOLE),
        line(run, 2, "PassStateEntered", 0, name="a", input="{}", inputDetails=WHOLE),
        line(run, 3, "PassStateExited", name="a", output=output, outputDetails=WHOLE),
        line(run, 4, "ExecutionSucceeded", output=output, outputDetails=WHOLE),
    ]


def delivery(messages: Sequence[str], kind: str = "DATA_MESSAGE") -> str:
    """`awslogs.data` of these lines."""
    events = [{"id": str(n), "timestamp": 1, "message": message} for n, message in enumerate(messages)]
    document = {"messageType": kind, "logGroup": "g", "logStream": "s", "logEvents": events}
    return base64.b64encode(gzip.compress(orjson.dumps(document))).decode()


def run_of(request: StartRequest) -> str:
    """The ARN of another run of the execution."""
    machine = f"arn:aws:states:eu-central-1:123456789012:express:m-{request.workflow_id}-express"
    return f"{machine}:{request.execution_id}:{new_id()}"


@pytest.fixture
def bus() -> KeptBus:
    return KeptBus()


@pytest.fixture
def deps(stores: Stores, bus: KeptBus) -> CompleteDeps:
    rows = (stores.journal, stores.queue, stores.progress, stores.express)
    return CompleteDeps(None, *rows, KeptWatches(), bus, Woken(), SystemClock())


@pytest.fixture
async def request_(stores: Stores) -> StartRequest:
    workflow, version = new_workflow(definition={"settings": {"mode": "express"}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request)
    return request


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGAN)


@pytest.fixture
def executions(stores: Stores, clock: ManualClock):
    acting = acting_project.set(DEFAULT_PROJECT_ID)
    yield AwsExecutions(stores.executions, None, stores.progress, KeptBus(), Woken(), clock=clock)
    acting_project.reset(acting)


async def found(stores: Stores, request: StartRequest) -> tuple[ExecutionStatus, Any, Any]:
    row = await stores.executions.get(DEFAULT_PROJECT_ID, request.execution_id)
    return row.status, row.result, row.error


async def kept(stores: Stores, request: StartRequest) -> list[int]:
    return [event.id for event in await stores.executions.history(request.execution_id)]


async def test_the_sample_is_a_history_and_its_end(stores, deps, bus, request_):
    sampled = replace(request_, execution_id=SAMPLE_ID)
    await stores.queue.submit(sampled)

    for _ in range(2):  # Logs may deliver again
        (ended,) = await take(SAMPLE["awslogs"]["data"], deps)

    assert (ended.status, ended.milliseconds) == (ExecutionStatus.SUCCEEDED, 60), "it began when its log says so"
    assert await found(stores, sampled) == (ExecutionStatus.SUCCEEDED, 9, None)
    events = await stores.executions.history(SAMPLE_ID)
    assert [(each.id, each.previous_id, each.type) for each in events] == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "PassStateEntered"),
        (3, 2, "PassStateExited"),
        (4, 3, "ExecutionSucceeded"),
    ]
    assert events[0].timestamp == datetime(2026, 11, 23, 9, 0, 1, 20_000, tzinfo=UTC)
    first, again = bus.published
    assert (first.id, first.document["detail-type"]) == (again.id, "execution.succeeded")


async def test_parts_in_any_order_make_one_history_and_an_end(stores, deps, executions, request_):
    run = run_of(request_)
    for each in reversed(lines(run)):
        await take(delivery([each]), deps)

    assert await kept(stores, request_) == [1, 2, 3, 4]
    assert await found(stores, request_) == (ExecutionStatus.SUCCEEDED, 9, None)
    (node,) = project(SOURCE_MAP, await executions.history(request_.execution_id))
    assert (node.node, node.output) == ("a", 9)


async def test_what_follows_a_gap_is_shown_when_the_gap_is_filled(stores, deps, executions, request_):
    first, second, third, end = lines(run_of(request_))
    await take(delivery([first, third]), deps)
    assert [each.id for each in await executions.history(request_.execution_id)] == [1]
    assert [each.id for each in await executions.history(request_.execution_id, after=1)] == []

    await take(delivery([second, end]), deps)

    assert [each.id for each in await executions.history(request_.execution_id, after=1)] == [2, 3, 4]


async def test_a_gap_that_nobody_fills_hides_nothing_for_long(stores, deps, executions, clock, request_):
    first, _, third, end = lines(run_of(request_))
    await take(delivery([first, third, end]), deps)
    assert [each.id for each in await executions.history(request_.execution_id)] == [1]

    clock.advance(LOG_LATE.total_seconds() + 1)

    history = await executions.history(request_.execution_id)
    assert [each.id for each in history] == [1, 3, 4]
    assert [run.status for run in project(SOURCE_MAP, history)] == ["skipped"]


async def test_of_two_runs_of_an_execution_the_first_one_heard_of_is_its_history(stores, deps, bus, request_):
    ours, other = lines(run_of(request_), "1"), lines(run_of(request_), "2")

    for messages in (ours[:2], other, ours[2:]):
        await take(delivery(messages), deps)

    events = await stores.executions.history(request_.execution_id)
    assert [each.details.get("output") for each in events] == [None, None, "1", "1"]
    assert await found(stores, request_) == (ExecutionStatus.SUCCEEDED, 1, None)
    assert [each.document["detail"]["output"] for each in bus.published] == [1]


async def test_two_runs_at_once_are_not_mixed(stores, deps, request_):
    runs = [lines(run_of(request_), str(n)) for n in range(4)]

    await asyncio.gather(*(take(delivery([each]), deps) for run in runs for each in run))

    events = await stores.executions.history(request_.execution_id)
    assert [each.id for each in events] == [1, 2, 3, 4]
    assert len({each.details["output"] for each in events if "output" in each.details}) == 1


async def test_an_end_that_others_may_wait_for_wakes_them(stores, deps, bus, request_):
    await take(delivery(lines(run_of(request_))), deps)
    assert deps.wakes.times == []
    workflow, version = new_workflow(definition={"settings": {"mode": "express", "max_concurrency": 1}})
    await stores.workflows.create(workflow, version)
    ended, lost = new_request(workflow), new_request(workflow)
    for each in (ended, lost):
        await stores.queue.submit(each)
    bus.away = True

    with pytest.raises(StoreUnavailable):
        await take(delivery(lines(run_of(ended))), deps)
    with pytest.raises(StoreUnavailable):
        await look(await begin(stores, lost, timedelta(hours=1)), deps)

    assert deps.wakes.times == [None, None], "those that wait do not wait for the bus"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (("ExecutionFailed", {"error": "Boom", "cause": "so"}), ("failed", {"name": "Boom", "cause": "so"})),
        (("ExecutionFailed", {}), ("failed", {"name": "States.Runtime", "cause": ""})),
        (("ExecutionTimedOut", {}), ("timed_out", {"name": "States.Timeout", "cause": ""})),
        (("ExecutionAborted", {}), ("cancelled", None)),
    ],
)
async def test_every_end_is_recorded_and_told(stores, deps, request_, end, expected):
    run, (kind, details), (status, error) = run_of(request_), end, expected

    await take(delivery([lines(run)[0], line(run, 2, kind, **details)]), deps)

    assert await found(stores, request_) == (status, None, error)
    assert [each.document["detail-type"] for each in deps.bus.published] == [f"execution.{status}"]


async def test_an_output_that_was_cut_is_no_output(stores, deps, request_):
    run = run_of(request_)
    end = line(run, 4, "ExecutionSucceeded", output='{"text": "xxx', outputDetails=CUT)

    await take(delivery([*lines(run)[:3], end]), deps)

    status, result, error = await found(stores, request_)
    assert (status, result, error["name"]) == (ExecutionStatus.FAILED, None, "Millrace.OutputCut")
    assert "248 KiB" in error["cause"]
    assert [each.type for each in await stores.executions.history(request_.execution_id)][-1] == "ExecutionFailed"


async def test_payloads_that_were_cut_say_so(stores, deps, request_):
    run, text = run_of(request_), '{"text": "' + "x" * 5_000
    cut = [
        line(run, 1, "ExecutionStarted", input=text, inputDetails=CUT),
        line(run, 2, "PassStateEntered", 0, name="a", input=text, inputDetails=CUT),
        line(run, 3, "TaskScheduled", parameters=text),
        line(run, 4, "PassStateExited", 2, name="a", output=text, outputDetails=CUT,
             assignedVariables={"a": text}, assignedVariablesDetails=CUT),
    ]  # fmt: skip

    await take(delivery(cut), deps)

    history = await stores.executions.history(request_.execution_id)
    texts = [each.details.get(name) for each in history for name in ("input", "output", "parameters")]
    shown = [orjson.loads(each) for each in texts if each is not None]
    assert len(shown) == 4
    assert all(each.startswith('{"text": "xxx') and "[cut:" in each and len(each) < 1_200 for each in shown)
    (node,) = project(SOURCE_MAP, history)
    assert "[cut:" in node.output


async def test_the_end_of_one_execution_does_not_wait_for_that_of_another(stores, deps, request_):
    other = replace(request_, execution_id=new_id())
    await stores.queue.submit(other)

    ended = await take(delivery([*lines(run_of(request_), "1"), *lines(run_of(other), "2")]), deps)

    assert len(ended) == 2
    assert (await found(stores, request_))[1:] == (1, None)
    assert (await found(stores, other))[1:] == (2, None)


async def test_lines_that_tell_of_no_event_are_left_out(stores, deps, request_):
    standard = lines(run_of(request_).replace(":express:", ":execution:"))
    other = [
        "Permissions are set correctly to allow AWS CloudWatch Logs to write into your logs.",
        lines(run_of(request_))[3][:-9],
        "{}",
        '["execution_arn"]',
        line("arn:aws:states", 1, "ExecutionStarted"),
        *standard,
    ]

    assert await take(delivery(other), deps) == []
    assert await take(delivery(lines(run_of(request_)), "CONTROL_MESSAGE"), deps) == []

    assert (await found(stores, request_))[0] is ExecutionStatus.QUEUED
    assert await kept(stores, request_) == []


@pytest.mark.parametrize("execution_id", [pytest.param(new_id(), id="unknown"), "started-by-hand"])
async def test_an_execution_that_is_not_ours_leaves_nothing(stores, deps, bus, request_, execution_id):
    foreign = replace(request_, execution_id=execution_id)

    assert await take(delivery(lines(run_of(foreign))), deps) == []

    assert await kept(stores, foreign) == []
    assert bus.published == []


@pytest.mark.parametrize(
    "data",
    ["%%", base64.b64encode(b"no gzip").decode(), base64.b64encode(gzip.compress(b"[]", mtime=0)).decode(), SAMPLE_ID],
)
async def test_what_is_no_delivery_is_told(deps, data):
    with pytest.raises(MalformedRequest, match="no delivery"):
        await take(data, deps)


async def test_an_end_that_could_not_be_told_is_told_when_the_delivery_comes_back(stores, deps, bus, request_):
    data, bus.away = delivery(lines(run_of(request_))), True
    with pytest.raises(StoreUnavailable):
        await take(data, deps)
    assert await kept(stores, request_) == [1, 2, 3, 4]
    bus.away = False

    await take(data, deps)

    assert len(bus.published) == 1


async def test_a_character_that_a_column_of_text_cannot_keep_is_kept_in_a_payload(stores, deps, request_):
    await take(delivery(lines(run_of(request_), '"a\\u0000b"')), deps)

    assert (await found(stores, request_))[1] == "a\0b"


async def begin(stores: Stores, request: StartRequest, ago: timedelta) -> Watch:
    """Lets the execution run; the watch over it."""
    change = StatusChange(ExecutionStatus.RUNNING, SystemClock().now() - ago)
    await stores.journal.write(request.execution_id, DEFAULT_PROJECT_ID, (), change)
    return Watch(DEFAULT_PROJECT_ID, request.workflow_id, request.execution_id)


async def test_an_execution_of_which_no_end_was_told_fails_in_the_end(stores, deps, bus, request_):
    watch = await begin(stores, request_, 2 * timedelta(seconds=LATER_SECONDS))

    ended = await look(watch, deps)

    assert (ended.status, deps.watches.asked) == (ExecutionStatus.FAILED, [])
    status, _, error = await found(stores, request_)
    assert (status, error["name"]) == (ExecutionStatus.FAILED, "Millrace.LogLost")
    assert [each.document["detail-type"] for each in bus.published] == ["execution.failed"]
    await take(delivery(lines(run_of(request_))), deps)  # later than late
    assert (await found(stores, request_))[0] is ExecutionStatus.FAILED


async def test_an_execution_that_began_later_than_its_watch_is_looked_at_again(stores, deps, request_):
    """Its first start failed, and left a watch behind."""
    watch = await begin(stores, request_, timedelta(seconds=LATER_SECONDS))

    assert await look(watch, deps) is None

    assert (await found(stores, request_))[0] is ExecutionStatus.RUNNING
    assert deps.watches.asked == [watch]


async def test_what_has_ended_is_not_looked_at_again(stores, deps, bus, request_):
    watch = await begin(stores, request_, timedelta(days=1))
    await take(delivery(lines(run_of(request_))), deps)

    assert await look(watch, deps) is None

    assert await found(stores, request_) == (ExecutionStatus.SUCCEEDED, 9, None)
    assert (deps.watches.asked, len(bus.published)) == ([], 1)


async def test_what_has_not_begun_is_not_ended_by_a_look(stores, deps, request_):
    watch = Watch(DEFAULT_PROJECT_ID, request_.workflow_id, request_.execution_id)

    assert await look(watch, deps) is None
    assert await look(replace(watch, execution_id=new_id()), deps) is None

    assert (await found(stores, request_))[0] is ExecutionStatus.QUEUED
