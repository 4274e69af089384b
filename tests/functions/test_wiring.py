"""Every Lambda that is wired for AWS can be, before any event loop runs, as when its first request comes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).parents[2]
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


def ran(code: str, **more: str) -> str:
    """What a fresh process writes."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT | more, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", WIRED)
def test_a_lambda_is_wired_without_a_running_loop(name: str):
    module, function = name.split(":")

    ran(f"from functions.{module} import {function}; {function}()")


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
