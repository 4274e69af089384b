"""The audit log: what is written, that nobody can change it, and that it shows where somebody did."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from shared.adapters.postgres.engine import transaction
from shared.audit.chain import hash_of, verify
from shared.audit.records import Action, AuditFilter, Entry, Head
from shared.identity.principal import Actor, acting, acting_project
from shared.identity.records import DEFAULT_ORGANISATION_ID, Project
from shared.ids import new_id
from shared.workflow.records import WorkflowStatus
from tests.support.stores import Stores, new_workflow, now

ADA = Actor("user", "01a20aa4-93d3-70c1-9a97-cb0fcef4a4be", "192.0.2.7", "c-1")


@contextmanager
def acting_as(actor: Actor | None, project_id: str | None) -> Iterator[None]:
    tokens = acting.set(actor), acting_project.set(project_id)
    try:
        yield
    finally:
        acting.reset(tokens[0])
        acting_project.reset(tokens[1])


@pytest.fixture
async def project(stores: Stores) -> str:
    """A new project, so that its chain has one entry: its own making."""
    project_id = new_id()
    await stores.access.members.create_project(Project(project_id, DEFAULT_ORGANISATION_ID, "p", now()), None)
    return project_id


async def entries(stores: Stores, project_id: str) -> list[Entry]:
    return [entry async for entry in stores.audit.export(project_id)]


async def checked(stores: Stores, project_id: str, noted: tuple[int, str] | None = None):
    return await verify(stores.audit.export(project_id), await stores.audit.head(project_id), noted)


async def tamper(stores: Stores, statement: str, **values: object) -> None:
    """As somebody who owns the database does it."""
    async with stores.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER append_only"))
        await connection.execute(text(statement), values)
        await connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER append_only"))


async def fill(stores: Stores, project_id: str, count: int = 6) -> list[Entry]:
    for number in range(count):
        await stores.audit.record(Action(project_id, "execution.cancelled", "execution", f'e-{number} "ü" \\ \n☃'))
    return await entries(stores, project_id)


async def test_a_change_is_written_with_who_where_and_what(stores: Stores, project: str):
    workflow, version = new_workflow(project_id=project)
    with acting_as(ADA, project):
        await stores.workflows.create(workflow, version)
        await stores.workflows.set_status(project, workflow.id, WorkflowStatus.PAUSED, now())

    _, made, paused = await entries(stores, project)

    assert (made.action, made.target_id, made.target_name) == ("workflow.created", workflow.id, workflow.name)
    assert (made.actor_kind, made.actor_id, made.address, made.correlation_id) == ("user", ADA.id, "192.0.2.7", "c-1")
    assert (made.before, made.detail) == (None, "1")
    assert (paused.action, paused.before) == ("workflow.paused", made.after)
    assert paused.after not in (None, made.after)


async def test_a_change_that_is_rolled_back_is_not_written(stores: Stores, project: str):
    had = await entries(stores, project)
    async with stores.engine.connect() as connection:
        await connection.execute(text("UPDATE projects SET name = 'x' WHERE id = :id"), {"id": project})
        await connection.rollback()

    assert await entries(stores, project) == had


async def test_what_the_platform_does_is_the_systems(stores: Stores, project: str):
    (made,) = await entries(stores, project)

    assert (made.action, made.actor_kind, made.actor_id) == ("project.created", "system", None)


async def test_the_hash_is_the_same_here_and_in_the_database(stores: Stores, project: str):
    for entry in await fill(stores, project):
        assert entry.hash == hash_of(entry)
    assert await checked(stores, project) is None


@pytest.mark.parametrize(
    "change",
    [
        *(
            f"{field.name} = 'x'"
            for field in Entry.__dataclass_fields__.values()
            if field.type in (str, str | None) and field.name not in ("project_id", "previous", "hash")
        ),
        "at = at + interval '1 ms'",
        "previous = repeat('0', 64)",
        "hash = repeat('0', 64)",
    ],
)
async def test_a_changed_entry_shows(stores: Stores, project: str, change: str):
    await fill(stores, project)

    await tamper(stores, f"UPDATE audit_log SET {change} WHERE project_id = :id AND seq = 3", id=project)

    broken = await checked(stores, project)
    assert broken is not None
    assert broken.seq in (3, 4)


async def test_an_entry_that_was_removed_or_moved_shows(stores: Stores, project: str):
    await fill(stores, project)
    await tamper(stores, "DELETE FROM audit_log WHERE project_id = :id AND seq = 3", id=project)

    assert (await checked(stores, project)).seq == 3

    await tamper(stores, "UPDATE audit_log SET seq = seq - 1 WHERE project_id = :id AND seq > 3", id=project)
    assert (await checked(stores, project)).seq == 3


async def test_a_tail_that_was_cut_off_shows(stores: Stores, project: str):
    await fill(stores, project)
    await tamper(stores, "DELETE FROM audit_log WHERE project_id = :id AND seq > 4", id=project)

    assert (await checked(stores, project)).seq == 5


async def test_a_chain_that_was_written_anew_shows_to_who_noted_its_head(stores: Stores, project: str):
    had = await fill(stores, project)
    noted = (had[-1].seq, had[-1].hash)
    assert await checked(stores, project, noted) is None
    previous = had[2].previous
    for entry in had[2:]:
        forged = replace(entry, detail="forged", previous=previous)
        previous = hash_of(forged)
        await tamper(
            stores,
            "UPDATE audit_log SET detail = 'forged', previous = :previous, hash = :hash "
            "WHERE project_id = :project_id AND seq = :seq",
            **{**asdict(forged), "hash": previous},
        )
    await tamper(stores, "UPDATE audit_heads SET hash = :hash WHERE project_id = :id", hash=previous, id=project)

    assert await checked(stores, project) is None, "the chain alone cannot tell"
    assert (await checked(stores, project, noted)).seq == noted[0]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET detail = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
@pytest.mark.parametrize("owner", [True, False])
async def test_it_is_append_only(stores: Stores, project: str, statement: str, owner: bool):
    with acting_as(ADA, None if owner else project), pytest.raises(ProgrammingError, match=r"append-only|permission"):
        async with transaction(stores.engine) as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_log SELECT * FROM audit_log",
        "UPDATE audit_heads SET hash = 'x'",
        "SELECT audit_prune(now())",
        "SELECT audit_write(:id, 'a', 'b', NULL, NULL, NULL, NULL, NULL)",
    ],
)
async def test_a_request_can_neither_forge_nor_prune(stores: Stores, project: str, statement: str):
    with acting_as(ADA, project), pytest.raises(ProgrammingError, match="permission denied"):
        async with transaction(stores.engine) as connection:
            await connection.execute(text(statement), {"id": project} if ":id" in statement else {})


async def test_what_retention_removes_leaves_a_chain_that_holds(stores: Stores, project: str):
    had = await fill(stores, project)
    noted = (had[-1].seq, had[-1].hash)
    await tamper(
        stores, "UPDATE audit_log SET at = at - interval '1 day' WHERE project_id = :id AND seq <= 4", id=project
    )

    assert await stores.audit.prune(now() - timedelta(hours=1)) == 4

    assert [each.seq for each in await entries(stores, project)] == [5, 6, 7]
    assert (await stores.audit.head(project)).pruned_seq == 4
    assert await checked(stores, project, noted) is None
    assert await stores.audit.prune(now() - timedelta(hours=1)) == 0
    assert (await fill(stores, project, 1))[-1].seq == 8


async def test_many_at_once_make_one_chain(stores: Stores, project: str):
    await asyncio.gather(*(fill(stores, project, 5) for _ in range(8)))

    assert [each.seq for each in await entries(stores, project)] == list(range(1, 42))
    assert await checked(stores, project) is None


async def test_entries_are_found(stores: Stores, project: str):
    workflow, version = new_workflow(project_id=project)
    with acting_as(ADA, project):
        await stores.workflows.create(workflow, version)
    await fill(stores, project, 3)

    async def found(**wanted: object) -> list[int]:
        page = await stores.audit.list(project, AuditFilter(**wanted), limit=50, cursor=None)
        return [each.seq for each in page.items]

    assert await found() == [5, 4, 3, 2, 1]
    assert await found(actor_id=ADA.id) == [2]
    assert await found(action="workflow.created") == [2]
    assert await found(action="execution.*") == [5, 4, 3]
    assert await found(action="%.*") == []
    assert await found(target_id=workflow.id) == [2]
    assert await found(since=now() + timedelta(hours=1)) == []
    assert await found(until=now() - timedelta(hours=1)) == []
    first = await stores.audit.list(project, AuditFilter(), limit=2, cursor=None)
    second = await stores.audit.list(project, AuditFilter(), limit=3, cursor=first.next_cursor)
    assert ([each.seq for each in second.items], second.next_cursor) == ([3, 2, 1], None)


async def test_an_empty_chain_holds(stores: Stores):
    assert await stores.audit.head(new_id()) == Head()
    assert await checked(stores, new_id()) is None
    assert (await checked(stores, new_id(), (1, "x"))).seq == 1
