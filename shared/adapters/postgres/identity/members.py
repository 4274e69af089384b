"""MemberStore on PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import memberships, projects, roles, user_identities, users
from shared.errors import Conflict
from shared.identity.permissions import Role, granted, permissions_of
from shared.identity.records import CustomRole, Membership, Project, User
from shared.ids import is_id
from shared.ports.identity import MemberStore

_m, _i = memberships.c, user_identities.c


class PostgresMembers(MemberStore):
    """Users, projects, and who may do what where."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def user(self, user_id: str) -> User | None:
        return await self._user(users.c.id == user_id) if is_id(user_id) else None

    async def user_by_email(self, email: str) -> User | None:
        return await self._user(users.c.email == email.lower()) if "\0" not in email else None

    async def create_user(self, user: User) -> None:
        """Raises Conflict where the address is taken."""
        await self._insert(insert(users).values(asdict(user)), f"There is a user '{user.email}' already.")

    async def user_at(self, issuer: str, subject: str) -> User | None:
        return await self._user(users.c.id.in_(select(_i.user_id).where(_i.issuer == issuer, _i.subject == subject)))

    async def bind(self, issuer: str, subject: str, user_id: str, at: datetime) -> bool:
        """False where the user, or the name, is bound otherwise already."""
        row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": at}
        bound = select(_i.user_id).where(_i.issuer == issuer, _i.subject == subject)
        async with transaction(self._engine) as connection:
            await connection.execute(upsert(user_identities).values(row).on_conflict_do_nothing())
            return (await connection.execute(bound)).scalar() == user_id

    async def unbind(self, user_id: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(delete(user_identities).where(_i.user_id == user_id))

    async def set_password(self, user_id: str, password_hash: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    async def grants(self, user_id: str) -> Mapping[str, frozenset[str]]:
        """Project → what the user may do there; an unknown role grants nothing."""
        own = and_(roles.c.project_id == _m.project_id, roles.c.name == _m.role)
        query = select(_m.project_id, _m.role, roles.c.permissions).outerjoin(roles, own).where(_m.user_id == user_id)
        async with transaction(self._engine) as connection:
            return {row.project_id: _permissions(row) for row in await connection.execute(query)}

    async def members(self, project_id: str) -> Sequence[tuple[Membership, User]]:
        """Oldest first."""
        query = (
            select(memberships, users)
            .join(users, users.c.id == _m.user_id)
            .where(_m.project_id == project_id)
            .order_by(_m.created_at, _m.user_id)
        )
        width = len(memberships.columns)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [(Membership(*row[:width]), User(*row[width:])) for row in rows]

    async def put_membership(self, membership: Membership) -> None:
        """Adds it, or changes the role."""
        statement = upsert(memberships).values(asdict(membership))
        changed = statement.on_conflict_do_update(
            index_elements=["project_id", "user_id"], set_={"role": membership.role}
        )
        async with transaction(self._engine) as connection:
            await connection.execute(changed)

    async def remove_membership(self, project_id: str, user_id: str) -> bool:
        if not is_id(user_id):
            return False
        gone = delete(memberships).where(_m.project_id == project_id, _m.user_id == user_id)
        async with transaction(self._engine) as connection:
            return (await connection.execute(gone)).rowcount > 0

    async def roles(self, project_id: str) -> Sequence[CustomRole]:
        """By name."""
        query = select(roles).where(roles.c.project_id == project_id).order_by(roles.c.name)
        async with transaction(self._engine) as connection:
            return [CustomRole(**row._asdict()) for row in await connection.execute(query)]

    async def create_role(self, role: CustomRole) -> None:
        """Raises Conflict where the project has one of this name."""
        words = f"The project has a role '{role.name}' already. Choose another name."
        await self._insert(insert(roles).values(asdict(role)), words)

    async def delete_role(self, project_id: str, role_id: str) -> bool:
        """Raises Conflict where members still have it."""
        if not is_id(role_id):
            return False
        mine = and_(roles.c.project_id == project_id, roles.c.id == role_id)
        held = select(func.count()).select_from(memberships)
        async with transaction(self._engine) as connection:
            name = (await connection.execute(select(roles.c.name).where(mine).with_for_update())).scalar_one_or_none()
            if name is None:
                return False
            having = held.where(_m.project_id == project_id, _m.role == name)
            if count := (await connection.execute(having)).scalar_one():
                raise Conflict(f"{count} members have the role '{name}'. Give them another one first.")
            await connection.execute(delete(roles).where(mine))
        return True

    async def projects(self, ids: Sequence[str]) -> Sequence[Project]:
        """Those that there are, oldest first."""
        query = select(projects).where(projects.c.id.in_(ids)).order_by(projects.c.created_at, projects.c.id)
        async with transaction(self._engine) as connection:
            return [Project(**row._asdict()) for row in await connection.execute(query)]

    async def create_project(self, project: Project, owner: Membership | None) -> None:
        """With its first member, where there is one."""
        async with transaction(self._engine) as connection:
            await connection.execute(insert(projects).values(asdict(project)))
            if owner is not None:
                await connection.execute(insert(memberships).values(asdict(owner)))

    async def change_project(self, project: Project) -> None:
        """Its name and its bounds."""
        values = {name: value for name, value in asdict(project).items() if name == "name" or name.startswith("max_")}
        async with transaction(self._engine) as connection:
            await connection.execute(update(projects).where(projects.c.id == project.id).values(values))

    async def _user(self, condition: Any) -> User | None:
        async with transaction(self._engine) as connection:
            row = (await connection.execute(select(users).where(condition))).one_or_none()
        return None if row is None else User(**row._asdict())

    async def _insert(self, statement: Any, taken: str) -> None:
        try:
            async with transaction(self._engine) as connection:
                await connection.execute(statement)
        except IntegrityError as error:
            if "uq_" not in str(error.orig):
                raise
            raise Conflict(taken) from None


def _permissions(row: Any) -> frozenset[str]:
    if row.role in [*Role]:
        return permissions_of(Role(row.role))
    return granted(row.permissions or ())
