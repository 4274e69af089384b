"""Tries a connection in the function of tools, where its credentials are resolved; the API does not open them."""

import time
from typing import Any

import orjson

from functions.api.models.connections import ConnectionTested
from shared.connections.records import Connection
from shared.ports import TaskCall, TaskFailed, TaskRunner


async def tried(runner: TaskRunner, connection: Connection, arguments: dict[str, Any]) -> ConnectionTested:
    """Whether the service takes the credentials; that it does not is an answer too."""
    began = time.perf_counter()
    try:
        found = await runner.run(_call(connection, arguments))
        outcome: dict[str, Any] = {"ok": True, "checked": found["Payload"]["output"]["checked"]}
    except TaskFailed as failure:
        outcome = {"ok": False, "error": failure.error, "message": _message(failure.cause)}
    return ConnectionTested(**outcome, duration_ms=round((time.perf_counter() - began) * 1000, 1))


def _call(connection: Connection, arguments: dict[str, Any]) -> TaskCall:
    execution = {
        "id": connection.id,
        "project_id": connection.project_id,
        "workflow_id": connection.id,
        "workflow": "",
        "version": 0,
        "correlation_id": f"connection:{connection.id}",
    }
    config = {"tool": "connection.test", "connection": connection.name, "arguments": arguments}
    payload = {"node": "test", "type": "tool", "config": config, "execution": execution}
    task = {"FunctionName": "${ToolFunctionArn}", "Payload": payload}
    return TaskCall(connection.id, connection.project_id, "test", "arn:aws:states:::lambda:invoke", task, 0)


def _message(cause: str) -> str:
    try:
        return str(orjson.loads(cause)["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "The test could not be made."
