"""Every Lambda that is wired for AWS can be, before any event loop runs, as when its first request comes."""

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


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", WIRED)
def test_a_lambda_is_wired_without_a_running_loop(name: str):
    module, function = name.split(":")

    done = run(f"from functions.{module} import {function}; {function}()", ENVIRONMENT)

    assert done.returncode == 0, done.stderr


PRELOADED = {
    **dict.fromkeys(("admit", "bulk", "complete", "dispatch", "housekeeping", "poll"), "_deps()"),
    **dict.fromkeys(("event", "schedule"), "_arrivals()"),
    **dict.fromkeys(("api", "webhook"), "_adapter()"),
    **dict.fromkeys(("nodes.agent", "nodes.http", "nodes.tool"), "services.services(); handler._deps()"),
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
