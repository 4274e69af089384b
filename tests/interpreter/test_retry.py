"""Retry, Catch and time-outs. Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""

import pytest

from tests.interpreter.harness import FAILED, PAYLOAD, TIMED_OUT, Case, Raises, Returns, check, pass_, task


def retry(*errors: str, **fields):
    return {"ErrorEquals": list(errors or ("States.ALL",)), **fields}


def catch(*errors: str, **fields):
    return {"ErrorEquals": list(errors or ("States.ALL",)), "Next": "h", **fields}


ATTEMPT = "TaskScheduled TaskStarted"
BAD, WORSE = Raises("Bad", "b"), Raises("Worse", "w")
HANDLER = {"h": pass_()}

CASES = [
    Case(
        "the defaults are three retries after 1, 2 and 4 seconds",
        {"t": task(Retry=[retry()])},
        tasks={"t": [BAD]},
        status=FAILED,
        error="Bad",
        cause="b",
        seconds=7,
        calls=["t"] * 4,
        events=f"TaskStateEntered {' '.join([f'{ATTEMPT} TaskFailed'] * 4)}",
    ),
    Case(
        "a retry that succeeds",
        {"t": task(Retry=[retry()], Output=PAYLOAD)},
        tasks={"t": [BAD, Returns(1)]},
        output=1,
        seconds=1,
        events=f"TaskStateEntered {ATTEMPT} TaskFailed {ATTEMPT} TaskSucceeded TaskStateExited",
    ),
    Case(
        "the back-off rate, and its limit",
        {"t": task(Retry=[retry(IntervalSeconds=2, BackoffRate=3, MaxAttempts=4, MaxDelaySeconds=10)])},
        tasks={"t": [BAD]},
        status=FAILED,
        seconds=2 + 6 + 10 + 10,
    ),
    Case(
        "the retry count is in the context",
        {"t": task("{% $states.context.State.RetryCount %}", Retry=[retry()], Output=PAYLOAD)},
        tasks={"t": lambda payload, attempt: BAD if attempt < 2 else Returns([payload, attempt])},
        output=[2, 2],
    ),
    Case(
        "every retrier counts for itself",
        {
            "t": task(
                Retry=[retry("Bad", MaxAttempts=1), retry("Worse", MaxAttempts=2, IntervalSeconds=5)], Output=PAYLOAD
            )
        },
        tasks={"t": [BAD, WORSE, WORSE, Returns("ok")]},
        output="ok",
        seconds=1 + 5 + 10,
    ),
    Case(
        "the first retrier that covers the error counts, even when it is used up",
        {"t": task(Retry=[retry("Bad", MaxAttempts=1), retry("States.ALL", MaxAttempts=5)])},
        tasks={"t": [BAD]},
        status=FAILED,
        calls=["t", "t"],
    ),
    Case(
        "an error that no retrier covers",
        {"t": task(Retry=[retry("Bad")])},
        tasks={"t": [WORSE]},
        status=FAILED,
        error="Worse",
        calls=["t"],
    ),
    Case("MaxAttempts 0", {"t": task(Retry=[retry(MaxAttempts=0)])}, tasks={"t": [BAD]}, status=FAILED, calls=["t"]),
    Case(
        "States.TaskFailed covers every name but a time-out",
        {"t": task(Retry=[retry("States.TaskFailed", MaxAttempts=1)])},
        tasks={"t": [BAD]},
        status=FAILED,
        calls=["t", "t"],
    ),
    Case(
        "States.TaskFailed does not cover States.Timeout",
        {"t": task(TimeoutSeconds=3, Retry=[retry("States.TaskFailed")])},
        tasks={"t": [Returns(seconds=9)]},
        status=FAILED,
        error="States.Timeout",
        calls=["t"],
    ),
    Case(
        "States.Runtime is never tried again nor caught",
        {"t": task(Retry=[retry("States.Runtime")], Catch=[catch("States.Runtime")], Next="h"), **HANDLER},
        tasks={"t": [Raises("States.Runtime", "r")]},
        status=FAILED,
        error="States.Runtime",
        calls=["t"],
    ),
    Case(
        "States.ALL does not cover States.DataLimitExceeded",
        {"t": task(Retry=[retry()], Catch=[catch()], Next="h"), **HANDLER},
        tasks={"t": [Returns("x" * 262_144)]},
        status=FAILED,
        error="States.DataLimitExceeded",
        calls=["t"],
    ),
    Case(
        "States.DataLimitExceeded can be caught by its name",
        {"t": task(Catch=[catch("States.DataLimitExceeded", Output=1)], Next="h"), **HANDLER},
        tasks={"t": [Returns("x" * 262_144)]},
        output=1,
    ),
    Case(
        "retry before catch",
        {"t": task(Retry=[retry(MaxAttempts=1)], Catch=[catch()], Next="h"), **HANDLER},
        tasks={"t": [BAD]},
        output={"Error": "Bad", "Cause": "b"},
        calls=["t", "t"],
        events=f"TaskStateEntered {ATTEMPT} TaskFailed {ATTEMPT} TaskFailed TaskStateExited "
        "PassStateEntered PassStateExited",
    ),
    Case(
        "a query error is tried again and caught",
        {
            "t": task("{% $states.input.no %}", Retry=[retry(MaxAttempts=1)], Catch=[catch()], Next="h"),
            "h": pass_(Output="{% $states.input.Error %}"),
        },
        output="States.QueryEvaluationError",
        seconds=1,
        events="TaskStateEntered EvaluationFailed EvaluationFailed TaskStateExited PassStateEntered PassStateExited",
        calls=[],
    ),
    Case(
        "a catcher's Output and Assign read the error",
        {
            "t": task(
                Catch=[
                    catch(
                        "Bad",
                        Output="{% $states.errorOutput.Cause %}",
                        Assign={"e": "{% $states.errorOutput.Error %}", "i": "{% $states.input %}"},
                    )
                ],
                Assign={"e": "not this"},
                Next="h",
            ),
            "h": pass_(Output="{% [$e, $i, $states.input] %}"),
        },
        input=5,
        tasks={"t": [BAD]},
        output=["Bad", 5, "b"],
    ),
    Case(
        "the first catcher that covers the error",
        {
            "t": task(Catch=[catch("Other", Output=1), catch("Bad", Output=2), catch(Output=3)], Next="h"),
            **HANDLER,
        },
        tasks={"t": [BAD]},
        output=2,
    ),
    Case(
        "a catcher that fails is not caught",
        {"t": task(Catch=[catch(Output="{% $states.errorOutput.no %}")], Next="h"), **HANDLER},
        tasks={"t": [BAD]},
        status=FAILED,
        error="States.QueryEvaluationError",
        events=f"TaskStateEntered {ATTEMPT} TaskFailed EvaluationFailed",
    ),
    Case(
        "a task's time-out",
        {"t": task(TimeoutSeconds=3)},
        tasks={"t": [Returns(seconds=9)]},
        status=FAILED,
        error="States.Timeout",
        cause="",
        seconds=3,
        events=f"TaskStateEntered {ATTEMPT} TaskTimedOut",
    ),
    Case(
        "a time-out as an expression, which is caught",
        {"t": task(TimeoutSeconds="{% $states.input + 1 %}", Catch=[catch("States.Timeout")], Next="h"), **HANDLER},
        input=1,
        tasks={"t": [Returns(seconds=9)]},
        output={"Error": "States.Timeout", "Cause": ""},
        seconds=2,
    ),
    Case(
        "each attempt has its own time",
        {"t": task(TimeoutSeconds=3, Retry=[retry("States.Timeout", MaxAttempts=1)], Output=PAYLOAD)},
        tasks={"t": [Returns(seconds=9), Returns("late", seconds=2)]},
        output="late",
        seconds=3 + 1 + 2,
    ),
    Case(
        "a time-out that is no number",
        {"t": task(TimeoutSeconds="{% 'x' %}")},
        status=FAILED,
        error="States.QueryEvaluationError",
        calls=[],
    ),
    Case(
        "the execution's time-out cuts a task",
        {"t": task()},
        tasks={"t": [Returns(seconds=90)]},
        timeout=60,
        status=TIMED_OUT,
        error="States.Timeout",
        seconds=60,
        events=f"TaskStateEntered {ATTEMPT}",
    ),
    Case(
        "the execution's time-out cuts a back-off",
        {"t": task(Retry=[retry(IntervalSeconds=100)])},
        tasks={"t": [BAD]},
        timeout=60,
        status=TIMED_OUT,
        seconds=60,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_retry_and_catch(case: Case):
    check(case)


def test_a_task_that_timed_out_is_cancelled():
    run = check(next(case for case in CASES if case.name == "a task's time-out"))

    assert run.runner.cancelled == ["t"]


def test_full_jitter_stays_below_the_delay_and_is_the_same_every_time():
    case = Case(
        "jitter",
        {"t": task(Retry=[retry(IntervalSeconds=10, MaxAttempts=1, JitterStrategy="FULL")])},
        tasks={"t": [BAD]},
        status=FAILED,
    )
    first, second = check(case), check(case)

    assert 0 < first.seconds < 10
    assert first.seconds == second.seconds
