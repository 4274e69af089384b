"""What the adapters of AWS stand on in their contract suites: resources of each test's own, made on the emulator."""

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from shared.adapters.aws.events import event_from
from shared.ids import new_id
from shared.triggers.events.records import Event
from tests.contract.test_task_completions import Task
from tests.localstack.deployment import until
from tests.support.stores import now

Aws = Callable[[str], Any]

ROLE = "arn:aws:iam::000000000000:role/any"
TOOL = """
class DestinationRefused(Exception):
    pass

def handler(event, context):
    if "say" not in event["config"]:
        raise DestinationRefused("It said 404.")
    return {"output": event["config"]["say"], "meta": {}}
"""
"""The tool function of tests/contract/test_task_runner.py."""

RESTING = {
    "QueryLanguage": "JSONata",
    "StartAt": "a",
    "States": {"a": {"Type": "Pass", "Next": "b"}, "b": {"Type": "Wait", "Seconds": 600, "End": True}},
}
"""A machine whose executions run until somebody stops them."""


def queue(aws: Aws) -> tuple[str, str]:
    """A new queue's URL and ARN."""
    url = aws("sqs").create_queue(QueueName=f"q-{new_id()}")["QueueUrl"]
    return url, aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


async def received(aws: Aws, url: str, count: int) -> list[str]:
    """The bodies of so many messages of the queue."""
    found: list[str] = []

    async def look() -> bool:
        ask = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        for each in (await asyncio.to_thread(aws("sqs").receive_message, **ask)).get("Messages", ()):
            found.append(each["Body"])
            aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return len(found) >= count

    await until(look, 30)
    return found


def bus_into_queue(aws: Aws) -> tuple[str, str]:
    """The name of a new bus, and the URL of the queue that all its events go to."""
    name, (url, arn) = f"bus-{new_id()}", queue(aws)
    aws("events").create_event_bus(Name=name)
    aws("events").put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": [{"prefix": ""}]}))
    aws("events").put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "q", "Arn": arn}])
    return name, url


async def events_of(aws: Aws, url: str, count: int) -> list[Event]:
    """So many events of the queue, as the function behind the bus reads them."""
    found = [event_from(json.loads(body), now()) for body in await received(aws, url, count)]
    assert len(found) == count
    return found


def function(aws: Aws, code: str) -> str:
    """The ARN of a new function."""
    archive, name = io.BytesIO(), f"f-{new_id()}"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("code.py", code)
    made = aws("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler="code.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=10,
    )
    aws("lambda").get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return str(made["FunctionArn"])


async def waiting_task(aws: Aws) -> Task:
    """An execution whose one task waits for its token, which it sends to a queue.

    Step Functions refuses a token from its first end on; the emulator does once the execution has noticed that end.
    """
    url, _ = queue(aws)
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": url, "MessageBody": "{% $states.context.Task.Token %}"},
        "HeartbeatSeconds": 60,
        "End": True,
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "t", "States": {"t": task}}
    client = aws("stepfunctions")
    machine = client.create_state_machine(name=f"t-{new_id()}", definition=json.dumps(definition), roleArn=ROLE)
    execution = client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    (token,) = await received(aws, url, 1)

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_execution(executionArn=execution)
        return found if found["status"] != "RUNNING" else None

    async def ended() -> tuple[Any, ...]:
        found = await until(look, 20)
        if found["status"] == "SUCCEEDED":
            return ("succeeded", json.loads(found["output"]))
        return ("failed", found["error"], found.get("cause", ""))

    return Task(new_id(), token, ended, taken_in=False)
