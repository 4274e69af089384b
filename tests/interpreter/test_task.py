"""Task with lambda:invoke. Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html"""

import pytest

from tests.interpreter.harness import FAILED, PAYLOAD, Case, Raises, Returns, check, pass_, task

ONCE = "TaskStateEntered TaskScheduled TaskStarted"
CAUSE = '{"errorMessage":"no","errorType":"Refused"}'
RESULT = {"ExecutedVersion": "$LATEST", "Payload": {"a": 1}, "StatusCode": 200}

CASES = [
    Case(
        "the result is the output",
        {"t": task()},
        tasks={"t": [Returns({"a": 1})]},
        output=RESULT,
        events=f"{ONCE} TaskSucceeded TaskStateExited",
        calls=["t"],
    ),
    Case("Output reads the result", {"t": task(Output=PAYLOAD)}, tasks={"t": [Returns([1])]}, output=[1]),
    Case(
        "Output reads the input too",
        {"t": task(Output="{% [$states.input, $states.result.StatusCode] %}")},
        input=1,
        tasks={"t": [Returns()]},
        output=[1, 200],
    ),
    Case(
        "Arguments are evaluated",
        {
            "t": task(
                {"double": "{% $states.input * 2 %}", "at": "{% $states.context.State.RetryCount %}"}, Output=PAYLOAD
            )
        },
        input=4,
        tasks={"t": lambda payload, _: Returns(payload)},
        output={"double": 8, "at": 0},
    ),
    Case(
        "Assign and Output read the same result",
        {"t": task(Assign={"v": PAYLOAD}, Output="kept", Next="p"), "p": pass_(Output="{% [$v, $states.input] %}")},
        tasks={"t": [Returns(7)]},
        output=[7, "kept"],
    ),
    Case(
        "a failure fails the execution",
        {"t": task()},
        tasks={"t": [Raises("Refused", CAUSE)]},
        status=FAILED,
        error="Refused",
        cause=CAUSE,
        events=f"{ONCE} TaskFailed",
    ),
    Case(
        "Arguments that yield nothing",
        {"t": task("{% $states.input.no %}")},
        status=FAILED,
        error="States.QueryEvaluationError",
        cause="An error occurred while executing the state 't' (entered at the event id #2). The JSONata expression "
        "'$states.input.no' specified for the field 'Arguments/Payload' returned nothing (undefined).",
        events="TaskStateEntered EvaluationFailed",
        calls=[],
    ),
    Case(
        "an Output that fails after the task succeeded",
        {"t": task(Output="{% $states.result.no %}")},
        tasks={"t": [Returns()]},
        status=FAILED,
        error="States.QueryEvaluationError",
        events=f"{ONCE} TaskSucceeded EvaluationFailed",
        calls=["t"],
    ),
    Case(
        "a result above 256 KiB",
        {"t": task()},
        tasks={"t": [Returns("x" * 262_144)]},
        status=FAILED,
        error="States.DataLimitExceeded",
        cause="The state/task 'lambda' returned a result with a size exceeding "
        "the maximum number of bytes service limit.",
        events=f"{ONCE} TaskFailed",
    ),
    Case(
        "arguments above 256 KiB",
        {"t": task("{% $pad('', 262144, 'x') %}")},
        status=FAILED,
        error="States.DataLimitExceeded",
        events="TaskStateEntered",
        calls=[],
    ),
    Case(
        "an output above 256 KiB",
        {"p": pass_(Output="{% $pad('', 262144, 'x') %}")},
        status=FAILED,
        error="States.DataLimitExceeded",
        cause="The state/task 'p' returned a result with a size exceeding the maximum number of bytes service limit.",
        events="PassStateEntered",
    ),
    Case(
        "bytes count, not characters",
        {"p": pass_(Output="{% $pad('', 100000, 'ü') %}", Next="q"), "q": pass_(Output="{% $pad('', 140000, 'ü') %}")},
        status=FAILED,
        error="States.DataLimitExceeded",
        events="PassStateEntered PassStateExited PassStateEntered",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_task(case: Case):
    check(case)
