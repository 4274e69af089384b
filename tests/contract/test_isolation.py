"""Row-level security: with the application's filter left out, nothing of another project comes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from functions.migrate.isolation import CLOSED
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import api_keys, memberships, metadata, projects, users, workflows
from shared.identity.permissions import Role
from shared.identity.principal import acting_project
from shared.identity.records import DEFAULT_ORGANISATION_ID, Membership, Project, User
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import Stores, new_workflow, now

SHARED = {"organisations", "login_attempts", "refresh_tokens", "signing_keys", "user_identities"}
"""Tables without a project: names of organisations, and what signing in needs."""


@contextmanager
def acting_for(project_id: str) -> Iterator[None]:
    token = acting_project.set(project_id)
    try:
        yield
    finally:
        acting_project.reset(token)


@pytest.fixture
async def other(stores: Stores) -> str:
    """Another project, with a workflow of its own; the default project has one, too."""
    project_id = new_id()
    await stores.access.members.create_project(Project(project_id, DEFAULT_ORGANISATION_ID, "other", now()), None)
    await stores.workflows.create(*new_workflow(project_id=project_id))
    await stores.workflows.create(*new_workflow())
    return project_id


async def test_every_table_of_projects_has_a_policy(stores: Stores):
    query = text("SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid WHERE relrowsecurity")
    async with transaction(stores.engine) as connection:
        held = set((await connection.execute(query)).scalars())

    assert {name for name in metadata.tables if name not in SHARED} - held == set(), (
        "call functions.migrate.isolation.isolate(<table>) in the migration that makes the table"
    )


@pytest.mark.parametrize("name", [name for name in metadata.tables if "project_id" in metadata.tables[name].columns])
async def test_a_query_that_forgets_its_filter_sees_its_own_project_only(stores: Stores, other: str, name: str):
    with acting_for(other):
        async with transaction(stores.engine) as connection:
            found = (await connection.execute(text(f"SELECT project_id::text FROM {name}"))).scalars().all()

    assert set(found) <= {other}
    if name in ("workflows", "workflow_versions"):
        assert found, "its own rows are there"


async def test_without_a_project_there_is_nothing(stores: Stores, other: str):
    with acting_for(""):
        async with transaction(stores.engine) as connection:
            assert (await connection.execute(select(workflows))).all() == []


async def test_rows_of_another_project_are_neither_changed_nor_removed_nor_made(stores: Stores, other: str):
    theirs, version = new_workflow()
    await stores.workflows.create(theirs, version)
    with acting_for(other):
        async with transaction(stores.engine) as connection:
            changed = await connection.execute(update(workflows).where(workflows.c.id == theirs.id).values(name="x"))
            gone = await connection.execute(delete(workflows).where(workflows.c.id == theirs.id))
        with pytest.raises(ProgrammingError, match="row-level security"):
            await stores.workflows.create(*new_workflow(project_id=DEFAULT_PROJECT_ID))
        with pytest.raises(ProgrammingError, match="row-level security"):
            await stores.workflows.version(theirs.id, 1) or await _move(stores, other)

    assert (changed.rowcount, gone.rowcount) == (0, 0)
    assert await stores.workflows.get(DEFAULT_PROJECT_ID, theirs.id) == theirs


async def _move(stores: Stores, own: str) -> None:
    """Gives away what one has: its new project is checked as well."""
    async with transaction(stores.engine) as connection:
        mine = update(workflows).where(workflows.c.project_id == own)
        await connection.execute(mine.values(project_id=DEFAULT_PROJECT_ID))


async def test_projects_and_people_of_others_do_not_show(stores: Stores, other: str):
    stranger = User(new_id(), f"{new_id()}@example.org", "Stranger", None, now())
    await stores.access.members.create_user(stranger)
    await stores.access.members.put_membership(Membership(DEFAULT_PROJECT_ID, stranger.id, Role.VIEWER, now()))
    with acting_for(other):
        async with transaction(stores.engine) as connection:
            assert (await connection.execute(select(projects.c.id))).scalars().all() == [other]
            assert (await connection.execute(select(users))).all() == []
            assert (await connection.execute(select(memberships))).all() == []
            assert (await connection.execute(select(api_keys))).all() == []


@pytest.mark.parametrize("name", CLOSED)
async def test_what_signing_in_keeps_is_closed_to_requests(stores: Stores, other: str, name: str):
    with acting_for(other), pytest.raises(ProgrammingError, match="permission denied"):
        async with transaction(stores.engine) as connection:
            await connection.execute(text(f"SELECT * FROM {name}"))


async def test_a_pooled_connection_carries_no_project_over(stores: Stores, other: str):
    with acting_for(other):
        await stores.workflows.list(other)
    async with transaction(stores.engine) as connection:
        role, project = (
            await connection.execute(text("SELECT current_user, current_setting('millrace.project_id', true)"))
        ).one()
        await connection.execute(insert(projects).values(id=new_id(), name="made by the owner of the tables"))

    assert role != "millrace_app"
    assert not project
