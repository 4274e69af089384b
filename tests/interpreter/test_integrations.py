"""The other services that a Task may call: SQS, EventBridge and Step Functions itself.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html, and histories recorded from AWS:
LocalStack's tests/aws/services/stepfunctions/v2/services/test_{sfn,sqs,events}_task_service.snapshot.json.
"""

import pytest

from tests.interpreter.harness import EXECUTION, FAILED, TOKENS, Case, HandsOver, Raises, check, fails, succeeds
from tests.interpreter.test_callback import HANDLER, SUBMITTED, TOKEN, call, catch

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
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_integrations(case: Case):
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


def test_only_tasks_that_wait_are_given_a_token():
    assert check(of("sqs:sendMessage")).runner.calls[0].task_token is None
    assert check(of("states:startExecution.sync:2 gives input and output as JSON")).runner.calls[0].task_token
