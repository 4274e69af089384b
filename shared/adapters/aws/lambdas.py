"""TaskRunner on AWS, for calls of node functions that are not part of an execution: testing a connection, polling."""

import asyncio
from functools import cache
from typing import Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.adapters.aws.client import code_of
from shared.adapters.aws.settings import AwsSettings
from shared.ports import TaskCall, TaskFailed, TaskRunner

_ONCE = Config(connect_timeout=5, read_timeout=115, retries={"total_max_attempts": 1})
"""A request to a slow service is waited for, and not made twice behind the caller's back."""


class LambdaTasks(TaskRunner):
    """Invokes functions by the names that compiled definitions give them (`${ToolFunctionArn}`)."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings

    async def run(self, call: TaskCall) -> Any:
        """`{"Payload": …, "StatusCode": 200}`. Raises TaskFailed, as the state would fail."""
        arn = self._settings.resolved(str(call.arguments["FunctionName"]))
        payload = orjson.dumps(call.arguments["Payload"])
        try:
            status, failed, body = await asyncio.to_thread(_invoke, arn, payload)
        except ClientError as error:
            raise TaskFailed(f"Lambda.{code_of(error)}", str(error)) from None
        except BotoCoreError as error:
            raise TaskFailed("Lambda.SdkClientException", str(error)) from None
        if failed:
            name = body.get("errorType", "Lambda.Unknown") if isinstance(body, dict) else "Lambda.Unknown"
            raise TaskFailed(name, orjson.dumps(body).decode())
        return {"ExecutedVersion": "$LATEST", "Payload": body, "StatusCode": status}

    async def stop(self, call: TaskCall) -> None:
        """Nothing waits for a token here."""


def _invoke(arn: str, payload: bytes) -> tuple[int, bool, Any]:
    answer = _client().invoke(FunctionName=arn, Payload=payload)
    return answer["StatusCode"], "FunctionError" in answer, orjson.loads(answer["Payload"].read())


@cache
def _client() -> Any:
    return boto3.client("lambda", config=_ONCE)
