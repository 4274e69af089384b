"""Whole histories, with ids, chains and details, as Step Functions writes them.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html. The chains of Map
follow histories recorded from AWS: iterations follow MapStateStarted, or the last state of the iteration whose place
they take; MapStateSucceeded and MapStateExited both follow the last MapIterationSucceeded.
"""

from typing import Any

from tests.interpreter.harness import PAYLOAD, Case, Raises, Returns, branch, ending, pass_, play, task

ABOUT = {"resourceType": "lambda", "resource": "invoke"}


def rows(case: Case) -> list[tuple[int, int, str, dict[str, Any]]]:
    return [(event.id, event.previous_id, event.type, event.details) for event in play(case).journal.events]


def chains(case: Case) -> list[tuple[int, int, str]]:
    return [row[:3] for row in rows(case)]


def test_pass_and_assign():
    case = Case(
        "pass", {"a": pass_(Assign={"n": "{% $states.input.x %}", "s": "t"}, Output=[1, "ü"])}, {"x": {"y": None}}
    )

    assert rows(case) == [
        (1, 0, "ExecutionStarted", {"input": '{"x":{"y":null}}'}),
        (2, 0, "PassStateEntered", {"name": "a", "input": '{"x":{"y":null}}'}),
        (
            3,
            2,
            "PassStateExited",
            {"name": "a", "output": '[1,"ü"]', "assignedVariables": {"n": '{"y":null}', "s": '"t"'}},
        ),
        (4, 3, "ExecutionSucceeded", {"output": '[1,"ü"]'}),
    ]


def test_task():
    case = Case("task", {"a": task([1], TimeoutSeconds=9, Output=PAYLOAD)}, 0, {"a": [Returns("r")]})

    assert rows(case)[1:] == [
        (2, 0, "TaskStateEntered", {"name": "a", "input": "0"}),
        (
            3,
            2,
            "TaskScheduled",
            {
                **ABOUT,
                "region": "local",
                "parameters": '{"FunctionName":"f","Payload":[1]}',
                "timeoutInSeconds": 9,
            },
        ),
        (4, 3, "TaskStarted", ABOUT),
        (
            5,
            4,
            "TaskSucceeded",
            {**ABOUT, "output": '{"ExecutedVersion":"$LATEST","Payload":"r","StatusCode":200}'},
        ),
        (6, 5, "TaskStateExited", {"name": "a", "output": '"r"'}),
        (7, 6, "ExecutionSucceeded", {"output": '"r"'}),
    ]


def test_a_failure_that_is_retried_and_caught():
    state = task(
        Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 1}], Catch=[{"ErrorEquals": ["Bad"], "Next": "h"}], Next="h"
    )
    found = rows(Case("caught", {"a": state, "h": pass_()}, 0, {"a": [Raises("Bad", "b")]}))

    assert [row[:3] for row in found[4:9]] == [
        (5, 4, "TaskFailed"),
        (6, 5, "TaskScheduled"),
        (7, 6, "TaskStarted"),
        (8, 7, "TaskFailed"),
        (9, 8, "TaskStateExited"),
    ]
    assert found[4][3] == {**ABOUT, "error": "Bad", "cause": "b"}
    assert found[8][3] == {"name": "a", "output": '{"Error":"Bad","Cause":"b"}'}


def test_a_time_out_has_no_cause():
    found = rows(Case("late", {"a": task(TimeoutSeconds=1)}, 0, {"a": [Returns(seconds=5)]}))

    assert found[4:] == [
        (5, 4, "TaskTimedOut", {**ABOUT, "error": "States.Timeout"}),
        (6, 5, "ExecutionFailed", {"error": "States.Timeout"}),
    ]


def test_an_execution_that_times_out_ends_without_leaving_its_state():
    found = rows(Case("late", {"a": ending({"Type": "Wait", "Seconds": 9})}, 0, timeout=1))

    assert found[1:] == [
        (2, 0, "WaitStateEntered", {"name": "a", "input": "0"}),
        (3, 0, "ExecutionTimedOut", {"error": "States.Timeout"}),
    ]


def test_an_evaluation_that_fails():
    found = rows(Case("eval", {"a": pass_(Output={"k": "{% $states.input.no %}"})}, 0))
    cause = (
        "An error occurred while executing the state 'a' (entered at the event id #2). The JSONata expression "
        "'$states.input.no' specified for the field 'Output/k' returned nothing (undefined)."
    )

    assert found[2:] == [
        (
            3,
            2,
            "EvaluationFailed",
            {"error": "States.QueryEvaluationError", "cause": cause, "location": "Output/k", "state": "a"},
        ),
        (4, 3, "ExecutionFailed", {"error": "States.QueryEvaluationError", "cause": cause}),
    ]


def test_fail():
    assert rows(Case("fail", {"a": {"Type": "Fail", "Error": "E"}}, 0))[1:] == [
        (2, 0, "FailStateEntered", {"name": "a", "input": "0"}),
        (3, 2, "ExecutionFailed", {"error": "E"}),
    ]


def test_parallel_branches_have_chains_of_their_own():
    state = ending({"Type": "Parallel", "Branches": [branch(a=task()), branch(b=pass_(Next="c"), c=pass_())]})

    assert chains(Case("parallel", {"p": state}, 0, {"a": [Returns(seconds=1)]})) == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "ParallelStateEntered"),
        (3, 2, "ParallelStateStarted"),
        (4, 3, "TaskStateEntered"),
        (5, 4, "TaskScheduled"),
        (6, 5, "TaskStarted"),
        (7, 3, "PassStateEntered"),
        (8, 7, "PassStateExited"),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 6, "TaskSucceeded"),
        (12, 11, "TaskStateExited"),
        (13, 12, "ParallelStateSucceeded"),
        (14, 12, "ParallelStateExited"),
        (15, 14, "ExecutionSucceeded"),
    ]


def test_map_iterations_one_after_the_other():
    """As recorded from AWS with MaxConcurrency 1."""
    state = ending({"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": branch(i=pass_())})
    found = rows(Case("map", {"m": state}, [1, 2]))

    assert [row[:3] for row in found[1:]] == [
        (2, 0, "MapStateEntered"),
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "PassStateEntered"),
        (6, 5, "PassStateExited"),
        (7, 6, "MapIterationSucceeded"),
        (8, 6, "MapIterationStarted"),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded"),
        (12, 11, "MapStateSucceeded"),
        (13, 11, "MapStateExited"),
        (14, 13, "ExecutionSucceeded"),
    ]
    assert found[2][3] == {"length": 2}
    assert found[7][3] == {"name": "m", "index": 1}


def test_a_map_iteration_that_times_out():
    """As recorded from AWS: what fails first aborts the others, in their order, and all of it follows the failure."""
    over = branch(t=task(TimeoutSeconds="{% 5 + $states.context.Map.Item.Index %}"))
    state = ending({"Type": "Map", "ItemProcessor": over})
    found = rows(Case("map", {"m": state}, [1, 2, 3], {"t": [Returns(seconds=9)]}))
    failed = next(row[0] for row in found if row[2] == "TaskTimedOut")

    assert [row[1:3] for row in found[failed:]] == [
        (failed, "MapIterationFailed"),
        (failed, "TaskStateAborted"),
        (failed, "MapIterationAborted"),
        (failed, "TaskStateAborted"),
        (failed, "MapIterationAborted"),
        (failed, "TaskStateAborted"),
        (failed, "MapStateFailed"),
        (len(found) - 1, "ExecutionFailed"),
    ]
    assert [row[3].get("index") for row in found[failed:] if "Iteration" in row[2]] == [0, 1, 2]


def test_endless_loops_end_at_the_limit_of_the_history():
    loop = {
        "a": pass_(Next="c"),
        "c": {"Type": "Choice", "Choices": [{"Condition": True, "Next": "a"}], "Default": "e"},
    }
    run = play(Case("loop", {**loop, "e": {"Type": "Succeed"}}, 0))

    assert len(run.journal.events) == 25_000
    assert run.change.error == {
        "name": "States.Runtime",
        "cause": "The execution reached the maximum number of history events (25000).",
    }
