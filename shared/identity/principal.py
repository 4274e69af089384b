"""Who makes a request, and the project that stores may touch for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from shared.errors import PermissionMissing

Kind = Literal["user", "api_key", "service"]

acting_project: ContextVar[str | None] = ContextVar("acting_project", default=None)
"""The project that this request belongs to. While it is set, a store's transactions see rows of no other project."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller in one project. `id` is that of the user or of the API key."""

    kind: Kind
    id: str
    project_id: str
    permissions: frozenset[str]

    def check(self, permission: str) -> None:
        """Raises PermissionMissing, which names the permission."""
        if permission not in self.permissions:
            raise PermissionMissing(
                f"This needs the permission '{permission}', which the caller does not have in the project "
                f"{self.project_id}. An admin of the project can grant a role that has it.",
                permission=permission,
            )

    def check_grant(self, permissions: frozenset[str]) -> None:
        """Raises PermissionMissing where one would give away what one does not have."""
        for permission in sorted(permissions - self.permissions):
            self.check(permission)


@contextmanager
def across_projects() -> Iterator[None]:
    """Lets stores see every project for the length of the block: for signing in, where no project is known yet."""
    token = acting_project.set(None)
    try:
        yield
    finally:
        acting_project.reset(token)
