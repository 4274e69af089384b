"""TriggerStore: one suite for every implementation."""

from dataclasses import replace
from typing import Any

import pytest

from shared.errors import Conflict, InvalidParameter
from shared.ids import new_id, new_webhook_path
from shared.ports import TriggerStore
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.records import Trigger, TriggerType, WebhookRegistration
from shared.workflow.records import Workflow, WorkflowStatus
from tests.support.stores import Stores, new_version, new_workflow, now


@pytest.fixture
def store(stores: Stores) -> TriggerStore:
    return stores.triggers


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


def new_trigger(workflow: Workflow, **fields: Any) -> tuple[Trigger, WebhookRegistration]:
    at = now()
    config = {"verification": {"scheme": "github"}}
    trigger = Trigger(new_id(), workflow.project_id, workflow.id, TriggerType.WEBHOOK, config, True, at, at)
    base: dict[str, Any] = {
        "id": new_id(),
        "project_id": workflow.project_id,
        "workflow_id": workflow.id,
        "trigger_id": trigger.id,
        "path": new_webhook_path(),
        "secret": b"\x00\xffsealed",
        "config": config,
        "is_active": True,
        "created_at": at,
    }
    return trigger, WebhookRegistration(**{**base, **fields})


async def test_a_trigger_comes_back_with_its_webhook(store: TriggerStore, workflow: Workflow):
    trigger, webhook = new_trigger(workflow)
    await store.create(trigger, webhook)

    assert await store.get(DEFAULT_PROJECT_ID, trigger.id) == trigger
    assert await store.webhook_of(DEFAULT_PROJECT_ID, trigger.id) == webhook
    assert await store.list(DEFAULT_PROJECT_ID, workflow.id) == [trigger]


async def test_a_trigger_without_webhook_has_none(store: TriggerStore, workflow: Workflow):
    trigger, _ = new_trigger(workflow)
    manual = replace(trigger, type=TriggerType.MANUAL)
    await store.create(manual, None)

    assert await store.get(DEFAULT_PROJECT_ID, manual.id) == manual
    assert await store.webhook_of(DEFAULT_PROJECT_ID, manual.id) is None


async def test_a_schedule_is_kept_changed_and_deleted(store: TriggerStore, workflow: Workflow):
    at = now()
    config = {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}
    trigger = Trigger(new_id(), workflow.project_id, workflow.id, TriggerType.SCHEDULE, config, True, at, at)
    await store.create(trigger, None)
    changed = replace(trigger, config={"cron": "30 9 1 * MON", "timezone": "UTC"}, is_active=False, updated_at=now())

    await store.update(changed, None)

    assert await store.get(DEFAULT_PROJECT_ID, trigger.id) == changed
    for _ in range(2):
        await store.delete(DEFAULT_PROJECT_ID, trigger.id)
    assert await store.get(DEFAULT_PROJECT_ID, trigger.id) is None


async def test_another_project_sees_nothing(store: TriggerStore, workflow: Workflow):
    trigger, webhook = new_trigger(workflow)
    await store.create(trigger, webhook)
    other = new_id()

    await store.delete(other, trigger.id)

    assert await store.get(other, trigger.id) is None
    assert await store.list(other, workflow.id) == []
    assert await store.webhook_of(other, trigger.id) is None
    assert (await store.webhooks(other)).items == []
    assert await store.get(DEFAULT_PROJECT_ID, trigger.id) == trigger


async def test_ids_that_are_none_find_nothing(store: TriggerStore):
    assert await store.get(DEFAULT_PROJECT_ID, "no-id") is None
    assert await store.list(DEFAULT_PROJECT_ID, "no-id") == []
    assert await store.webhook_of(DEFAULT_PROJECT_ID, "no-id") is None


async def test_a_taken_path_is_a_conflict_and_leaves_nothing(store: TriggerStore, workflow: Workflow):
    trigger, webhook = new_trigger(workflow)
    await store.create(trigger, webhook)
    second, rival = new_trigger(workflow, path=webhook.path)

    with pytest.raises(Conflict, match=webhook.path):
        await store.create(second, rival)

    assert await store.get(DEFAULT_PROJECT_ID, second.id) is None


async def test_an_update_stores_trigger_and_webhook(store: TriggerStore, workflow: Workflow):
    trigger, webhook = new_trigger(workflow)
    await store.create(trigger, webhook)
    other, other_webhook = new_trigger(workflow)
    await store.create(other, other_webhook)
    changed = replace(trigger, is_active=False, config={"methods": ["PUT"]}, updated_at=now())
    changed_webhook = replace(webhook, is_active=False, secret=None, config=changed.config)

    await store.update(changed, changed_webhook)

    assert await store.get(DEFAULT_PROJECT_ID, trigger.id) == changed
    assert await store.webhook_of(DEFAULT_PROJECT_ID, trigger.id) == changed_webhook
    with pytest.raises(Conflict):
        await store.update(changed, replace(changed_webhook, path=other_webhook.path))


async def test_a_deleted_trigger_takes_its_path_with_it(store: TriggerStore, workflow: Workflow):
    trigger, webhook = new_trigger(workflow)
    await store.create(trigger, webhook)

    await store.delete(DEFAULT_PROJECT_ID, trigger.id)

    assert await store.get(DEFAULT_PROJECT_ID, trigger.id) is None
    assert await store.target(webhook.path) is None


async def test_a_target_has_what_the_newest_version_needs(stores: Stores, store: TriggerStore):
    schema = {"type": "object", "required": ["id"]}
    workflow, _ = new_workflow()
    definition = {**workflow.definition, "input_schema": schema, "settings": {"mode": "express"}}
    first = replace(workflow, definition=definition)
    await stores.workflows.create(first, new_version(first))
    trigger, webhook = new_trigger(first)
    await store.create(trigger, webhook)

    target = await store.target(webhook.path)
    second = replace(workflow, version=2)
    await stores.workflows.update(second, new_version(second))
    await stores.workflows.set_status(workflow.project_id, workflow.id, WorkflowStatus.PAUSED, workflow.updated_at)
    later = await store.target(webhook.path)

    assert target is not None
    assert (target.registration, target.workflow_status, target.version) == (webhook, "active", 1)
    assert (target.workflow_name, target.input_schema, target.mode) == (workflow.name, schema, "express")
    assert later is not None
    assert (later.workflow_status, later.version, later.input_schema, later.mode) == ("paused", 2, None, "durable")


async def test_an_unknown_path_has_no_target(store: TriggerStore):
    assert await store.target("unknown") is None
    assert await store.target("with\0null") is None


async def test_webhooks_are_listed_newest_first_page_by_page(store: TriggerStore, workflow: Workflow):
    created = []
    for _ in range(3):
        trigger, webhook = new_trigger(workflow)
        await store.create(trigger, webhook)
        created.append(webhook)

    first = await store.webhooks(DEFAULT_PROJECT_ID, limit=2)
    second = await store.webhooks(DEFAULT_PROJECT_ID, limit=1, cursor=first.next_cursor)

    assert [*first.items, *second.items] == created[::-1]
    with pytest.raises(InvalidParameter):
        await store.webhooks(DEFAULT_PROJECT_ID, cursor="nonsense")
