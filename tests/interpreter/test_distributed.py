"""Map in DISTRIBUTED mode: every item is an execution of its own.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html,
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html, and the parent's events as recorded
from AWS in LocalStack's scenarios/test_base_scenarios.snapshot.json (test_map_state_config_distributed_item_selector).
The thresholds are those that sfnx measured in Step Functions (its tests/test_asl.py, `test_exceeds`), and so are the
error of a failed item in the result, and items that are members of an object.
"""

import orjson
import pytest

from shared.ids import derived_id
from statemachines.interpreter import Interpreter, Machine
from statemachines.interpreter.map_run import Tolerance
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    FAILED,
    PAYLOAD,
    TIMED_OUT,
    Case,
    HandsOver,
    LoopClock,
    MemoryJournal,
    Raises,
    Returns,
    ScriptedRunner,
    branch,
    check,
    ending,
    in_virtual_time,
    pass_,
    play,
    request,
    succeeds,
    task,
)
from tests.interpreter.test_callback import call

CONFIG = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def distributed(over=None, **fields):
    over = over or branch(i=pass_())
    return ending({"Type": "Map", "ItemProcessor": {"ProcessorConfig": CONFIG, **over}, **fields})


def boom(payload, attempt):
    return Raises("Boom", "c", 1) if payload % 2 else Returns(payload, 1)


CALL = branch(t=task("{% $states.input %}", Output=PAYLOAD))
FAIL = branch(
    check={"Type": "Choice", "Choices": [{"Condition": "{% $states.input.fail %}", "Next": "fail"}], "Default": "ok"},
    fail={"Type": "Fail", "Error": "Boom", "Cause": "c"},
    ok={"Type": "Succeed", "Output": "{% $states.input.n %}"},
)
TWO = [{"n": 1, "fail": False}, {"n": 2, "fail": True}]
BOOM = {"Status": "FAILED", "Error": "Boom", "Cause": "c"}
RUN = "MapStateEntered MapStateStarted MapRunStarted MapRunSucceeded MapStateSucceeded MapStateExited"
LOST = "MapStateEntered MapStateStarted MapRunStarted MapRunFailed MapStateFailed"
EXCEEDED = "States.ExceedToleratedFailureThreshold"
SHOW = branch(i=pass_())

CASES = [
    Case(
        "the input is the list", {"m": distributed()}, input=["Hello", "World"], output=["Hello", "World"], events=RUN
    ),
    Case(
        "ItemSelector",
        {
            "m": distributed(
                ItemSelector={
                    "constantValue": "constant",
                    "mapValue": "{% $states.context.Map.Item.Value %}",
                    "index": "{% $states.context.Map.Item.Index %}",
                    "fromInput": "{% $states.input %}",
                }
            )
        },
        input=["a", "b"],
        output=[
            {"constantValue": "constant", "mapValue": "a", "index": 0, "fromInput": ["a", "b"]},
            {"constantValue": "constant", "mapValue": "b", "index": 1, "fromInput": ["a", "b"]},
        ],
        events=RUN,
    ),
    Case("no items", {"m": distributed(Items=[])}, output=[], events=RUN),
    Case(
        "Items that are no list",
        {"m": distributed(Items="{% 5 %}")},
        status=FAILED,
        events="MapStateEntered EvaluationFailed",
    ),
    Case(
        "Items of an object",
        {"m": distributed(Items={"a": 1, "b": {"x": 2}})},
        output=[{"Key": "a", "Value": 1}, {"Key": "b", "Value": {"x": 2}}],
    ),
    Case(
        "ItemSelector over an object",
        {
            "m": distributed(
                Items={"a": 1, "b": 2},
                ItemSelector="{% $states.context.Map.Item.Key & $states.context.Map.Item.Value %}",
            )
        },
        output=["a1", "b2"],
    ),
    Case(
        "the item is the child execution's input",
        {"m": distributed(branch(i=pass_(Output="{% $states.context.Execution.Input.n %}")))},
        input=[{"n": 1}, {"n": 2}],
        output=[1, 2],
    ),
    Case(
        "a child execution has an id and a machine of its own",
        {"m": distributed(branch(i=pass_(Output="{% $states.context %}")), Label="label", Items=[0])},
        output=[
            {
                "Execution": {
                    "Id": "arn:aws:states:local:000000000000:execution:flow/label:"
                    + derived_id(derived_id(EXECUTION, "map-run/3"), "0"),
                    "Input": 0,
                    "Name": derived_id(derived_id(EXECUTION, "map-run/3"), "0"),
                    "RedriveCount": 0,
                    "StartTime": "2026-01-01T00:00:00.000Z",
                },
                "State": {"EnteredTime": "2026-01-01T00:00:00.000Z", "Name": "i"},
                "StateMachine": {
                    "Id": "arn:aws:states:local:000000000000:stateMachine:flow/label",
                    "Name": "flow/label",
                },
            }
        ],
    ),
    Case(
        "a child execution sees none of its parent's variables",
        {
            "v": pass_(Assign={"x": 1}, Next="m"),
            "m": distributed(branch(i=pass_(Output="{% $exists($x) %}")), Items=[1]),
        },
        output=[False],
    ),
    Case(
        "a child execution's variables are its own",
        {
            "v": pass_(Assign={"x": 1}, Next="m"),
            "m": distributed(
                branch(i=pass_(Assign={"x": "{% $states.input * 10 %}"}, Next="j"), j=pass_(Output="{% $x %}")),
                Items=[1, 2],
                Next="e",
                Assign={"r": "{% $states.result %}"},
            ),
            "e": pass_(Output="{% [$x, $r] %}"),
        },
        output=[1, 10, 20],
    ),
    Case("Output reads the result", {"m": distributed(Output="{% $sum($states.result) %}")}, input=[1, 2, 3], output=6),
    Case(
        "MaxConcurrency",
        {"m": distributed(CALL, MaxConcurrency=2)},
        input=[1, 2, 3, 4, 5],
        tasks={"t": lambda payload, _: Returns(payload, 10)},
        output=[1, 2, 3, 4, 5],
        seconds=30,
        events=RUN,
    ),
    Case(
        "far more than forty at a time",
        {"m": distributed(CALL)},
        input=list(range(50)),
        tasks={"t": lambda payload, _: Returns(payload, 10)},
        output=list(range(50)),
        seconds=10,
    ),
    Case(
        "without a threshold one failure fails the state",
        {"m": distributed(FAIL)},
        input=TWO,
        status=FAILED,
        error=EXCEEDED,
        cause="The specified tolerated failure threshold was exceeded",
        events=LOST,
    ),
    Case(
        "ToleratedFailureCount",
        {"m": distributed(FAIL, ToleratedFailureCount="{% 1 %}")},
        input=TWO,
        output=[1, BOOM],
        events=RUN,
    ),
    Case(
        "ToleratedFailurePercentage",
        {"m": distributed(FAIL, ToleratedFailurePercentage=50)},
        input=TWO,
        output=[1, BOOM],
    ),
    Case(
        "a percentage that is exceeded",
        {"m": distributed(FAIL, ToleratedFailurePercentage="{% 49.5 %}")},
        input=TWO,
        status=FAILED,
        error=EXCEEDED,
    ),
    Case(
        "a percentage that is none",
        {"m": distributed(FAIL, ToleratedFailurePercentage="{% 101 %}")},
        input=TWO,
        status=FAILED,
        error="States.Runtime",
        events="MapStateEntered MapStateStarted",
    ),
    Case(
        "too many failures give the others up",
        {"m": distributed(CALL, ToleratedFailureCount=1)},
        input=[1, 0, 3, 5],
        tasks={"t": lambda payload, _: Raises("Boom", "c", payload) if payload else Returns(0, 90)},
        status=FAILED,
        error=EXCEEDED,
        seconds=3,
        events=LOST,
    ),
    Case(
        "Catch on the state",
        {"m": distributed(FAIL, Catch=[{"ErrorEquals": [EXCEEDED], "Next": "h"}], Next="h"), "h": pass_()},
        input=TWO,
        output={"Error": EXCEEDED, "Cause": "The specified tolerated failure threshold was exceeded"},
    ),
    Case(
        "Retry on the state begins another Map Run",
        {"m": distributed(CALL, Retry=[{"ErrorEquals": [EXCEEDED], "MaxAttempts": 1}])},
        input=[2, 3],
        tasks={"t": boom},
        status=FAILED,
        error=EXCEEDED,
        events=f"{LOST} {LOST.removeprefix('MapStateEntered ')}",
        calls=["t"] * 4,
    ),
    Case(
        "ItemBatcher",
        {"m": distributed(SHOW, ItemBatcher={"MaxItemsPerBatch": 2})},
        input=[1, 2, 3],
        output=[{"Items": [1, 2]}, {"Items": [3]}],
    ),
    Case(
        "BatchInput",
        {
            "m": distributed(
                SHOW,
                Items=[1, 2],
                ItemBatcher={"MaxItemsPerBatch": "{% 1 + 1 %}", "BatchInput": {"a": "{% $states.input %}"}},
            )
        },
        input="in",
        output=[{"BatchInput": {"a": "in"}, "Items": [1, 2]}],
    ),
    Case(
        "MaxInputBytesPerBatch",
        {"m": distributed(SHOW, ItemBatcher={"MaxInputBytesPerBatch": 22})},
        input=["aaaa", "b", "cccccccccccccccccccccccc", "d"],
        output=[{"Items": ["aaaa", "b"]}, {"Items": ["cccccccccccccccccccccccc"]}, {"Items": ["d"]}],
    ),
    Case(
        "both limits of a batch",
        {"m": distributed(SHOW, ItemBatcher={"MaxItemsPerBatch": 3, "MaxInputBytesPerBatch": 17})},
        input=[1, 2, 3, 4, 55555, 6],
        output=[{"Items": [1, 2, 3]}, {"Items": [4]}, {"Items": [55555]}, {"Items": [6]}],
    ),
    Case(
        "ItemSelector before ItemBatcher",
        {
            "m": distributed(
                SHOW,
                ItemSelector="{% $states.context.Map.Item.Value * 10 %}",
                ItemBatcher={"MaxItemsPerBatch": 2},
            )
        },
        input=[1, 2, 3],
        output=[{"Items": [10, 20]}, {"Items": [30]}],
    ),
    Case(
        "a batch that fails counts each of its items",
        {
            "m": distributed(
                branch(
                    c={
                        "Type": "Choice",
                        "Choices": [{"Condition": "{% 2 in $states.input.Items %}", "Next": "f"}],
                        "Default": "o",
                    },
                    f={"Type": "Fail", "Error": "Boom", "Cause": "c"},
                    o=pass_(),
                ),
                ItemBatcher={"MaxItemsPerBatch": 2},
                ToleratedFailureCount=1,
            )
        },
        input=[1, 2, 3, 4, 5],
        status=FAILED,
        error=EXCEEDED,
    ),
    Case(
        "and is tolerated where that many are",
        {
            "m": distributed(
                branch(
                    c={
                        "Type": "Choice",
                        "Choices": [{"Condition": "{% 2 in $states.input.Items %}", "Next": "f"}],
                        "Default": "o",
                    },
                    f={"Type": "Fail", "Error": "Boom", "Cause": "c"},
                    o=pass_(Output="{% $states.input.Items %}"),
                ),
                ItemBatcher={"MaxItemsPerBatch": 2},
                ToleratedFailurePercentage=40,
            )
        },
        input=[1, 2, 3, 4, 5],
        output=[BOOM, [3, 4], [5]],
    ),
    Case(
        "an ItemSelector that fails for an item fails the run",
        {"m": distributed(ItemSelector="{% $states.context.Map.Item.Value.a %}", MaxConcurrency=1)},
        input=[{"a": 1}, {"b": 1}],
        status=FAILED,
        error="States.QueryEvaluationError",
        events=LOST,
    ),
    Case(
        "an item that retries and catches by itself",
        {
            "m": distributed(
                branch(
                    t=task(
                        "{% $states.input %}",
                        Output=PAYLOAD,
                        Retry=[{"ErrorEquals": ["Boom"], "MaxAttempts": 1}],
                        Catch=[{"ErrorEquals": ["Boom"], "Next": "h"}],
                        Next="h",
                    ),
                    h=pass_(),
                )
            )
        },
        input=[1, 2],
        tasks={"t": boom},
        output=[{"Error": "Boom", "Cause": "c"}, 2],
        calls=["t", "t", "t"],
    ),
    Case(
        "items with Parallel, Map and Wait inside",
        {
            "m": distributed(
                branch(
                    p={
                        "Type": "Parallel",
                        "Branches": [CALL, branch(w=ending({"Type": "Wait", "Seconds": 3}))],
                        "Next": "n",
                    },
                    n=ending({"Type": "Map", "ItemProcessor": branch(x=pass_(Output="{% $states.input + 1 %}"))}),
                )
            )
        },
        input=[1, 2],
        tasks={"t": lambda payload, _: Returns(payload, payload)},
        output=[[2, 2], [3, 3]],
        seconds=3,
    ),
    Case(
        "distributed inside distributed",
        {
            "m": distributed(
                branch(n=distributed(branch(t=task("{% $states.input %}", Output=PAYLOAD)), MaxConcurrency=1)),
                MaxConcurrency=2,
            )
        },
        input=[[1, 2], [3], []],
        tasks={"t": lambda payload, _: Returns(payload * 2, payload)},
        output=[[2, 4], [6], []],
        seconds=3,
    ),
    Case(
        "items that somebody outside completes",
        {"m": distributed(branch(t=call("lambda:invoke.waitForTaskToken", {"Payload": "{% $states.input %}"})))},
        input=[3, 1, 2],
        tasks={"t": lambda payload, _: HandsOver((succeeds(payload, payload),))},
        output=[3, 1, 2],
        seconds=3,
    ),
    Case(
        "a sibling that fails aborts the run",
        {
            "p": ending(
                {
                    "Type": "Parallel",
                    "Branches": [
                        branch(m=distributed(branch(t=task()), Items=[1, 2])),
                        branch(f=task()),
                    ],
                }
            )
        },
        tasks={"t": [Returns(seconds=9)], "f": [Raises("Bad", "b", 1)]},
        status=FAILED,
        error="Bad",
        events="ParallelStateEntered ParallelStateStarted MapStateEntered MapStateStarted MapRunStarted "
        "TaskStateEntered TaskScheduled TaskStarted TaskFailed TaskStateAborted MapRunAborted MapStateAborted "
        "ParallelStateFailed",
    ),
    Case(
        "the execution's time-out",
        {"m": distributed(CALL, Items=[1, 2])},
        tasks={"t": lambda payload, _: Returns(payload, payload * 10)},
        timeout=15,
        status=TIMED_OUT,
        seconds=15,
        events="MapStateEntered MapStateStarted MapRunStarted",
    ),
    Case(
        "a result above 256 KiB",
        {"m": distributed(branch(i=pass_(Output="{% $pad('', 99999, 'x') %}")), Items=[1, 2, 3])},
        status=FAILED,
        error="States.DataLimitExceeded",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_distributed_map(case: Case):
    check(case)


@pytest.mark.parametrize(
    ("failed", "total", "count", "percentage", "exceeded"),
    [
        (1, 3, 0, 0, True),
        (0, 3, 0, 0, False),
        (1, 3, 1, 100, False),
        (3, 3, 1, 100, True),
        (3, 3, 3, 100, False),
        (1, 3, 0, 100, False),
        (1, 3, 100_000, 34, False),
        (1, 3, 100_000, 33, True),
        (1, 4, 100_000, 25, False),
        (1, 4, 100_000, 24, True),
        (1, 3, 0, 50, False),
        (3, 3, 0, 50, True),
        (1, 3, 5, 0, False),
        (3, 3, 5, 0, False),
        (2, 3, 1, 90, True),
        (2, 3, 5, 50, True),
        (2, 5, 1, 100, True),
        (2, 5, 100_000, 39, True),
        (2, 5, 100_000, 40, False),
    ],
)
def test_thresholds(failed, total, count, percentage, exceeded):
    """As measured in Step Functions."""
    assert Tolerance(count, percentage).exceeded(failed, total) is exceeded


def of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_the_parents_events_are_those_of_aws():
    found = check(of("ItemSelector")).journal.events
    run = derived_id(EXECUTION, "map-run/3")
    label = derived_id(EXECUTION, "label/m")

    assert [(event.id, event.previous_id, event.type) for event in found] == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "MapStateEntered"),
        (3, 2, "MapStateStarted"),
        (4, 3, "MapRunStarted"),
        (5, 4, "MapRunSucceeded"),
        (6, 5, "MapStateSucceeded"),
        (7, 5, "MapStateExited"),
        (8, 7, "ExecutionSucceeded"),
    ]
    assert found[2].details == {"length": 2}
    assert found[3].details == {"mapRunArn": f"arn:aws:states:local:000000000000:mapRun:flow/{label}:{run}"}


def test_a_failed_run_says_why():
    found = check(of("without a threshold one failure fails the state")).journal.events

    assert [(event.previous_id, event.type, event.details) for event in found[4:]] == [
        (4, "MapRunFailed", {"error": EXCEEDED, "cause": "The specified tolerated failure threshold was exceeded"}),
        (5, "MapStateFailed", {}),
        (6, "ExecutionFailed", {"error": EXCEEDED, "cause": "The specified tolerated failure threshold was exceeded"}),
    ]


def test_a_child_execution_has_a_history_of_its_own():
    run = check(of("MaxConcurrency"))
    child = derived_id(derived_id(EXECUTION, "map-run/3"), "4")

    assert [(event.id, event.previous_id, event.type) for event in run.journal.of(child)] == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "TaskStateEntered"),
        (3, 2, "TaskScheduled"),
        (4, 3, "TaskStarted"),
        (5, 4, "TaskSucceeded"),
        (6, 5, "TaskStateExited"),
        (7, 6, "ExecutionSucceeded"),
    ]


def test_a_child_execution_that_is_given_up_is_aborted():
    run = check(of("too many failures give the others up"))
    ends = {run.journal.of(each)[-1].type for each in {each for each, _ in run.journal.log} if each != EXECUTION}

    assert "ExecutionAborted" in ends
    assert "ExecutionFailed" in ends
    assert run.runner.cancelled


def test_tokens_of_child_executions_name_the_execution_that_has_to_be_woken_up():
    run = check(of("items that somebody outside completes"))

    assert len({call.task_token for call in run.runner.calls}) == 3
    assert {completion.execution_id for completion in run.runner.said} == {EXECUTION}


def test_without_histories_to_read_no_distributed_map_is_run():
    async def main():
        engine = Interpreter(journal=MemoryJournal(), runner=ScriptedRunner({}), clock=LoopClock())
        return await engine.run(
            Machine.load(Case("m", {"m": distributed(Items=[1])}).document()), request({}), workflow_name="flow"
        )

    error = in_virtual_time(main).error
    assert error["name"] == "States.Runtime"
    assert "cannot read histories back" in error["cause"]


def test_many_items_in_bounded_memory():
    """Items begin only as fast as their events are written."""
    journal = MemoryJournal()
    largest = 0
    write = journal.write

    async def watched(execution_id, project_id, events, change=None, completes=None):
        nonlocal largest
        largest = max(largest, len(events))
        await write(execution_id, project_id, events, change, completes)

    journal.write = watched
    count = 20_000

    async def main():
        engine = Interpreter(
            journal=journal,
            runner=ScriptedRunner({}),
            clock=LoopClock(),
            input_of=lambda each, _: each.input,
            histories=journal,
        )
        case = Case("m", {"m": distributed(branch(i=pass_(Output=1)), Output="{% $count($states.result) %}")})
        return await engine.run(Machine.load(case.document()), request(list(range(count))), workflow_name="flow")

    change = in_virtual_time(main)
    assert change.result == count
    assert largest < 2_100
    assert len(journal.log) == 8 + count * 5


def test_what_had_ended_is_not_run_again():
    case = Case(
        "ledger",
        {"m": distributed(CALL, MaxConcurrency=3)},
        input=list(range(1, 31)),
        tasks={"t": lambda payload, _: Returns(payload, payload)},
    )
    whole = play(case)
    for length in range(1, len(whole.journal.log), 7):
        log = whole.journal.log[:length]
        run = play(case, log=log)
        done = sum(event.type == "TaskSucceeded" for _, event in log)
        assert run.change.result == list(range(1, 31))
        assert len(run.runner.calls) <= 30 - done
        ended = {orjson.dumps(call.arguments) for call in run.runner.calls}
        assert len(ended) == len(run.runner.calls)


def test_the_ledger_has_one_event_for_each_item():
    run = check(of("ToleratedFailureCount"))
    ledger = run.journal.of(derived_id(EXECUTION, "map-run/3"))

    assert [(event.id, event.type, event.details, event.timestamp) for event in ledger] == [
        (1, "MapIterationSucceeded", {"index": 0, "output": "1"}, EPOCH),
        (2, "MapIterationFailed", {"index": 1, "error": "Boom", "cause": "c"}, EPOCH),
    ]
