"""Tasks that wait for somebody outside: the API's form of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
"""

import orjson
from fastapi import APIRouter

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.tasks import TaskFailed, TaskHeartbeat, TaskSucceeded
from functions.api.requests import JsonRoute
from shared.errors import Conflict, RequestTooLarge, TaskTokenInvalid
from shared.executions.records import TaskCompletion

MAX_OUTPUT_BYTES = 262_144
"""What Step Functions takes as the output of a task."""

router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=JsonRoute)


@router.post("/success", status_code=204, dependencies=[requires("tasks:write")], responses=documented(400, 409, 413))
async def task_succeeded(body: TaskSucceeded, deps: Wired) -> None:
    """Ends the task with a result."""
    size = len(orjson.dumps(body.output))
    if size > MAX_OUTPUT_BYTES:
        raise RequestTooLarge(
            f"The output is {size} bytes of JSON; a task's result has at most {MAX_OUTPUT_BYTES}. Send a link to it."
        )
    await _submit(
        deps, TaskCompletion(await _waiting(deps, body), body.task_token, "succeeded", deps.clock.now(), body.output)
    )


@router.post("/failure", status_code=204, dependencies=[requires("tasks:write")], responses=documented(400, 409))
async def task_failed(body: TaskFailed, deps: Wired) -> None:
    """Ends the task with an error, which the node's `retry` and error edges match by name."""
    now = deps.clock.now()
    told = TaskCompletion(
        await _waiting(deps, body), body.task_token, "failed", now, error=body.error, cause=body.cause
    )
    await _submit(deps, told)


@router.post("/heartbeat", status_code=204, dependencies=[requires("tasks:write")], responses=documented(400, 409))
async def task_heartbeat(body: TaskHeartbeat, deps: Wired) -> None:
    """Says that the work goes on."""
    await _submit(deps, TaskCompletion(await _waiting(deps, body), body.task_token, "heartbeat", deps.clock.now()))


async def _waiting(deps: Deps, body: TaskSucceeded | TaskFailed | TaskHeartbeat) -> str:
    """The execution that waits. Raises TaskTokenInvalid, also where it is another project's."""
    execution_id = deps.tokens.execution_of(body.task_token)
    if await deps.executions.get(deps.project_id, execution_id) is None:
        raise TaskTokenInvalid("The task token is of no execution of this project. Send it as the task was given it.")
    return execution_id


async def _submit(deps: Deps, completion: TaskCompletion) -> None:
    if not await deps.completions.submit(completion):
        raise Conflict("The task does not wait any more: it was completed before, or its execution has ended.")
