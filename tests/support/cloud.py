"""What lies between the functions that start executions: queues, machines and the bus, in this process and on a clock
that is set. The functions' own handlers and adapters run over it, and the real database under them.

A message is delivered at least once: it comes back where its handler failed. Whatever a handler asks of the world may
be the last thing that its process does, before it is done or after.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from random import Random
from typing import Any

import orjson
import pytest

from functions.admit import handler as admit
from functions.admit.core import AdmitDeps
from functions.complete import handler as complete
from functions.complete.core import CompleteDeps
from functions.dispatch import handler as dispatch
from functions.dispatch.core import DispatchDeps
from shared.adapters.aws import batches, starts, wakes
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.postgres.admission import PostgresAdmission
from shared.adapters.postgres.beginnings import PostgresBeginnings
from shared.adapters.postgres.flow import PostgresFlow
from shared.clock import ManualClock
from tests.support.stores import KeptBus, KeptWatches, Stores

SETTINGS = AwsSettings(queue_high="starts", queue_normal="starts", queue_low="starts", wakes_queue_url="wakes")


class Killed(Exception):
    """The process ends here."""


@dataclass
class Message:
    queue: str
    body: str
    due: datetime
    number: int
    tries: int = 0

    def record(self) -> dict[str, Any]:
        return {
            "messageId": str(id(self)),
            "receiptHandle": "r",
            "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{self.queue}",
            "attributes": {"ApproximateReceiveCount": str(self.tries), "SentTimestamp": str(self.number)},
            "body": self.body,
        }


@dataclass
class Machine:
    """An execution of Step Functions."""

    workflow_id: str
    name: str
    given: dict[str, Any]
    began: datetime
    ended: datetime | None = None
    status: str = "SUCCEEDED"
    """As which it ends, or has ended."""


class Mortal:
    """What it stands for, asked by a process that may be killed before and after."""

    def __init__(self, cloud: "Cloud", of: Any) -> None:
        self._cloud, self._of = cloud, of

    def __getattr__(self, name: str) -> Any:
        return self._cloud.mortal(getattr(self._of, name))


class Cloud:
    """`kill_at`: the steps that are somebody's last. All kept `running` at once, by workflow, is in `most`."""

    def __init__(self, stores: Stores, clock: ManualClock, *, seed: int = 0, kill_at: Callable[[int], bool]) -> None:
        self.stores, self.clock, self.bus = stores, clock, KeptBus()
        self.messages: list[Message] = []
        self.machines: dict[str, Machine] = {}
        self.most: dict[str, int] = {}
        self.steps, self._numbers = 0, count()
        self._random, self._kill_at = Random(seed), kill_at
        self.start_over()

    def start_over(self) -> None:
        """New processes."""
        s, m = self.stores, partial(Mortal, self)
        send, queue = self.mortal(partial(starts.send, settings=SETTINGS)), m(wakes.SqsWakes(SETTINGS, self.clock))
        self.admit = AdmitDeps(
            flow=m(PostgresFlow(s.engine, self.clock)),
            admission=m(PostgresAdmission(s.engine, waits=True)),
            beginnings=m(PostgresBeginnings(s.engine)),
            start=send,
            wakes=queue,
            triggers=s.triggers,
            letters=m(s.dead_letters),
            clock=self.clock,
        )
        world = m(self)
        told = {"journal": m(s.journal), "bus": m(self.bus), "wakes": queue, "clock": self.clock}
        told |= {"progress": s.progress, "machines": world, "watches": KeptWatches()}
        self.dispatch = DispatchDeps(rows=m(s.queue), forward=send, **told)
        self.complete = CompleteDeps(rows=s.queue, histories=s.express, **told)

    def mortal(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def called(*args: Any, **kwargs: Any) -> Any:
            self.step()
            done = await call(*args, **kwargs)
            self.step()
            return done

        return called

    def step(self) -> None:
        self.steps += 1
        if self._kill_at(self.steps):
            raise Killed

    # What boto3's client of SQS does.

    def send_message(self, **given: Any) -> dict[str, Any]:
        seconds = given.get("DelaySeconds", 0)
        assert 0 <= seconds <= 900
        due = self.clock.now() + timedelta(seconds=seconds)
        self._put(given["QueueUrl"], given["MessageBody"], due)
        return {}

    def get_queue_url(self, **given: Any) -> dict[str, Any]:
        return {"QueueUrl": given["QueueName"]}

    def change_message_visibility(self, **given: Any) -> dict[str, Any]:
        return {}

    # What Machines does of STANDARD ones.

    async def start(
        self, workflow_id: str, version: int, execution_id: str, input_: dict[str, Any], *, express: bool
    ) -> None:
        assert not express
        self.machines.setdefault(execution_id, Machine(workflow_id, execution_id, input_, self.clock.now()))
        running = sum(each.workflow_id == workflow_id for each in self.running())
        self.most[workflow_id] = max(running, self.most.get(workflow_id, 0))

    async def stop(self, workflow_id: str, execution_id: str, cause: str) -> None:
        machine = self.machines.get(execution_id)
        if machine is not None and machine.ended is None:
            machine.status = "ABORTED"
            self.end(machine)

    async def describe(self, execution_arn: str) -> dict[str, Any]:
        machine = self.machines[execution_arn]
        given = orjson.dumps(machine.given).decode()
        times = {"startDate": machine.began, "stopDate": machine.ended}
        return {"status": machine.status, "input": given, "output": "1", **times}

    def running(self) -> list[Machine]:
        return [each for each in self.machines.values() if each.ended is None]

    def end(self, machine: Machine) -> None:
        machine.ended = self.clock.now()
        told = {"name": machine.name, "executionArn": machine.name, "stateMachineArn": machine.workflow_id}
        told["status"] = machine.status
        self._put("ends", orjson.dumps({"detail": told}).decode(), self.clock.now())

    def _put(self, queue: str, body: str, due: datetime) -> None:
        self.messages.append(Message(queue, body, due, next(self._numbers)))

    # Time passes.

    async def run(self) -> None:
        """Until no message and no machine is left; what comes next is drawn by lot."""
        while self.messages or self.running():
            due = [each for each in self.messages if each.due <= self.clock.now()]
            if due and (not self.running() or self._random.random() < 0.8):
                await self.deliver(self._random.sample(due, min(len(due), self._random.randint(1, 3))))
            elif self.running():
                self.end(self._random.choice(self.running()))
            else:
                self.clock.advance((min(each.due for each in self.messages) - self.clock.now()).total_seconds())

    async def deliver(self, chosen: list[Message]) -> None:
        """Batches of them, to processes that go on or, where one was killed, are new."""
        for queue in ("starts", "wakes", "ends"):
            batch = [each for each in chosen if each.queue == queue]
            for each in batch:
                each.tries += 1
                assert each.tries < 20, f"a dead letter: {each}"
            failed = await self._handle(queue, [each.record() for each in batch]) if batch else set()
            self.messages = [m for m in self.messages if m not in batch or str(id(m)) in failed]
            if failed:
                self.start_over()

    async def _handle(self, queue: str, records: list[dict[str, Any]]) -> set[str]:
        if queue == "wakes":
            answer = await admit._settled(records)
        else:
            answer = await batches.settle(records, dispatch._one if queue == "starts" else complete._one)
        return {each["itemIdentifier"] for each in answer["batchItemFailures"]}


def connect(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The functions' handlers and adapters stand on this cloud."""
    batches._url.cache_clear()
    for module in (batches, starts, wakes):
        monkeypatch.setattr(module, "client", lambda service: cloud)
    for handler, name in ((admit, "admit"), (dispatch, "dispatch"), (complete, "complete")):
        monkeypatch.setattr(handler, "_deps", lambda name=name: getattr(cloud, name))
    return cloud
