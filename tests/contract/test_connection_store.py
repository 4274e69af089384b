"""ConnectionStore: one suite for every implementation."""

import asyncio
from dataclasses import asdict, replace

import pytest

from shared.connections.records import Connection
from shared.errors import Conflict
from shared.ids import new_id
from shared.ports import ConnectionStore
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import Stores, now


@pytest.fixture
def store(stores: Stores) -> ConnectionStore:
    return stores.connections


def new_connection(**fields) -> Connection:
    at = now()
    base = {
        "id": new_id(),
        "project_id": DEFAULT_PROJECT_ID,
        "name": f"c-{new_id()}",
        "kind": "bearer",
        "public": {"kind": "bearer", "hosts": []},
        "sealed": b"\x00sealed",
        "created_at": at,
        "updated_at": at,
    }
    return Connection(**base | fields)


def changing(**fields):
    """A change for `update`."""

    async def change(connection):
        return replace(connection, **fields)

    return change


async def test_a_connection_is_found_by_id_and_by_name(store):
    connection = new_connection()
    await store.create(connection)
    assert await store.get(connection.project_id, connection.id) == connection
    assert await store.find(connection.project_id, connection.name) == connection
    assert connection in await store.list(connection.project_id)


async def test_another_project_finds_nothing(store):
    connection, other = new_connection(), new_id()
    await store.create(connection)
    assert await store.get(other, connection.id) is None
    assert await store.find(other, connection.name) is None
    assert await store.list(other) == []
    await store.delete(other, connection.id)
    assert await store.update(other, connection.id, changing(name="stolen")) is None
    assert await store.get(connection.project_id, connection.id) == connection


@pytest.mark.parametrize("name", ["nothing", "", "\0", "x" * 1000])
async def test_what_is_not_there_is_none(store, name):
    assert await store.find(DEFAULT_PROJECT_ID, name) is None
    assert await store.get(DEFAULT_PROJECT_ID, name) is None


async def test_a_name_is_taken_once(store):
    connection, other = new_connection(), new_connection()
    await store.create(connection)
    with pytest.raises(Conflict, match=connection.name):
        await store.create(new_connection(name=connection.name))
    await store.create(other)
    with pytest.raises(Conflict):
        await store.update(other.project_id, other.id, changing(name=connection.name))


async def test_updating_and_deleting(store):
    connection = new_connection()
    await store.create(connection)
    changed = replace(
        connection, kind="basic", public={"kind": "basic"}, sealed=b"new", updated_at=now(), grant=b"\x00grant"
    )
    assert await store.update(connection.project_id, connection.id, changing(**asdict(changed))) == changed
    assert await store.get(connection.project_id, connection.id) == changed
    await store.delete(connection.project_id, connection.id)
    assert await store.get(connection.project_id, connection.id) is None


async def test_changes_follow_one_another_and_see_what_was_there(store):
    connection = new_connection(sealed=b"")
    await store.create(connection)

    async def longer(found):
        await asyncio.sleep(0)  # the others come in between, where they can
        return replace(found, sealed=found.sealed + b"x")

    await asyncio.gather(*(store.update(connection.project_id, connection.id, longer) for _ in range(8)))
    assert (await store.get(connection.project_id, connection.id)).sealed == b"x" * 8


async def test_a_change_that_fails_leaves_all_as_it_was(store):
    connection = new_connection()
    await store.create(connection)

    async def failing(_):
        raise ValueError

    with pytest.raises(ValueError):
        await store.update(connection.project_id, connection.id, failing)
    assert await store.get(connection.project_id, connection.id) == connection
