"""The one table of permissions. The API, the command line and the documentation read it; nothing else grants anything.

A new route takes a permission of this table (`dependencies=[requires("workflows:read")]`), or adds a line to it.
"""

from collections.abc import Iterable
from enum import StrEnum

EVERYTHING = "*"
"""As a scope of an API key: every permission, those of later releases too. No route asks for it."""


class Role(StrEnum):
    """The built-in roles, weakest first; each may do all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"


PERMISSIONS: dict[str, Role] = {
    "catalogue:read": Role.VIEWER,
    "workflows:read": Role.VIEWER,
    "workflows:write": Role.EDITOR,
    "workflows:execute": Role.OPERATOR,
    "executions:read": Role.VIEWER,
    "executions:write": Role.OPERATOR,
    "triggers:read": Role.VIEWER,
    "triggers:write": Role.EDITOR,
    "events:read": Role.VIEWER,
    "events:write": Role.OPERATOR,
    "dead_letters:read": Role.VIEWER,
    "dead_letters:write": Role.OPERATOR,
    "tasks:write": Role.OPERATOR,
    "approvals:read": Role.VIEWER,
    "approvals:write": Role.OPERATOR,
    "connections:read": Role.VIEWER,
    "connections:write": Role.EDITOR,
    "project:read": Role.VIEWER,
    "project:write": Role.ADMIN,
    "members:read": Role.VIEWER,
    "members:write": Role.ADMIN,
    "roles:read": Role.VIEWER,
    "roles:write": Role.ADMIN,
    "keys:read": Role.ADMIN,
    "keys:write": Role.ADMIN,
    "audit:read": Role.ADMIN,
    "projects:create": Role.OWNER,
}
"""Permission → the weakest built-in role that has it."""

_RANK = {role: rank for rank, role in enumerate(Role)}


def permissions_of(role: Role) -> frozenset[str]:
    """Every permission of a built-in role."""
    return frozenset(name for name, weakest in PERMISSIONS.items() if _RANK[weakest] <= _RANK[role])


def granted(scopes: Iterable[str]) -> frozenset[str]:
    """The permissions that a key's scopes, or a custom role's list, come to; names that are no more grant nothing."""
    names = frozenset(scopes)
    return frozenset(PERMISSIONS) if EVERYTHING in names else names & PERMISSIONS.keys()


def unknown(names: Iterable[str]) -> list[str]:
    """Those that are no permission, in alphabetical order."""
    return sorted(set(names) - PERMISSIONS.keys())
