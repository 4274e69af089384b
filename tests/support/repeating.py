"""Step Functions of one machine: it keeps names, and what was started is run by our own interpreter when asked to."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from shared.errors import MillraceError
from shared.executions.records import StatusChange
from shared.ports import TaskCall, TaskFailed
from statemachines.interpreter import Machine
from tests.interpreter.harness import MemoryJournal, interpreter, request

REPEAT = json.loads((Path(__file__).parents[2] / "statemachines" / "definitions" / "repeat.asl.json").read_text())

Function = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]


class StepFunctions:
    """In the place of boto3's client; while it is `away` it does nothing, and what it `forgot` it does not redrive."""

    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        """By name, what was given."""
        self.stopped: list[str] = []
        self.redriven: list[str] = []
        self.forgot: set[str] = set()
        self.away = False

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: N803, A002
        self._answer()
        assert len(name) <= 80
        if name in self.started:
            raise refusal("ExecutionAlreadyExists")
        self.started[name] = json.loads(input)
        return {"executionArn": f"{stateMachineArn}:{name}"}

    def stop_execution(self, *, executionArn: str, cause: str) -> dict[str, Any]:  # noqa: N803
        self._answer()
        self.stopped.append(executionArn.rpartition(":")[2])
        return {}

    def redrive_execution(self, *, executionArn: str, clientToken: str) -> dict[str, Any]:  # noqa: N803
        self._answer()
        execution_id = executionArn.rpartition(":")[2]
        if execution_id in self.forgot:
            raise refusal("ExecutionDoesNotExist")
        self.redriven.append(execution_id)
        return {}

    def _answer(self) -> None:
        if self.away:
            raise refusal("ServiceUnavailable", 503)

    async def run(self, name: str, function: Function) -> StatusChange:
        """Runs what was started under this name to its end; its steps are calls of the function."""
        change = await interpreter(MemoryJournal(), _Calls(function)).run(
            Machine.load(REPEAT), request(self.started[name]), workflow_name="repeat"
        )
        assert isinstance(change, StatusChange)
        return change


class _Calls:
    """Runs the machine's tasks: all are calls of one function."""

    def __init__(self, function: Function) -> None:
        self._function = function

    async def run(self, call: TaskCall) -> Any:
        try:
            payload = await self._function(call.arguments["Payload"])
        except MillraceError as error:
            raise TaskFailed(type(error).__name__, error.message) from None
        return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}

    async def stop(self, call: TaskCall) -> None:
        """A call of a function is only waited for."""


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")
