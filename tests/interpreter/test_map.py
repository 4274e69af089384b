"""Map, inline. Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html"""

import pytest

from tests.interpreter.harness import FAILED, PAYLOAD, Case, Raises, Returns, branch, check, ending, pass_, task


def mapped(*, over=None, **fields):
    return ending({"Type": "Map", "ItemProcessor": over or branch(i=pass_()), **fields})


def raising(payload, attempt):
    return Raises("Bad", "b", 1) if payload == 2 else Returns(payload, 5)


CALL = branch(t=task("{% $states.input %}", Output=PAYLOAD))
ITEM = "PassStateEntered PassStateExited MapIterationSucceeded"
TASK = "TaskStateEntered TaskScheduled TaskStarted"

CASES = [
    Case(
        "the input is the list",
        {"m": mapped(over=branch(i=pass_(Output="{% $states.input * 2 %}")))},
        input=[1, 2],
        output=[2, 4],
        events=f"MapStateEntered MapStateStarted MapIterationStarted MapIterationStarted {ITEM} {ITEM} "
        "MapStateSucceeded MapStateExited",
    ),
    Case("Items", {"m": mapped(Items="{% $states.input.l %}")}, {"l": ["a", "b"]}, output=["a", "b"]),
    Case("Items written out", {"m": mapped(Items=[1, "{% $states.input %}"])}, 7, output=[1, 7]),
    Case(
        "no items",
        {"m": mapped(Items=[])},
        output=[],
        events="MapStateEntered MapStateStarted MapStateSucceeded MapStateExited",
    ),
    Case(
        "Items that are no list",
        {"m": mapped(Items="{% 5 %}")},
        status=FAILED,
        error="States.QueryEvaluationError",
        events="MapStateEntered EvaluationFailed",
    ),
    Case("an input that is no list", {"m": mapped()}, input=5, status=FAILED, error="States.Runtime"),
    Case(
        "an object gives its members",
        {"m": mapped(Items={"a": 1, "b": 2})},
        output=[{"Key": "a", "Value": 1}, {"Key": "b", "Value": 2}],
    ),
    Case(
        "ItemSelector",
        {
            "m": mapped(
                ItemSelector={
                    "n": "{% $states.context.Map.Item.Index %}",
                    "v": "{% $states.context.Map.Item.Value %}",
                    "all": "{% $count($states.input) %}",
                }
            )
        },
        input=["x", "y"],
        output=[{"n": 0, "v": "x", "all": 2}, {"n": 1, "v": "y", "all": 2}],
    ),
    Case(
        "the item is in the context of the states inside",
        {"m": mapped(over=branch(i=pass_(Output=0, Next="j"), j=pass_(Output="{% $states.context.Map.Item %}")))},
        input=["x"],
        output=[{"Index": 0, "Value": "x"}],
    ),
    Case("Output reads the result", {"m": mapped(Output="{% $sum($states.result) %}")}, [1, 2, 3], output=6),
    Case(
        "MaxConcurrency 1 is one after the other",
        {"m": mapped(over=CALL, MaxConcurrency=1)},
        input=[1, 2, 3],
        tasks={"t": lambda payload, _: Returns(payload, 10)},
        output=[1, 2, 3],
        seconds=30,
        events="MapStateEntered MapStateStarted "
        + " ".join([f"MapIterationStarted {TASK} TaskSucceeded TaskStateExited MapIterationSucceeded"] * 3)
        + " MapStateSucceeded MapStateExited",
    ),
    Case(
        "MaxConcurrency 2",
        {"m": mapped(over=CALL, MaxConcurrency="{% 1 + 1 %}")},
        input=[1, 2, 3, 4],
        tasks={"t": lambda payload, _: Returns(payload, 10)},
        output=[1, 2, 3, 4],
        seconds=20,
    ),
    Case(
        "forty at a time where there is no limit",
        {"m": mapped(over=CALL)},
        input=list(range(80)),
        tasks={"t": lambda payload, _: Returns(payload, 10)},
        output=list(range(80)),
        seconds=20,
    ),
    Case(
        "results are in the order of the items",
        {"m": mapped(over=CALL)},
        input=[3, 1, 2],
        tasks={"t": lambda payload, _: Returns(payload * 10, payload)},
        output=[30, 10, 20],
        seconds=3,
    ),
    Case(
        "a failing iteration aborts the others",
        {"m": mapped(over=CALL)},
        input=[1, 2, 3],
        tasks={"t": raising},
        status=FAILED,
        error="Bad",
        cause="b",
        seconds=1,
        events="MapStateEntered MapStateStarted MapIterationStarted MapIterationStarted MapIterationStarted "
        f"{TASK} {TASK} {TASK} TaskFailed MapIterationFailed TaskStateAborted MapIterationAborted TaskStateAborted "
        "MapIterationAborted TaskStateAborted MapStateFailed",
    ),
    Case(
        "what has not begun does not begin",
        {"m": mapped(over=CALL, MaxConcurrency=1)},
        input=[2, 1],
        tasks={"t": raising},
        status=FAILED,
        calls=["t"],
    ),
    Case(
        "Catch on the Map",
        {"m": mapped(over=CALL, Catch=[{"ErrorEquals": ["Bad"], "Next": "h"}], Next="h"), "h": pass_()},
        input=[2],
        tasks={"t": raising},
        output={"Error": "Bad", "Cause": "b"},
    ),
    Case(
        "Retry on the Map",
        {"m": mapped(over=CALL, Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 2, "BackoffRate": 1}])},
        input=[2],
        tasks={"t": raising},
        status=FAILED,
        calls=["t"] * 3,
        seconds=3 + 2,
    ),
    Case(
        "an ItemSelector that fails for a later item fails the Map",
        {"m": mapped(ItemSelector="{% $states.context.Map.Item.Value.a %}", MaxConcurrency=1)},
        input=[{"a": 1}, {"b": 1}],
        status=FAILED,
        error="States.QueryEvaluationError",
    ),
    Case(
        "nested",
        {"m": mapped(over=branch(n=mapped(over=branch(i=pass_(Output="{% $states.context.Map.Item.Value %}")))))},
        input=[[1, 2], [3]],
        output=[[1, 2], [3]],
    ),
    Case(
        "iterations keep their variables to themselves",
        {
            "v": pass_(Assign={"x": 1}, Next="m"),
            "m": mapped(
                over=branch(i=pass_(Assign={"y": "{% $states.input + $x %}"}, Next="j"), j=pass_(Output="{% $y %}")),
                Items=[1, 2],
            ),
        },
        output=[2, 3],
    ),
    Case(
        "a result above 256 KiB",
        {"m": mapped(over=branch(i=pass_(Output="{% $pad('', 99999, 'x') %}")))},
        input=[1, 2, 3],
        status=FAILED,
        error="States.DataLimitExceeded",
    ),
    Case(
        "a large result that Output makes small",
        {"m": mapped(over=branch(i=pass_(Output="{% $pad('', 99999, 'x') %}")), Output="{% $count($states.result) %}")},
        input=[1, 2, 3],
        output=3,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_map(case: Case):
    check(case)
