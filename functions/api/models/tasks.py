"""Completing a task by its token, as the API takes it in."""

from typing import Annotated, Any

from pydantic import Field

from functions.api.models.common import Body

TaskToken = Annotated[
    str, Field(min_length=1, max_length=1024, description="As the task was given it.", examples=["AQB4c…"])
]


class TaskSucceeded(Body):
    """What SendTaskSuccess of Step Functions takes; the output is JSON, not text."""

    task_token: TaskToken
    output: Any = Field(description="The task's result.", examples=[{"approved": True}])


class TaskFailed(Body):
    """What SendTaskFailure of Step Functions takes."""

    task_token: TaskToken
    error: str = Field(default="", max_length=256, description="A name for `retry` and error edges.")
    cause: str = Field(default="", max_length=32768, description="In words.")


class TaskHeartbeat(Body):
    """What SendTaskHeartbeat of Step Functions takes."""

    task_token: TaskToken
