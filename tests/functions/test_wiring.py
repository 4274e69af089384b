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


@pytest.mark.parametrize("name", WIRED)
def test_a_lambda_is_wired_without_a_running_loop(name: str):
    module, function = name.split(":")
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

    code = f"from functions.{module} import {function}; {function}()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
