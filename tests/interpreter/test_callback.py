"""Tasks that somebody outside completes: .waitForTaskToken, .sync and .sync:2, heartbeats, and other integrations.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html, and the order and the details of
events as recorded from AWS in LocalStack's tests/aws/services/stepfunctions/v2: callback/test_callback.snapshot.json,
timeouts/test_heartbeats.snapshot.json, services/test_{sfn,sqs,events}_task_service.snapshot.json.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.executions.records import TaskCompletion
from statemachines.interpreter import Interpreter, Machine
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    FAILED,
    TIMED_OUT,
    TOKENS,
    Case,
    HandsOver,
    LoopClock,
    MemoryJournal,
    Raises,
    Returns,
    ScriptedRunner,
    beats,
    branch,
    check,
    ending,
    fails,
    in_virtual_time,
    pass_,
    play,
    request,
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
NESTED = {
    "ExecutionArn": "arn:aws:states:local:000000000000:execution:child:c",
    "Input": {"a": 1},
    "InputDetails": {"Included": True},
    "Name": "c",
    "Output": {"b": 2},
    "OutputDetails": {"Included": True},
    "Status": "SUCCEEDED",
}

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
        "sqs:sendMessage",
        {"t": call("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": {"a": 1}}, Output="{% $states.result %}")},
        tasks={"t": [HandsOver(result={"MessageId": "m"})]},
        output={"MessageId": "m"},
        events="TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited",
    ),
    Case(
        "sqs:sendMessage.waitForTaskToken",
        {"t": call("sqs:sendMessage.waitForTaskToken", {"QueueUrl": "q", "MessageBody": {"TaskToken": TOKEN}})},
        tasks={"t": [HandsOver((succeeds("ok", 3),), result={"MessageId": "m"})]},
        output="ok",
        events=f"{SUBMITTED} TaskSucceeded TaskStateExited",
    ),
    Case(
        "events:putEvents",
        {"t": call("events:putEvents", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": {}}]})},
        tasks={"t": [HandsOver(result={"Entries": [{"EventId": "e"}], "FailedEntryCount": 0})]},
        output={"Entries": [{"EventId": "e"}], "FailedEntryCount": 0},
        events="TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited",
    ),
    Case(
        "states:startExecution does not wait",
        {"t": call("states:startExecution", {"StateMachineArn": "c", "Input": {}})},
        tasks={"t": [HandsOver(result={"ExecutionArn": "a", "StartDate": 1})]},
        output={"ExecutionArn": "a", "StartDate": 1},
        events="TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited",
    ),
    Case(
        "states:startExecution of a machine that does not exist",
        {"t": call("states:startExecution", {"StateMachineArn": "c"})},
        tasks={"t": [Raises("StepFunctions.StateMachineDoesNotExistException", "State Machine Does Not Exist: 'c'")]},
        status=FAILED,
        error="StepFunctions.StateMachineDoesNotExistException",
        events="TaskStateEntered TaskScheduled TaskStarted TaskFailed",
    ),
    Case(
        "states:startExecution.sync:2 gives input and output as JSON",
        {"t": call("states:startExecution.sync:2", {"StateMachineArn": "c", "Input": {"a": 1}})},
        tasks={"t": [HandsOver((succeeds(NESTED, 9),), result={"ExecutionArn": "a"})]},
        output=NESTED,
        seconds=9,
        events=f"{SUBMITTED} TaskSucceeded TaskStateExited",
    ),
    Case(
        "states:startExecution.sync gives them as text",
        {"t": call("states:startExecution.sync", {"StateMachineArn": "c", "Input": {"a": 1}})},
        tasks={"t": [HandsOver((succeeds(NESTED, 9),))]},
        output={**NESTED, "Input": '{"a":1}', "Output": '{"b":2}'},
    ),
    Case(
        "a nested execution that fails",
        {"t": call("states:startExecution.sync:2", {"StateMachineArn": "c"}, **catch("States.TaskFailed")), **HANDLER},
        tasks={"t": [HandsOver((fails("States.TaskFailed", '{"Status":"FAILED"}', 9),))]},
        output={"Error": "States.TaskFailed", "Cause": '{"Status":"FAILED"}'},
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


def of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_the_events_and_their_details():
    run = check(of("sqs:sendMessage.waitForTaskToken"))
    about = {"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken"}
    token = TOKENS.mint(EXECUTION, 2, 0)

    assert [(event.previous_id, event.details) for event in run.journal.events[2:6]] == [
        (
            2,
            {
                **about,
                "region": "local",
                "parameters": f'{{"QueueUrl":"q","MessageBody":{{"TaskToken":"{token}"}}}}',
            },
        ),
        (3, about),
        (4, {**about, "output": '{"MessageId":"m"}'}),
        (5, {**about, "output": '"ok"'}),
    ]


def test_a_missed_heartbeat_has_the_details_that_aws_records():
    run = check(of("HeartbeatSeconds without a sign of life; AWS records States.Timeout"))
    about = {"resourceType": "lambda", "resource": "invoke.waitForTaskToken"}

    assert run.journal.events[2].details["heartbeatInSeconds"] == 5
    assert run.journal.events[5].details == {**about, "error": "States.Timeout"}
    assert run.journal.events[6].details == {"error": "States.Timeout"}


def test_every_attempt_has_a_token_of_its_own():
    run = check(of("a failed completion is tried again, with another token"))

    assert [call.task_token for call in run.runner.calls] == [TOKENS.mint(EXECUTION, 2, n) for n in (0, 1)]
    assert [call.arguments["Payload"]["token"] for call in run.runner.calls] == [
        call.task_token for call in run.runner.calls
    ]
    assert {TOKENS.execution_of(str(call.task_token)) for call in run.runner.calls} == {EXECUTION}


def test_only_tasks_that_wait_are_given_a_token():
    assert check(of("sqs:sendMessage")).runner.calls[0].task_token is None
    assert check(of("states:startExecution.sync:2 gives input and output as JSON")).runner.calls[0].task_token


@pytest.mark.parametrize(
    "name",
    [
        "TimeoutSeconds of a task that nobody completes",
        "HeartbeatSeconds without a sign of life; AWS records States.Timeout",
        "a sibling that fails gives the task up",
        "the execution's time-out gives the task up",
        "a call that takes longer than TimeoutSeconds",
    ],
)
def test_what_is_given_up_is_stopped(name: str):
    assert check(of(name)).runner.stopped == ["t"]


def test_what_was_completed_is_not_stopped():
    assert check(of("the completion is the result")).runner.stopped == []
    assert check(of("a failed completion is caught")).runner.stopped == []


def test_a_task_is_stopped_before_the_end_is_on_disk():
    """After the end nobody would take care of it."""

    run = play(of("the execution's time-out gives the task up"))
    last, before = run.journal.writes[-1], run.journal.writes[:-1]
    assert [event.type for event in last.events] == ["ExecutionTimedOut"]
    assert all(write.change is None or not write.change.status.terminal for write in before)


def test_an_execution_that_is_cancelled_after_a_restart_stops_what_was_handed_over():
    case = Case("waiting", {"t": waits()}, tasks={"t": [HandsOver()]}, timeout=30)
    history = play(case).journal.events[:-1]
    run = play(case, history, cancelled="no more")

    assert run.change.status == "cancelled"
    assert run.runner.stopped == ["t"]
    assert run.runner.calls == []


def test_completions_of_another_token_or_execution_do_nothing():
    case = Case("waiting", {"t": waits(TimeoutSeconds=20)}, tasks={"t": [HandsOver()]})
    later = EPOCH + timedelta(seconds=3)
    strange = [
        TaskCompletion(EXECUTION, TOKENS.mint(EXECUTION, 99, 0), "succeeded", later, "no"),
        TaskCompletion("other", TOKENS.mint("other", 2, 0), "succeeded", later, "no"),
        TaskCompletion(EXECUTION, "nonsense", "failed", later, error="no"),
    ]
    for said in (strange, [replace(each, at=EPOCH) for each in strange]):
        assert play(case, said=said).change.error == {"name": "States.Timeout", "cause": ""}


def test_without_a_key_no_task_waits():
    async def main():
        runner = ScriptedRunner({"t": [Returns()]})
        engine = Interpreter(journal=MemoryJournal(), runner=runner, clock=LoopClock())
        machine = Machine.load(Case("t", {"t": waits()}).document())
        return await engine.run(machine, request({}), workflow_name="flow"), runner.calls

    change, calls = in_virtual_time(main)
    assert change.error["name"] == "States.Runtime"
    assert "no key for task tokens" in change.error["cause"]
    assert calls == []
