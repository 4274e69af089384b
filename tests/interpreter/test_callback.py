"""Tasks that somebody outside completes: .waitForTaskToken, .sync and .sync:2, heartbeats, and other integrations.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html, and the order and the details of
events as recorded from AWS in LocalStack's tests/aws/services/stepfunctions/v2: callback/test_callback.snapshot.json,
timeouts/test_heartbeats.snapshot.json, services/test_{sfn,sqs,events}_task_service.snapshot.json.
"""

import pytest

from tests.interpreter.harness import (
    FAILED,
    TIMED_OUT,
    Case,
    HandsOver,
    Raises,
    beats,
    branch,
    check,
    ending,
    fails,
    pass_,
    succeeds,
)

STATES = "arn:aws:states:::"
TOKEN = "{% $states.context.Task.Token %}"
SUBMITTED = "TaskStateEntered TaskScheduled TaskStarted TaskSubmitted"
RETRY = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]


def call(resource, arguments=None, **fields):
    return ending({"Type": "Task", "Resource": STATES + resource, "Arguments": arguments or {}, **fields})


def waits(**fields):
    """A Task with a function that gives the token away."""
    arguments = {"FunctionName": "f", "Payload": {"token": TOKEN}}
    return call("lambda:invoke.waitForTaskToken", arguments, **fields)


def catch(*errors):
    return {"Catch": [{"ErrorEquals": list(errors), "Next": "h"}], "Next": "h"}


HANDLER = {"h": pass_()}
CASES = [
    Case(
        "the completion is the result",
        {"t": waits()},
        tasks={"t": [HandsOver((succeeds({"approved": True}, 60),))]},
        output={"approved": True},
        seconds=60,
        events=f"{SUBMITTED} TaskSucceeded TaskStateExited",
        calls=["t"],
    ),
    Case(
        "Output reads the completion",
        {"t": waits(Output="{% $states.result.by %}", Assign={"r": "{% $states.result %}"}, Next="p"), "p": pass_()},
        tasks={"t": [HandsOver((succeeds({"by": "ada"}, 1),))]},
        output="ada",
    ),
    Case(
        "a completion of null",
        {"t": waits()},
        tasks={"t": [HandsOver((succeeds(None, 1),))]},
        output=None,
    ),
    Case(
        "the token can be read by Output too",
        {"t": waits(Output="{% $length($states.context.Task.Token) > 20 %}")},
        tasks={"t": [HandsOver((succeeds(1, 1),))]},
        output=True,
    ),
    Case(
        "a completion that fails the task",
        {"t": waits()},
        tasks={"t": [HandsOver((fails("Refused", "not today", 5),))]},
        status=FAILED,
        error="Refused",
        cause="not today",
        seconds=5,
        events=f"{SUBMITTED} TaskFailed",
    ),
    Case(
        "a failed completion is caught",
        {"t": waits(**catch("Refused")), **HANDLER},
        tasks={"t": [HandsOver((fails("Refused", "c", 5),))]},
        output={"Error": "Refused", "Cause": "c"},
    ),
    Case(
        "a failed completion is tried again, with another token",
        {"t": waits(Retry=RETRY)},
        tasks={"t": [HandsOver((fails("Busy", "", 5),)), HandsOver((succeeds(2, 5),))]},
        output=2,
        seconds=11,
        calls=["t", "t"],
    ),
    Case(
        "only the first completion counts",
        {"t": waits(Next="w"), "w": ending({"Type": "Wait", "Seconds": 10})},
        tasks={"t": [HandsOver((succeeds("first", 1), succeeds("second", 2), fails("E", "", 3)))]},
        output="first",
        seconds=11,
    ),
    Case(
        "a completion that comes before the call has returned waits for that",
        {"t": waits()},
        tasks={"t": [HandsOver((succeeds("early", 1),), seconds=5)]},
        output="early",
        seconds=5,
        events=f"{SUBMITTED} TaskSucceeded TaskStateExited",
    ),
    Case(
        "a call that fails is no task that was handed over",
        {"t": waits()},
        tasks={"t": [Raises("Lambda.TooManyRequestsException", "slow down", 1)]},
        status=FAILED,
        error="Lambda.TooManyRequestsException",
        cause="slow down",
        events="TaskStateEntered TaskScheduled TaskStarted TaskSubmitFailed",
    ),
    Case(
        "a call that fails is tried again",
        {"t": waits(Retry=RETRY)},
        tasks={"t": [Raises("Busy"), HandsOver((succeeds(1, 1),))]},
        output=1,
        events="TaskStateEntered TaskScheduled TaskStarted TaskSubmitFailed TaskScheduled TaskStarted TaskSubmitted "
        "TaskSucceeded TaskStateExited",
    ),
    Case(
        "TimeoutSeconds of a task that nobody completes",
        {"t": waits(TimeoutSeconds=600)},
        tasks={"t": [HandsOver()]},
        status=FAILED,
        error="States.Timeout",
        cause="",
        seconds=600,
        events=f"{SUBMITTED} TaskTimedOut",
    ),
    Case(
        "TimeoutSeconds count from when the task started, not from when it was handed over",
        {"t": waits(TimeoutSeconds=10)},
        tasks={"t": [HandsOver(seconds=4)]},
        status=FAILED,
        seconds=10,
    ),
    Case(
        "a call that takes longer than TimeoutSeconds",
        {"t": waits(TimeoutSeconds=3)},
        tasks={"t": [HandsOver(seconds=9)]},
        status=FAILED,
        error="States.Timeout",
        seconds=3,
        events="TaskStateEntered TaskScheduled TaskStarted TaskTimedOut",
    ),
    Case(
        "a completion that comes after the time-out does nothing",
        {"t": waits(TimeoutSeconds=5, **catch("States.Timeout")), "h": ending({"Type": "Wait", "Seconds": 10})},
        tasks={"t": [HandsOver((succeeds("late", 7),))]},
        output={"Error": "States.Timeout", "Cause": ""},
        seconds=15,
    ),
    Case(
        "HeartbeatSeconds without a sign of life; AWS records States.Timeout",
        {"t": waits(HeartbeatSeconds=5, TimeoutSeconds=600)},
        tasks={"t": [HandsOver()]},
        status=FAILED,
        error="States.Timeout",
        cause="",
        seconds=5,
        events=f"{SUBMITTED} TaskTimedOut",
    ),
    Case(
        "States.HeartbeatTimeout covers a missed heartbeat",
        {"t": waits(HeartbeatSeconds=5, **catch("States.HeartbeatTimeout")), **HANDLER},
        tasks={"t": [HandsOver()]},
        output={"Error": "States.Timeout", "Cause": ""},
        seconds=5,
    ),
    Case(
        "States.HeartbeatTimeout does not cover the time-out",
        {"t": waits(HeartbeatSeconds=5, TimeoutSeconds=7, **catch("States.HeartbeatTimeout")), **HANDLER},
        tasks={"t": [HandsOver(beats(4))]},
        status=FAILED,
        error="States.Timeout",
        seconds=7,
    ),
    Case(
        "States.Timeout covers a missed heartbeat too",
        {"t": waits(HeartbeatSeconds=5, **catch("States.Timeout")), **HANDLER},
        tasks={"t": [HandsOver()]},
        output={"Error": "States.Timeout", "Cause": ""},
    ),
    Case(
        "States.TaskFailed covers neither",
        {"t": waits(HeartbeatSeconds=5, **catch("States.TaskFailed")), **HANDLER},
        tasks={"t": [HandsOver()]},
        status=FAILED,
        error="States.Timeout",
    ),
    Case(
        "heartbeats keep a task alive, and leave no events",
        {"t": waits(HeartbeatSeconds=5)},
        tasks={"t": [HandsOver((*beats(4, 8, 12), succeeds("done", 16)))]},
        output="done",
        seconds=16,
        events=f"{SUBMITTED} TaskSucceeded TaskStateExited",
    ),
    Case(
        "heartbeats that stop",
        {"t": waits(HeartbeatSeconds=5)},
        tasks={"t": [HandsOver((*beats(4, 8), succeeds("late", 14)))]},
        status=FAILED,
        error="States.Timeout",
        seconds=13,
    ),
    Case(
        "heartbeats do not lengthen TimeoutSeconds",
        {"t": waits(HeartbeatSeconds=5, TimeoutSeconds=10)},
        tasks={"t": [HandsOver(beats(4, 8, 9.5))]},
        status=FAILED,
        error="States.Timeout",
        seconds=10,
    ),
    Case(
        "both as expressions",
        {"t": waits(HeartbeatSeconds="{% $states.input.h %}", TimeoutSeconds="{% $states.input.t %}")},
        input={"h": 3, "t": 60},
        tasks={"t": [HandsOver()]},
        status=FAILED,
        seconds=3,
    ),
    Case(
        "HeartbeatSeconds of another type",
        {"t": waits(HeartbeatSeconds="{% 'x' %}")},
        status=FAILED,
        error="States.QueryEvaluationError",
        calls=[],
    ),
    Case(
        "a completion above 256 KiB",
        {"t": waits()},
        tasks={"t": [HandsOver((succeeds("x" * 262_144, 1),))]},
        status=FAILED,
        error="States.DataLimitExceeded",
        events=f"{SUBMITTED} TaskFailed",
    ),
    Case(
        "a sibling that fails gives the task up",
        {
            "p": ending(
                {
                    "Type": "Parallel",
                    "Branches": [branch(t=waits()), branch(f=call("lambda:invoke", {"FunctionName": "f"}))],
                }
            )
        },
        tasks={"t": [HandsOver()], "f": [Raises("Bad", "b", 1)]},
        status=FAILED,
        error="Bad",
    ),
    Case(
        "the execution's time-out gives the task up",
        {"t": waits()},
        tasks={"t": [HandsOver()]},
        timeout=30,
        status=TIMED_OUT,
        seconds=30,
        events=SUBMITTED,
    ),
    Case(
        "several wait side by side",
        {
            "m": ending(
                {
                    "Type": "Map",
                    "Items": [3, 1, 2],
                    "ItemProcessor": branch(
                        t=call("lambda:invoke.waitForTaskToken", {"Payload": "{% $states.input %}"})
                    ),
                }
            )
        },
        tasks={"t": lambda payload, _: HandsOver((succeeds(payload * 10, payload),))},
        output=[30, 10, 20],
        seconds=3,
    ),
    Case(
        "no token in the context of .sync:2",
        {"t": call("states:startExecution.sync:2", {"Input": TOKEN})},
        status=FAILED,
        error="States.QueryEvaluationError",
        calls=[],
    ),
    Case(
        "no token in the context of a task that does not wait",
        {"t": call("lambda:invoke", {"Payload": TOKEN})},
        status=FAILED,
        error="States.QueryEvaluationError",
        calls=[],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_completed_from_outside(case: Case):
    check(case)
