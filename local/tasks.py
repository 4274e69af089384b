"""The local stage's Task runner: what Step Functions does through its integrations, in this process.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from local.nested import START, START_AND_WAIT, NestedExecutions
from local.put_events import PUT_EVENTS, PutEvents
from shared.errors import NodeError
from shared.ports import ApprovalStore, TaskCall, TaskFailed, TaskRunner
from shared.workflow.node_lambda import NO_SERVICES, NodeServices, Run, answer

LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
LAMBDA_INVOKE_AND_WAIT = "arn:aws:states:::lambda:invoke.waitForTaskToken"


class LocalTasks(TaskRunner):
    """Node functions by the name that the compiled definition gives them (`${HttpFunctionArn}`), nested executions."""

    def __init__(
        self,
        functions: Mapping[str, Run],
        services: NodeServices = NO_SERVICES,
        nested: NestedExecutions | None = None,
        approvals: ApprovalStore | None = None,
        events: PutEvents | None = None,
    ) -> None:
        self._functions = functions
        self._services = services
        self._nested = nested
        self._approvals = approvals
        self._events = events

    async def run(self, call: TaskCall) -> Any:
        """What the integration answers: `{"Payload", "StatusCode", "ExecutedVersion"}` of a function. Raises
        TaskFailed. The answer of a function that has a task token only says that the work was handed over."""
        if call.resource in (LAMBDA_INVOKE, LAMBDA_INVOKE_AND_WAIT):
            return await self._invoke(call)
        if call.resource in (START, START_AND_WAIT) and self._nested is not None:
            return await self._nested.start(call)
        if call.resource == PUT_EVENTS and self._events is not None:
            return await self._events.run(call)
        raise TaskFailed("States.Runtime", f"The local stage does not run the resource '{call.resource}' yet.")

    async def stop(self, call: TaskCall) -> None:
        """Cancels a nested execution that is waited for, and lets an approval expire that nobody waits for."""
        if call.resource == LAMBDA_INVOKE_AND_WAIT and self._approvals is not None and call.task_token is not None:
            digest = hashlib.sha256(call.task_token.encode()).hexdigest()
            await self._approvals.expire(call.execution_id, digest)
        elif self._nested is not None:
            await self._nested.stop(call)

    async def _invoke(self, call: TaskCall) -> Any:
        name = call.arguments.get("FunctionName")
        function = self._functions.get(name)
        if function is None:
            known = ", ".join(sorted(self._functions))
            raise TaskFailed("Lambda.ResourceNotFoundException", f"No function '{name}'; this stage has {known}.")
        try:
            payload = await answer(call.arguments.get("Payload"), function, self._services)
        except NodeError as error:
            raise _failed(error) from None
        return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}


def _failed(error: NodeError) -> TaskFailed:
    """What Step Functions makes of a Lambda error: the class name, and the error document as text for a cause."""
    name = type(error).__name__
    cause = {"errorMessage": error.message, "errorType": name, "code": error.code, **error.details}
    return TaskFailed(name, orjson.dumps(cause, default=str).decode())
