"""WorkflowStore: one suite for every implementation."""

import asyncio
from dataclasses import replace

import pytest

from shared.errors import InvalidParameter, MalformedRequest, NameTaken
from shared.ids import new_id
from shared.ports import WorkflowStore
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import WorkflowStatus
from tests.support.stores import Stores, new_version, new_workflow, now


@pytest.fixture
def store(stores: Stores) -> WorkflowStore:
    return stores.workflows


async def test_a_workflow_comes_back_as_it_was_stored(store: WorkflowStore):
    workflow, version = new_workflow(description="Sorts café orders 🙂")
    await store.create(workflow, version)

    assert await store.get(DEFAULT_PROJECT_ID, workflow.id) == workflow
    assert await store.find(DEFAULT_PROJECT_ID, workflow.name) == workflow
    assert await store.version(workflow.id, 1) == version


async def test_what_is_not_there_is_none(store: WorkflowStore):
    assert await store.get(DEFAULT_PROJECT_ID, new_id()) is None
    assert await store.get(DEFAULT_PROJECT_ID, "no-id") is None
    assert await store.find(DEFAULT_PROJECT_ID, "nobody") is None
    assert await store.find(DEFAULT_PROJECT_ID, "no\0body") is None
    assert await store.version(new_id(), 1) is None


async def test_another_project_sees_nothing(store: WorkflowStore):
    workflow, version = new_workflow()
    await store.create(workflow, version)

    other = new_id()

    assert await store.get(other, workflow.id) is None
    assert await store.find(other, workflow.name) is None
    assert (await store.list(other)).items == []


async def test_a_name_is_taken_until_its_workflow_is_deleted(store: WorkflowStore):
    workflow, version = new_workflow()
    await store.create(workflow, version)
    rival, rival_version = new_workflow(name=workflow.name)

    with pytest.raises(NameTaken, match=workflow.name):
        await store.create(rival, rival_version)
    assert await store.get(DEFAULT_PROJECT_ID, rival.id) is None
    await store.set_status(DEFAULT_PROJECT_ID, workflow.id, WorkflowStatus.DELETED, now())
    await store.create(rival, rival_version)

    assert await store.find(DEFAULT_PROJECT_ID, workflow.name) == rival
    deleted = await store.get(DEFAULT_PROJECT_ID, workflow.id)
    assert deleted is not None
    assert deleted.status is WorkflowStatus.DELETED


async def test_of_several_creations_of_one_name_one_wins(store: WorkflowStore):
    pairs = [new_workflow(name="the-one") for _ in range(8)]

    results = await asyncio.gather(*(store.create(*pair) for pair in pairs), return_exceptions=True)

    assert sum(result is None for result in results) == 1
    assert all(isinstance(result, NameTaken) for result in results if result is not None)


async def test_an_update_stores_the_fields_and_adds_the_version(store: WorkflowStore):
    workflow, version = new_workflow()
    await store.create(workflow, version)
    changed = replace(workflow, name=f"{workflow.name}-2", description="new", version=2, updated_at=now())

    await store.update(changed, new_version(changed))

    assert await store.get(DEFAULT_PROJECT_ID, workflow.id) == changed
    assert await store.version(workflow.id, 1) == version
    assert await store.version(workflow.id, 2) == new_version(changed)


async def test_an_update_to_a_taken_name_changes_nothing(store: WorkflowStore):
    taken, version = new_workflow()
    await store.create(taken, version)
    workflow, version = new_workflow()
    await store.create(workflow, version)
    changed = replace(workflow, name=taken.name, version=2)

    with pytest.raises(NameTaken):
        await store.update(changed, new_version(changed))

    assert await store.get(DEFAULT_PROJECT_ID, workflow.id) == workflow
    assert await store.version(workflow.id, 2) is None


async def test_lists_go_newest_first_page_by_page(store: WorkflowStore):
    project = DEFAULT_PROJECT_ID
    created = []
    for _ in range(5):
        workflow, version = new_workflow(status=WorkflowStatus.PAUSED)
        await store.create(workflow, version)
        created.append(workflow)
    paused = WorkflowStatus.PAUSED

    first = await store.list(project, status=paused, limit=2)
    second = await store.list(project, status=paused, limit=2, cursor=first.next_cursor)
    third = await store.list(project, status=paused, limit=2, cursor=second.next_cursor)

    assert [*first.items, *second.items, *third.items] == created[::-1]
    assert third.next_cursor is None


async def test_deleted_ones_are_listed_only_when_asked_for(store: WorkflowStore):
    workflow, version = new_workflow()
    await store.create(workflow, version)
    await store.set_status(DEFAULT_PROJECT_ID, workflow.id, WorkflowStatus.DELETED, now())

    usual = await store.list(DEFAULT_PROJECT_ID, limit=200)
    deleted = await store.list(DEFAULT_PROJECT_ID, status=WorkflowStatus.DELETED, limit=200)

    assert workflow.id not in {item.id for item in usual.items}
    assert workflow.id in {item.id for item in deleted.items}


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "A" * 23, "====", "AZqwAAAAcACAAAAAAAAAAA=="])
async def test_a_bad_cursor_is_refused(store: WorkflowStore, cursor: str):
    with pytest.raises(InvalidParameter, match="cursor"):
        await store.list(DEFAULT_PROJECT_ID, cursor=cursor)


async def test_a_null_character_is_kept_in_documents_and_refused_in_texts(store: WorkflowStore):
    workflow, version = new_workflow()
    odd = replace(workflow, definition={**workflow.definition, "notes": "a\0b"})
    await store.create(odd, replace(version, definition=odd.definition))
    bad, bad_version = new_workflow(description="a\0b")

    with pytest.raises(MalformedRequest, match=r"U\+0000"):
        await store.create(bad, bad_version)

    assert await store.get(DEFAULT_PROJECT_ID, workflow.id) == odd
