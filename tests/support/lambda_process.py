"""A process in which Lambdas are invoked as AWS does it, with moto in the place of AWS: lines of JSON in and out.

`{"invoke": name, "event": {...}}` calls a handler, `{"service": "sqs", "operation": "receive_message", ...}` asks AWS,
`{"started": arn, "name": ..., "input": ..., "output": ...}` makes an execution of Step Functions, and `{"answers": …}`
says what the next function answers that a Lambda invokes: moto runs neither.
"""

import asyncio
import importlib
import json
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 20
"""How long a handler may take."""
REGION, ACCOUNT = "eu-central-1", "123456789012"
HANDLERS = {
    path.parent.name: ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "functions").rglob("handler.py")
}
"""The module of every Lambda, by its name."""


class Failed(Exception):
    """A handler raised; `name` is the class of what it raised."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name


@dataclass(frozen=True)
class Lambdas:
    """The process, asked by the tests."""

    process: subprocess.Popen[str]

    async def invoke(self, name: str, event: Any) -> Any:
        """What the handler answers. Raises Failed."""
        return await self._ask({"invoke": name, "event": event})

    async def aws(self, service: str, operation: str, **parameters: Any) -> Any:
        """What an operation of a client of boto3 answers."""
        return await self._ask({"service": service, "operation": operation, "parameters": parameters})

    async def started(self, machine: str, name: str, given: Any, output: Any = None) -> None:
        """Makes a machine, and with a `name` an execution of it that has succeeded."""
        await self._ask({"started": machine, "name": name, "input": given, "output": output})

    async def answers(self, payload: Any) -> None:
        """What the next function answers that a Lambda invokes."""
        await self._ask({"answers": payload})

    async def _ask(self, what: dict[str, Any]) -> Any:
        """In a thread: what is invoked may ask a server of the tests."""
        answer = await asyncio.to_thread(self._exchange, json.dumps(what))
        if "error" in answer:
            raise Failed(answer["error"], answer["words"])
        return answer["answer"]

    def _exchange(self, line: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], SECONDS)[0]:
            self.process.kill()  # so that nothing waits for it any more
        return json.loads(self.process.stdout.readline())


@contextmanager
def lambda_process(environment: Mapping[str, str]) -> Iterator[Lambdas]:
    """The process, which sees this environment only."""
    given = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.support.lambda_process"]
    with subprocess.Popen(command, cwd=ROOT, env=given, stdin=pipe, stdout=pipe, text=True) as process:
        yield Lambdas(process)
        assert process.stdin is not None
        process.stdin.close()


def _main() -> None:
    from moto import mock_aws  # noqa: PLC0415 - only here

    answers, sys.stdout = sys.stdout, sys.stderr
    with mock_aws(config={"lambda": {"use_docker": False}}):
        for line in sys.stdin:
            try:
                answer = {"answer": _do(json.loads(line))}
            except Exception as error:  # noqa: BLE001 - the tests are told
                answer = {"error": type(error).__name__, "words": str(error)}
            answers.write(json.dumps(answer, default=str) + "\n")
            answers.flush()


def _do(asked: dict[str, Any]) -> Any:
    if "invoke" in asked:
        handler = importlib.import_module(HANDLERS[asked["invoke"]]).handler
        return handler(asked["event"], SimpleNamespace(log_stream_name="stream"))
    if "started" in asked:
        return _started(asked["started"], asked["name"], asked["input"], asked["output"])
    if "answers" in asked:
        return _answers(asked["answers"])
    from shared.adapters.aws.client import client  # noqa: PLC0415 - boto3, which not every handler needs

    return getattr(client(asked["service"]), asked["operation"])(**asked["parameters"])


def _answers(payload: Any) -> None:
    from moto.awslambda_simple.models import lambda_simple_backends  # noqa: PLC0415 - only here

    lambda_simple_backends[ACCOUNT][REGION].lambda_simple_results_queue.append(json.dumps(payload))


def _started(machine: str, name: str | None, given: Any, output: Any) -> None:
    """moto finds machines neither by an alias, nor does it let executions succeed."""
    from moto.core.utils import utcnow  # noqa: PLC0415 - only here
    from moto.stepfunctions import stepfunctions_backends  # noqa: PLC0415

    from shared.adapters.aws.client import client  # noqa: PLC0415

    stepfunctions = client("stepfunctions")
    role = f"arn:aws:iam::{ACCOUNT}:role/machines"
    short, _, alias = machine.partition(":")
    definition = '{"StartAt": "a", "States": {"a": {"Type": "Pass", "End": true}}}'
    arn = stepfunctions.create_state_machine(name=short, definition=definition, roleArn=role)["stateMachineArn"]
    made = next(each for each in stepfunctions_backends[ACCOUNT][REGION].state_machines if each.arn == arn)
    if alias:
        made.arn = f"{arn}:{alias}"
    if name:
        stepfunctions.start_execution(stateMachineArn=made.arn, name=name, input=json.dumps(given))
        execution = made.executions[-1]
        execution.status, execution.output, execution.stop_date = "SUCCEEDED", json.dumps(output), utcnow()


if __name__ == "__main__":
    _main()
