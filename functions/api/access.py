"""Who calls: from the Authorization header to a Principal, and the permission that each route declares.

A route declares one of `requires("workflows:read")`, `signed_in()` and `public("why")` among its `dependencies`. An app
with a route that declares none does not start (`declared` below), so that nothing is open by oversight.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Header, Request, Security
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import BaseRoute

from functions.api.errors import documented
from shared.errors import ConfigInvalid
from shared.identity.permissions import PERMISSIONS
from shared.identity.principal import Principal, acting_project
from shared.identity.signing_in import Identity

if TYPE_CHECKING:
    from functions.api.deps import Deps

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key (`mr_…`) or an access token (`POST /api/auth/login`).",
)
ProjectHeader = Annotated[
    str | None,
    Header(alias="Millrace-Project", description="Which of the caller's projects; needed only by members of several."),
]


async def identified(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Identity:
    """Whoever the bearer is, in whatever projects.

    Raises:
        Unauthenticated: no credentials, or none that are valid.
    """
    deps: Deps = request.app.state.deps
    return await deps.access.identify(credentials.credentials if credentials else None)


async def authenticated(
    request: Request, identity: Annotated[Identity, Depends(identified)], project: ProjectHeader = None
) -> Principal:
    """The bearer in one project; from here on, stores show this request that project only.

    Raises:
        Unauthenticated: no credentials, or none that are valid.
        PermissionMissing: the header names a project that the bearer does not belong to.
        InvalidParameter: they belong to several, and the header names none.
    """
    principal = identity.in_project(project)
    request.state.principal = principal
    acting_project.set(principal.project_id)  # put back by the middleware
    return principal


Caller = Annotated[Principal, Depends(authenticated)]
"""A route's parameter of this type is who calls."""


class Requirement:
    """The caller needs one permission."""

    def __init__(self, permission: str) -> None:
        if permission not in PERMISSIONS:
            raise ConfigInvalid(f"There is no permission '{permission}'. Add it to shared/identity/permissions.py.")
        self.permission = permission

    async def __call__(self, principal: Caller) -> None:
        principal.check(self.permission)


class SignedIn:
    """The caller needs valid credentials, and no project."""

    async def __call__(self, identity: Annotated[Identity, Depends(identified)]) -> None: ...


class Public:
    """Anybody may call."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def __call__(self) -> None: ...


def requires(permission: str) -> Any:
    """For a route's `dependencies`: 401 without credentials, 403 without `permission` in the project."""
    return Depends(Requirement(permission))


def signed_in() -> Any:
    """For a route's `dependencies`: 401 without credentials; what it shows is the caller's own."""
    return Depends(SignedIn())


def public(why: str) -> Any:
    """For a route's `dependencies`: no credentials are asked for, because of `why`."""
    return Depends(Public(why))


def declared(routes: Sequence[BaseRoute]) -> dict[str, Requirement | SignedIn | Public]:
    """What each API route asks for, by `METHOD /path`.

    Raises:
        ConfigInvalid: a route declares nothing, or more than one thing.
    """
    found = {}
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute) or not route.include_in_schema:
            continue
        calls = [each.dependency for each in route.dependencies]
        asks = [call for call in calls if isinstance(call, Requirement | SignedIn | Public)]
        for method in sorted(route.methods or ()):
            if len(asks) != 1:
                raise ConfigInvalid(
                    f"{method} {route.path} declares {len(asks)} of requires(…), signed_in() and public(…). Give it "
                    "exactly one among its `dependencies`."
                )
            found[f"{method} {route.path}"] = asks[0]
    return found


def describe(app: FastAPI, document: dict[str, Any]) -> None:
    """Writes what each operation asks for into the OpenAPI document, as `x-permission`, and its 401 and 403."""
    asked = declared(app.routes)
    operations = ((method, path, each) for path, all_ in document["paths"].items() for method, each in all_.items())
    for method, path, operation in operations:
        asks = asked[f"{method.upper()} {path}"]
        operation["x-permission"] = asks.permission if isinstance(asks, Requirement) else None
        if isinstance(asks, Public):
            operation.pop("security", None)
            continue
        refusals = documented(401, 403) if isinstance(asks, Requirement) else documented(401)
        operation["responses"] = {str(status): each for status, each in refusals.items()} | operation["responses"]
        if isinstance(asks, Requirement):
            operation["description"] += f"\n\nNeeds the permission `{asks.permission}`."


class ProjectScope:
    """Puts back which project stores show, after each request: nothing is left to whatever this task does next."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        token = acting_project.set(None)
        try:
            await self.app(scope, receive, send)
        finally:
            acting_project.reset(token)
