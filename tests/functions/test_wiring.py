"""Every Lambda that is wired for AWS can be, before any event loop runs, as when its first request comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

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


@pytest.mark.parametrize("name", WIRED)
def test_a_lambda_is_wired_without_a_running_loop(name: str):
    module, function = name.split(":")

    run(f"from functions.{module} import {function}; {function}()")


def test_those_that_start_and_end_executions_give_their_messages_back_before_they_are_killed():
    """The database is away."""
    done = run(AWAY)

    assert done.count("the database connection was lost") >= 2


AWAY = """
import asyncio, logging
from functions.complete.aws import from_environment as complete
from functions.dispatch.aws import from_environment as dispatch
from shared.errors import StoreUnavailable
from shared.ids import new_id

async def write():
    journals = [wire().journal for wire in (complete, dispatch)]
    writes = (each.write(new_id(), new_id(), ()) for each in journals)
    return await asyncio.gather(*writes, return_exceptions=True)

logging.basicConfig()
assert [type(each) for each in asyncio.run(write())] == [StoreUnavailable] * 2
"""


def run(code: str) -> str:
    """What the process wrote, which sees what the stack sets, and no database."""
    environment = {
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
    command, seconds = [sys.executable, "-c", code], SECONDS
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
