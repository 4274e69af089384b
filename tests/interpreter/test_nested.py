"""The end of a nested execution completes the task of the one that waits for it, in the same write.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
"""

from typing import Any

import orjson
import pytest

from shared.executions.nested import completion_of
from shared.executions.records import ExecutionStatus, StatusChange, TaskCompletion
from statemachines.interpreter import Machine
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    Case,
    HandsOver,
    MemoryJournal,
    ScriptedRunner,
    in_virtual_time,
    interpreter,
    pass_,
    play,
    request,
)
from tests.interpreter.test_callback import call

PARENT = {"execution_id": "0198f0e0-0000-7000-8000-00000000000f", "token": "token", "wait": True}
MILLISECONDS = 1_767_225_600_000
ABOUT = {
    "ExecutionArn": f"arn:aws:states:local:000000000000:execution:flow:{EXECUTION}",
    "Input": {"a": 1},
    "InputDetails": {"Included": True},
    "Name": EXECUTION,
    "StartDate": MILLISECONDS,
    "StateMachineArn": "arn:aws:states:local:000000000000:stateMachine:flow",
    "StopDate": MILLISECONDS,
}


def ended(states: dict[str, Any], **context: Any) -> MemoryJournal:
    journal = MemoryJournal()

    async def main() -> None:
        engine = interpreter(journal, ScriptedRunner({}))
        machine = Machine.load(Case("nested", states).document())
        await engine.run(machine, request({"a": 1}, **context), workflow_name="flow")

    in_virtual_time(main)
    return journal


def test_success():
    (write,) = ended({"a": pass_(Output={"b": 2})}, parent=PARENT).writes

    assert write.change is not None
    assert write.change.status == ExecutionStatus.SUCCEEDED
    assert write.completes == TaskCompletion(
        PARENT["execution_id"],
        "token",
        "succeeded",
        EPOCH,
        output={**ABOUT, "Status": "SUCCEEDED", "Output": {"b": 2}, "OutputDetails": {"Included": True}},
    )


def test_failure():
    (write,) = ended({"a": {"Type": "Fail", "Error": "Mine", "Cause": "c"}}, parent=PARENT).writes
    completion = write.completes

    assert completion is not None
    assert (completion.kind, completion.error) == ("failed", "States.TaskFailed")
    assert orjson.loads(completion.cause) == {
        **ABOUT,
        "Input": '{"a":1}',
        "Status": "FAILED",
        "Error": "Mine",
        "Cause": "c",
    }


@pytest.mark.parametrize(
    ("status", "told"), [(ExecutionStatus.CANCELLED, "ABORTED"), (ExecutionStatus.TIMED_OUT, "TIMED_OUT")]
)
def test_other_ends(status: ExecutionStatus, told: str):
    """Those that the interpreter does not make itself: one that is cancelled in the queue ends so, too."""
    change = StatusChange(status, EPOCH, error={"name": "E", "cause": "c"})
    completion = completion_of(request({}, parent=PARENT), "flow", None, change)

    assert completion is not None
    assert orjson.loads(completion.cause)["Status"] == told


@pytest.mark.parametrize("context", [{}, {"parent": {**PARENT, "wait": False}}, {"parent": None}])
def test_nobody_waits(context: dict[str, Any]):
    (write,) = ended({"a": pass_()}, **context).writes

    assert write.completes is None


def test_parent_and_child_together():
    child = ended({"a": pass_(Output={"b": 2})}, parent=PARENT).writes[0].completes
    assert child is not None
    case = Case(
        "parent",
        {"t": call("states:startExecution.sync:2", {}, Output="{% $states.result.Output.b %}")},
        tasks={"t": [HandsOver()]},
    )
    log = play(Case("parent", case.states, tasks=case.tasks, timeout=1)).journal.log[:-1]
    token = str(play(Case("parent", case.states, tasks=case.tasks, timeout=1)).runner.calls[0].task_token)
    said = TaskCompletion(EXECUTION, token, child.kind, EPOCH, output=child.output)

    assert play(case, log=log, said=[said]).change.result == 2
