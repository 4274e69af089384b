"""Step Functions as far as publishing goes, over HTTP on loopback: machines, versions, aliases, and token buckets that
throttle as AWS's do; histories are empty.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from shared.adapters.aws import client as clients

_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:"


class Refusal(Exception):
    """What AWS answers with status 400."""


class StepFunctions:
    """`bucket` calls in a row of each operation, then `per_second`; `told` counts calls, `throttled` those refused."""

    def __init__(self, bucket: int, per_second: float) -> None:
        self.bucket, self.per_second = bucket, per_second
        self.url = ""
        self.machines: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.told: dict[str, int] = {}
        self.throttled = 0
        self._buckets: dict[str, tuple[float, float]] = {}

    async def answer(self, request: web.Request) -> web.Response:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        try:
            self._take(operation)
            body = getattr(self, f"_{operation}")(orjson.loads(await request.read()))
        except Refusal as refusal:
            return web.json_response({"__type": str(refusal), "message": "no"}, status=400)
        return web.json_response(body)

    def _take(self, operation: str) -> None:
        tokens, at = self._buckets.get(operation, (float(self.bucket), time.monotonic()))
        now = time.monotonic()
        tokens = min(self.bucket, tokens + (now - at) * self.per_second)
        self._buckets[operation] = (tokens - (tokens >= 1), now)
        if tokens < 1:
            self.throttled += 1
            raise Refusal("ThrottlingException")
        self.told[operation] = self.told.get(operation, 0) + 1

    def _CreateStateMachine(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's name
        arn = _ARN + given["name"]
        if arn not in self.machines:
            return self._revised(arn, given)
        if self.machines[arn]["definition"] != given["definition"]:
            raise Refusal("StateMachineAlreadyExists")
        return {"stateMachineArn": arn, "creationDate": 0}

    def _UpdateStateMachine(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["stateMachineArn"] not in self.machines:
            raise Refusal("StateMachineDoesNotExist")
        return self._revised(given["stateMachineArn"], given)

    def _PublishStateMachineVersion(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        arn = given["stateMachineArn"]
        return {"creationDate": 0, "stateMachineVersionArn": f"{arn}:{self.machines[arn]['version']}"}

    def _CreateStateMachineAlias(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        (route,) = given["routingConfiguration"]
        arn = f"{route['stateMachineVersionArn'].rpartition(':')[0]}:{given['name']}"
        if self.aliases.setdefault(arn, route["stateMachineVersionArn"]) != route["stateMachineVersionArn"]:
            raise Refusal("ConflictException")
        return {"stateMachineAliasArn": arn, "creationDate": 0}

    def _UpdateStateMachineAlias(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.aliases[given["stateMachineAliasArn"]] = given["routingConfiguration"][0]["stateMachineVersionArn"]
        return {"updateDate": 0}

    def _GetExecutionHistory(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"events": []}

    def _revised(self, arn: str, given: dict[str, Any]) -> dict[str, Any]:
        version = self.machines.get(arn, {"version": 0})["version"] + 1
        self.machines[arn] = {"definition": given["definition"], "version": version}
        times = {"creationDate": 0, "updateDate": 0}
        return {"stateMachineArn": arn, "stateMachineVersionArn": f"{arn}:{version}", **times}


@asynccontextmanager
async def step_functions(bucket: int = 1000, per_second: float = 1000.0) -> AsyncIterator[StepFunctions]:
    """Such a server, for the length of the block."""
    made = StepFunctions(bucket, per_second)
    app = web.Application()
    app.router.add_post("/", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asked_by_boto3(
    monkeypatch: pytest.MonkeyPatch, bucket: int, per_second: float
) -> AsyncIterator[StepFunctions]:
    """The same, where our clients of boto3 find it, which ask once."""
    monkeypatch.setattr(clients, "_CONFIG", clients._CONFIG.merge(clients.Config(retries={"total_max_attempts": 1})))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    async with step_functions(bucket, per_second) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        clients.client.cache_clear()
        yield server
    clients.client.cache_clear()
