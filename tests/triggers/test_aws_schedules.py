"""What of a trigger EventBridge Scheduler is told, and what becomes of fire times that it tells one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from shared.adapters.aws import schedules as module
from shared.adapters.aws.schedules import SCHEDULED_TIME, Schedules, wanted_of
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.triggers import AwsTriggers
from shared.errors import InvalidParameter, StoreUnavailable
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.due import too_late
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import ScheduleTriggerConfig

NOW = datetime(2026, 11, 23, 9, 7, tzinfo=UTC)
POLL = {"source": {"type": "http", "url": "https://example.org"}, "detect": {"by": "hash"}}


def trigger(kind: TriggerType = TriggerType.SCHEDULE, **config: Any) -> Trigger:
    return Trigger(new_id(), DEFAULT_PROJECT_ID, new_id(), kind, config, True, NOW, NOW)


class Scheduler:
    """EventBridge Scheduler, as far as its documentation goes here."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def create_schedule(self, **given: Any) -> dict[str, Any]:
        self.kept[given["Name"]] = given
        return {}

    def update_schedule(self, **given: Any) -> dict[str, Any]:
        self._known(given["Name"])
        return self.create_schedule(**given)

    def delete_schedule(self, **given: Any) -> dict[str, Any]:
        self._known(given["Name"])
        del self.kept[given["Name"]]
        return {}

    def _known(self, name: str) -> None:
        if name not in self.kept:
            told = {"Error": {"Code": "ResourceNotFoundException"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(told, "any")


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    made = Scheduler()
    monkeypatch.setattr(module, "client", lambda service: made)
    return made


@pytest.fixture
def kept() -> Schedules:
    names = {"fires_queue_arn": "arn:fires", "polls_queue_arn": "arn:polls", "scheduler_role_arn": "arn:role"}
    return Schedules(AwsSettings(schedule_group="group", **names))


def test_a_rate_keeps_counting_from_where_it_did():
    began = NOW - timedelta(minutes=7)
    (first,) = wanted_of(trigger(rate={"value": 5, "unit": "minutes"}, start=NOW.isoformat()))
    (later,) = wanted_of(trigger(rate={"value": 5, "unit": "minutes"}, start=began.isoformat()))

    assert first["StartDate"] == NOW, "it begins at once"
    assert later["StartDate"] == began + timedelta(minutes=10)


def test_a_cron_is_bounded_by_what_is_still_to_come():
    past, end = NOW - timedelta(days=1), NOW + timedelta(days=9)
    (running,) = wanted_of(trigger(cron="0 9 * * *", start=past.isoformat(), end=end.isoformat()))
    (waiting,) = wanted_of(trigger(cron="0 9 * * *", start=end.isoformat()))

    assert "StartDate" not in running, "EventBridge takes none that is past"
    assert running["EndDate"] == end
    assert waiting["StartDate"] == end


def test_what_never_fires_again_has_no_schedule():
    ended = {"cron": "0 9 * * *", "end": (NOW - timedelta(days=1)).isoformat()}

    assert wanted_of(trigger(**ended)) == []


@pytest.mark.parametrize(("seconds", "expression"), [(60, "rate(1 minute)"), (120, "rate(2 minutes)")])
def test_an_interval_of_whole_minutes_is_a_rate(seconds: int, expression: str):
    (found,) = wanted_of(trigger(TriggerType.POLLING, interval_seconds=seconds, **POLL))

    assert found["ScheduleExpression"] == expression


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (trigger(TriggerType.POLLING, interval_seconds=90, **POLL), InvalidParameter),
        (trigger(TriggerType.POLLING, interval_seconds=30, **POLL), InvalidParameter),
    ],
)
async def test_what_cannot_be_said_is_refused_before_anything_is_stored(
    made: Trigger, error: type, scheduler: Scheduler, kept: Schedules
):
    class Rows:
        async def create(self, *args: Any) -> None:
            raise AssertionError(args)

    with pytest.raises(error):
        await AwsTriggers(Rows(), kept).create(made, None)

    assert scheduler.kept == {}


async def test_schedules_become_what_the_trigger_says_whatever_they_were(scheduler: Scheduler, kept: Schedules):
    both = trigger(cron="0 9 1 * MON")
    await kept.keep(both)
    assert sorted(scheduler.kept) == [f"{both.id}-0", f"{both.id}-1"]
    target = scheduler.kept[f"{both.id}-0"]["Target"]
    said = {"project_id": both.project_id, "trigger_id": both.id, "scheduled_time": SCHEDULED_TIME}
    assert (target["Arn"], target["RoleArn"], orjson.loads(target["Input"])) == ("arn:fires", "arn:role", said)

    one = Trigger(both.id, both.project_id, both.workflow_id, both.type, {"cron": "0 9 * * *"}, False, NOW, NOW)
    await kept.keep(one)
    await kept.keep(one)
    assert {name: each["State"] for name, each in scheduler.kept.items()} == {f"{both.id}-0": "DISABLED"}

    await kept.remove(both.id)
    await kept.remove(both.id)
    assert scheduler.kept == {}


async def test_a_schedule_that_cannot_be_made_leaves_no_trigger(kept: Schedules, monkeypatch: pytest.MonkeyPatch):
    class Busy(Scheduler):
        def update_schedule(self, **given: Any) -> dict[str, Any]:
            told = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
            raise ClientError(told, "any")

    class Rows:
        async def create(self, *args: Any) -> None:
            raise AssertionError(args)

    monkeypatch.setattr(module, "client", lambda service: Busy())
    with pytest.raises(StoreUnavailable):
        await AwsTriggers(Rows(), kept).create(trigger(cron="0 9 * * *"), None)


@pytest.mark.parametrize(
    ("missed", "hours", "runs"),
    [
        ({"policy": "skip"}, [0.01, 1, 5], [True, False, False]),
        ({"policy": "run_latest"}, [0.01, 0.9, 5], [True, True, False]),
        ({"policy": "run_all", "max_runs": 3}, [0.01, 2.5, 5], [True, True, False]),
    ],
)
def test_of_fire_times_that_were_missed_those_run_that_the_policy_says(
    missed: Any, hours: list[float], runs: list[bool]
):
    config = ScheduleTriggerConfig(cron="0 * * * *", missed=missed)
    fire = NOW.replace(hour=12, minute=0)

    told = [too_late(config, fire, fire + timedelta(hours=each)) for each in hours]

    assert [each is None for each in told] == runs
