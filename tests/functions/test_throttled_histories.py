"""What the API answers while Step Functions, on loopback here, gives out no more histories: it throttles as AWS's."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.live import Glances
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import AwsSettings
from tests.functions.conftest import Doors, assert_problem
from tests.support.step_functions import StepFunctions, asked_by_boto3
from tests.support.stores import KeptBus, Woken

ROLE = "arn:aws:iam::123456789012:role/machines"


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StepFunctions]:
    """Gives out one history, then no more for the length of a test."""
    async with asked_by_boto3(monkeypatch, 1, 0.001) as server:
        yield server


async def test_a_history_that_is_throttled_is_to_be_asked_for_again(doors: Doors, aws: StepFunctions):
    machines = Machines(AwsSettings(machine_prefix="m", machine_role_arn=ROLE))
    executions = AwsExecutions(doors.stores.executions, machines, doors.stores.progress, KeptBus(), Woken())
    doors.api_app.state.deps = replace(doors.api_app.state.deps, executions=executions, feed=Glances())
    workflow = await doors.workflow()
    started = await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json={"input": {"body": {}}})
    path = f"/api/executions/{started.json()['execution_id']}"

    first, again, logs, live = [await doors.api.get(f"{path}{each}") for each in ("", "", "/logs", "/events")]

    assert (first.status_code, first.json()["status"]) == (200, "queued")
    for refused in (again, logs):
        assert_problem(refused, 503, "platform.throttled")
        assert refused.headers["Retry-After"] == "1"
    assert (live.status_code, live.text) == (200, "retry: 1000\n\n"), "who watches comes back by itself"
    assert aws.throttled == 3
