"""Every Lambda that is wired for AWS can be, before any event loop runs, as when its first request comes."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.functions.nodes.conftest import EXECUTION
from tests.support.langfuse_server import SECRET_KEY, langfuse_server

ROOT = Path(__file__).parents[2]
SECONDS = 15
"""Half as long as `dispatch` may take: infra/stacks/messaging.py."""
WIRED = (
    "api.aws:wire",
    "webhook.aws:wire",
    *(
        f"{each}.aws:from_environment"
        for each in ("admit", "bulk", "complete", "dispatch", "event", "housekeeping", "poll", "schedule")
    ),
    "event.aws:replaying",
)


ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "MILLRACE_STAGE": "aws",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1",
    "MILLRACE_BLOB_URL": "s3://none",
    "MILLRACE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "MILLRACE_MACHINE_ROLE_ARN": "arn:aws:iam::123456789012:role/machines",
}
ASKING = {
    "api": "from functions.api.aws import wire as get; asked = get().limits.hit([LIMIT])",
    "webhook": "from functions.webhook.aws import wire as get; asked = get().limits.hit([LIMIT])",
    "node": "from functions.nodes.services import services as get; asked = get().cache.get('key')",
}
"""How a function's cache is asked something, once."""
ASK_IN_A_LAMBDA = """
import asyncio
from types import SimpleNamespace
from shared.adapters.telemetry.observed import observed
from shared.ports.limits import RateLimit

LIMIT = RateLimit("test", "somebody", 10, 60)

@observed
def handler(event, context):
    {asking}
    asyncio.run(asyncio.wait_for(asked, 10))

handler({{}}, SimpleNamespace(function_name="f", memory_limit_in_mb=128, invoked_function_arn="a", aws_request_id="r"))
"""


def run(code: str, environment: dict[str, str], *, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh process, which ends in so many seconds."""
    command, limit = [sys.executable, "-c", code], seconds
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=limit
    )


def ran(code: str, *, seconds: float | None = None, **more: str) -> str:
    """What a fresh process writes."""
    done = run(code, ENVIRONMENT | more, seconds=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", WIRED)
def test_a_lambda_is_wired_without_a_running_loop(name: str):
    module, function = name.split(":")

    ran(f"from functions.{module} import {function}; {function}()")


def test_those_that_start_and_end_executions_give_their_messages_back_before_they_are_killed():
    """The database is away."""
    written = ran(AWAY, seconds=SECONDS)

    assert written.count("the database connection was lost") >= 2


AWAY = """
import asyncio, logging, sys
from functions.complete.aws import from_environment as complete
from functions.dispatch.aws import from_environment as dispatch
from shared.errors import StoreUnavailable
from shared.ids import new_id

async def write():
    journals = [wire().journal for wire in (complete, dispatch)]
    writes = (each.write(new_id(), new_id(), ()) for each in journals)
    return await asyncio.gather(*writes, return_exceptions=True)

logging.basicConfig(stream=sys.stdout)
assert [type(each) for each in asyncio.run(write())] == [StoreUnavailable] * 2
"""


@pytest.mark.parametrize("clustered", ["true", "false"])
@pytest.mark.parametrize("name", ASKING)
def test_a_lambda_goes_on_without_its_cache_and_tells_that_it_is_away(name: str, clustered: str):
    written = ran(
        ASK_IN_A_LAMBDA.format(asking=ASKING[name]),
        AWS_LAMBDA_FUNCTION_NAME="f",
        POWERTOOLS_SERVICE_NAME=name,
        POWERTOOLS_METRICS_NAMESPACE="millrace-test",
        MILLRACE_CACHE_CLUSTERED=clustered,
    )

    told = [json.loads(line) for line in written.splitlines() if "_aws" in line]
    assert [(each["service"], each["CacheUnavailable"]) for each in told] == [(name, [1.0])]


WITH_SECRET = """
import os
import boto3
from moto import mock_aws

with mock_aws():
    made = boto3.client("secretsmanager").create_secret(Name="given", SecretString=os.environ.pop("HELD"))
    os.environ[os.environ.pop("NAMED")] = made["ARN"]
    from shared.adapters.aws.settings import stage
    stage()
"""


def test_the_api_signs_in_through_the_providers_that_its_secret_holds():
    provider = {"name": "okta", "issuer": "https://okta.example.org", "client_id": "c", "client_secret": "hush"}
    code = f"{WITH_SECRET}\nfrom functions.api.aws import wire; print(*wire().oidc.names)"

    written = ran(code, NAMED="MILLRACE_OIDC_SECRET", HELD=json.dumps([provider]))

    assert written.split() == ["okta"]


TRACED = """
import orjson
from functions.nodes import services
from shared.workflow.node_call import NodeResult

async def run(call, *, credentials=None):
    with services.tracing().observe("model", call, "tested", {}) as seen:
        seen.output = "said"
    return NodeResult(output="done")

print(services.invoke(orjson.loads(os.environ["CALL"]), run, only_blobs=True)["output"], flush=True)
os._exit(0)  # as a Lambda stands still after its answer
"""
CALL = {"node": "asked", "type": "agent", "config": {}, "execution": EXECUTION}


async def test_a_node_tells_langfuse_of_its_calls_before_its_lambda_stands_still():
    async with langfuse_server() as server:
        written = await asyncio.to_thread(
            ran,
            WITH_SECRET + TRACED,
            NAMED="MILLRACE_LANGFUSE_SECRET",
            HELD=json.dumps({"LANGFUSE_PUBLIC_KEY": server.public_key, "LANGFUSE_SECRET_KEY": SECRET_KEY}),
            LANGFUSE_BASE_URL=server.url,
            CALL=json.dumps(CALL),
        )

    assert written.split() == ["done"]
    assert [(span.name, span.attributes["output"]) for span in server.spans] == [("asked: tested", "said")]


async def test_a_node_does_not_wait_for_a_langfuse_that_is_away():
    began = time.monotonic()

    written = await asyncio.to_thread(
        ran,
        WITH_SECRET + TRACED,
        NAMED="MILLRACE_LANGFUSE_SECRET",
        HELD=json.dumps({"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk"}),
        LANGFUSE_BASE_URL="http://127.0.0.1:1",
        CALL=json.dumps(CALL),
    )

    assert written.split() == ["done"]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("held", ["hush hush", '{"LANGFUSE_PUBLIC_KEY": "hush"}', '{"LANGFUSE_SECRET_KEY": 1}'])
def test_a_secret_that_holds_something_else_is_named_and_not_shown(held: str):
    code = WITH_SECRET.replace(
        "    stage()", "    try: stage()\n    except Exception as error: print(type(error), error)"
    )

    written = ran(code, NAMED="MILLRACE_LANGFUSE_SECRET", HELD=held)

    assert "ConfigInvalid" in written
    assert "secret:given" in written
    assert "hush" not in written


PRELOADED = {
    **dict.fromkeys(("admit", "bulk", "complete", "dispatch", "housekeeping", "poll"), "_deps()"),
    **dict.fromkeys(("event", "schedule"), "_arrivals()"),
    **dict.fromkeys(("api", "webhook"), "_adapter()"),
    "nodes.agent": "services.services(); handler._deps()",
    **dict.fromkeys(
        ("nodes.http", "nodes.tool"), "services.secrets(); handler.services.blobs()"
    ),  # drivers come with the first event
    "nodes.approval": "_deps()",
    "migrate": "_migrate",
}
"""What the first event wires, by function."""
IN_A_LAMBDA = """
import asyncio, gc, sys
sys.modules["valkey"] = None  # no bundle has it; where it is, the library of limits loads it
from functions.{name} import handler
assert gc.isenabled() and gc.get_freeze_count()
before = set(sys.modules)
async def wire():
    handler.{wired}
asyncio.run(wire())
assert not set(sys.modules) - before, set(sys.modules) - before
"""


@pytest.mark.parametrize("name", PRELOADED)
def test_what_the_first_event_needs_is_loaded_in_the_init_phase(name: str):
    given = ENVIRONMENT | {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_FUNCTION_NAME": name}

    done = run(IN_A_LAMBDA.format(name=name, wired=PRELOADED[name]), given)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_start_that_fails_in_part_is_told_and_left_to_the_first_event():
    given = ENVIRONMENT | {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    code = "from shared.adapters.aws.preload import preload; preload('no.such.module', 'wave', clients=('none',))"

    done = run(f"{code}; import sys; print('wave' in sys.modules)", given)

    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert "No module named 'no'" in done.stderr
    assert "Unable to load data for: none" in done.stderr


def test_elsewhere_nothing_is_loaded_before_it_is_needed():
    code = (
        "from functions.dispatch import handler; import gc, sys; print(gc.get_freeze_count(), 'boto3' in sys.modules)"
    )

    done = run(code, ENVIRONMENT)

    assert (done.returncode, done.stdout) == (0, "0 False\n"), done.stderr
