"""Map in DISTRIBUTED mode: every item is an execution of its own.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html,
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html, and the parent's events as recorded
from AWS in LocalStack's scenarios/test_base_scenarios.snapshot.json (test_map_state_config_distributed_item_selector).
The thresholds are those that sfnx measured in Step Functions (its tests/test_asl.py, `test_exceeds`), and so are the
error of a failed item in the result, and items that are members of an object.
"""

import pytest

from shared.ids import derived_id
from tests.interpreter.harness import (
    EXECUTION,
    FAILED,
    PAYLOAD,
    TIMED_OUT,
    Case,
    HandsOver,
    Raises,
    Returns,
    branch,
    check,
    ending,
    pass_,
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
