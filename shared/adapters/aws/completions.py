"""TaskCompletions on Step Functions: a token is its own, and it keeps who waits for it."""

from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.executions.records import TaskCompletion
from shared.ports import TaskCompletions

_TOO_LATE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


class StepFunctionsCompletions(TaskCompletions):
    """SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat."""

    async def submit(self, completion: TaskCompletion) -> bool:
        """False where nobody waits for the token any more. Raises StoreUnavailable."""
        stepfunctions = client("stepfunctions")
        given: dict[str, Any] = {"taskToken": completion.token}
        try:
            if completion.kind == "succeeded":
                output = orjson.dumps(completion.output).decode()
                await call(stepfunctions.send_task_success, **given, output=output)
            elif completion.kind == "failed":
                await call(stepfunctions.send_task_failure, **given, error=completion.error, cause=completion.cause)
            else:
                await call(stepfunctions.send_task_heartbeat, **given)
        except ClientError as error:
            if code_of(error) in _TOO_LATE:
                return False
            raise
        return True
