"""What nobody asks for: old entries and events go, kept decisions are told, and each waits for no other."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from functions.housekeeping.core import EVENTS_KEPT, Deps, Work, do
from local import housekeeping
from shared.approvals.records import Approval, Decision
from shared.audit.records import Action
from shared.clock import SystemClock
from shared.executions.records import TaskCompletion
from shared.ids import lowest_id, new_id
from shared.ports import TaskCompletions
from shared.settings import DEFAULT_PROJECT_ID as PROJECT
from shared.triggers.events.records import event_of
from tests.support.stores import Stores, now


class Told(TaskCompletions):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def submit(self, completion: TaskCompletion) -> bool:
        self.tokens.append(completion.token)
        return True


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def deps(stores: Stores, told: Told) -> Deps:
    return Deps(
        audit=stores.audit,
        archive=stores.archive,
        approvals=stores.approvals,
        completions=told,
        secrets=stores.secrets,
        clock=SystemClock(),
        audit_kept=timedelta(days=365),
    )


async def decided(stores: Stores, token: str, sealed: bytes | None = None) -> Approval:
    """A decision that was kept and not told."""
    approval = Approval(
        id=new_id(),
        project_id=PROJECT,
        execution_id=new_id(),
        workflow_id=new_id(),
        workflow="w",
        node="n",
        title="t",
        description="",
        form_schema=None,
        approvers=["ada"],
        sealed_token=sealed or stores.secrets.encrypt(token),
        token_digest=token,
        created_at=now(),
    )
    await stores.approvals.ask(approval)
    assert await stores.approvals.decide(approval, Decision(approved=True, by="ada", at=now()))
    return approval


async def kept(stores: Stores) -> set[str]:
    return {each.id for each in (await stores.archive.list(PROJECT, limit=200)).items}


async def published(stores: Stores, id_: str, age: timedelta) -> None:
    """An event that every trigger has seen."""
    event = event_of({"id": id_, "source": "s", "detail-type": "d", "detail": {}}, project_id=PROJECT, now=now() - age)
    await stores.events.publish(replace(event, key=lowest_id(now() - age)))
    claimed = await stores.events.claim(now(), lease=timedelta(), limit=10)
    await stores.events.finish([each.event for each in claimed], [], now())


async def recorded(stores: Stores, target: str, age: timedelta) -> None:
    await stores.audit.record(Action(PROJECT, "key.used", "key", target))
    async with stores.engine.begin() as connection:  # entries cannot be changed, other than by their owner
        await connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER USER"))
        await connection.execute(
            text("UPDATE audit_log SET at = :at WHERE target_id = :target"), {"at": now() - age, "target": target}
        )
        await connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER USER"))


async def test_a_decision_that_a_crash_kept_from_being_told_is_told_once(stores: Stores, deps: Deps, told: Told):
    await decided(stores, "token-1")
    await decided(stores, "token-2")

    for _ in range(2):
        await do(Work.DECISIONS, deps)

    assert told.tokens == ["token-1", "token-2"]


async def test_a_decision_that_no_key_opens_keeps_neither_others_waiting_nor_old_events(
    stores: Stores, deps: Deps, told: Told
):
    await decided(stores, "lost", b"sealed with another key")
    await decided(stores, "token-3")
    await published(stores, "ancient", EVENTS_KEPT + timedelta(days=1))

    await do(Work.DAILY, deps)

    assert told.tokens == ["token-3"]
    assert "ancient" not in await kept(stores)


async def test_what_is_young_enough_stays_and_decisions_alone_remove_nothing(stores: Stores, deps: Deps):
    await published(stores, "old", EVENTS_KEPT + timedelta(minutes=1))
    await published(stores, "young", EVENTS_KEPT - timedelta(minutes=1))
    await recorded(stores, "old-key", timedelta(days=366))
    await recorded(stores, "young-key", timedelta(days=364))

    await do(Work.DECISIONS, deps)
    assert {"old", "young"} <= await kept(stores)
    await do(Work.DAILY, deps)

    assert {"old", "young"} & await kept(stores) == {"young"}
    async with stores.engine.begin() as connection:
        targets = set((await connection.execute(text("SELECT target_id FROM audit_log"))).scalars())
    assert {"old-key", "young-key"} & targets == {"young-key"}


async def test_the_local_stage_keeps_house_by_the_same_work(stores: Stores, deps: Deps, told: Told, monkeypatch):
    class Stopped(Exception):
        """The stage stops."""

    async def until(seconds: float) -> None:
        if len(told.tokens) == 2:
            raise Stopped
        await published(stores, "later", EVENTS_KEPT + timedelta(days=2))
        await decided(stores, "second")

    monkeypatch.setattr(housekeeping, "asyncio", SimpleNamespace(sleep=until))
    await decided(stores, "first")

    with pytest.raises(Stopped):
        await housekeeping.keep_house(deps)

    assert told.tokens == ["first", "second"]
    assert "later" in await kept(stores), "it is removed every six hours, not every minute"
