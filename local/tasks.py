"""The local stage's Task runner: `lambda:invoke` in this process, with Lambda's own answer and error shapes.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
"""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.errors import NodeError
from shared.ports import TaskCall, TaskFailed
from shared.workflow.node_lambda import NO_SERVICES, NodeServices, Run, answer

LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"


class InProcessLambdas:
    """Calls node functions by the name that the compiled definition gives them (`${HttpFunctionArn}`)."""

    def __init__(self, functions: Mapping[str, Run], services: NodeServices = NO_SERVICES) -> None:
        self._functions = functions
        self._services = services

    async def run(self, call: TaskCall) -> Any:
        """The function's answer as `{"Payload", "StatusCode", "ExecutedVersion"}`. Raises TaskFailed."""
        if call.resource != LAMBDA_INVOKE:
            raise TaskFailed("States.Runtime", f"The local stage does not run the resource '{call.resource}' yet.")
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

    async def stop(self, call: TaskCall) -> None:
        """Nothing runs on after a call has answered: no resource that waits for a token is run here yet."""


def _failed(error: NodeError) -> TaskFailed:
    """What Step Functions makes of a Lambda error: the class name, and the error document as text for a cause."""
    name = type(error).__name__
    cause = {"errorMessage": error.message, "errorType": name, "code": error.code, **error.details}
    return TaskFailed(name, orjson.dumps(cause, default=str).decode())
