"""TaskRunner, calling a node function: one suite for every implementation."""

import json
from typing import Any

import pytest

from local.tasks import LAMBDA_INVOKE, LocalTasks
from shared.errors import DestinationRefused
from shared.ids import new_id
from shared.ports import TaskCall, TaskFailed, TaskRunner
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.node_call import NodeCall, NodeResult


@pytest.fixture
def runner() -> TaskRunner:
    """Its tool function gives back what `config.say` is, or fails as a destination does where there is none."""

    async def tool(call: NodeCall, *, credentials: Any = None) -> NodeResult:
        if "say" not in call.config:
            raise DestinationRefused("It said 404.")
        return NodeResult(output=call.config["say"])

    return LocalTasks({"${ToolFunctionArn}": tool})


def call(function: str = "${ToolFunctionArn}", **config: Any) -> TaskCall:
    names = ("id", "project_id", "workflow_id", "workflow", "correlation_id")
    execution = dict.fromkeys(names, DEFAULT_PROJECT_ID) | {"version": 1}
    payload = {"node": "n", "type": "tool", "config": config, "execution": execution}
    arguments = {"FunctionName": function, "Payload": payload}
    return TaskCall(new_id(), DEFAULT_PROJECT_ID, "n", LAMBDA_INVOKE, arguments, 0)


@pytest.mark.parametrize("said", [None, {"text": "naïve 🙂 \0", "n": [1, 2.5]}, "x" * 100_000])
async def test_a_functions_answer_comes_back_as_the_integration_gives_it(runner: TaskRunner, said: Any):
    answer = await runner.run(call(say=said))

    assert answer == {"ExecutedVersion": "$LATEST", "Payload": {"output": said, "meta": {}}, "StatusCode": 200}


async def test_a_function_that_raises_fails_the_task_by_the_errors_name(runner: TaskRunner):
    with pytest.raises(TaskFailed) as caught:
        await runner.run(call())

    cause = json.loads(caught.value.cause)
    assert caught.value.error == cause["errorType"] == "DestinationRefused"
    assert cause["errorMessage"] == "It said 404."


async def test_a_function_that_is_not_there_fails_the_task(runner: TaskRunner):
    with pytest.raises(TaskFailed) as caught:
        await runner.run(call("no-function"))

    assert caught.value.error == "Lambda.ResourceNotFoundException"
