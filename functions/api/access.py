"""Who calls: from the Authorization header to a Principal, and the permission that each route declares.

A route declares one of `requires("workflows:read")`, `signed_in()` and `public("why")` among its `dependencies`. An app
with a route that declares none does not start (`declared` below), so that nothing is open by oversight.
"""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Header, Request, Security
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import BaseRoute

from functions.api.callers import address_of
from functions.api.errors import documented
from shared.adapters.asgi.problems import correlation_id
from shared.adapters.asgi.rate_limit import check
from shared.audit.records import Action
from shared.errors import ConfigInvalid
from shared.identity.permissions import PERMISSIONS
from shared.identity.principal import Actor, Principal, acting, acting_project
from shared.identity.signing_in import Identity
from shared.ports.limits import RateLimit

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
    """Whoever the bearer is, in whatever projects; from here on, the audit log names them.

    Raises:
        Unauthenticated: no credentials, or none that are valid.
        TooManyRequests: of the caller.
    """
    deps: Deps = request.app.state.deps
    identity = await deps.access.identify(credentials.credentials if credentials else None)
    address = address_of(request.scope, deps.settings.trusted_proxies)
    check(
        request.scope,
        await deps.limits.hit([RateLimit("caller", f"{identity.kind} {identity.id}", deps.settings.rate_limit_caller)]),
    )
    acting.set(Actor(identity.kind, identity.id, address, correlation_id(request.scope)))  # put back by the middleware
    return identity


async def authenticated(
    request: Request, identity: Annotated[Identity, Depends(identified)], project: ProjectHeader = None
) -> Principal:
    """The bearer in one project; from here on, stores show this request that project only.

    Raises:
        Unauthenticated: no credentials, or none that are valid.
        PermissionMissing: the header names a project that the bearer does not belong to.
        InvalidParameter: they belong to several, and the header names none.
        TooManyRequests: of the project.
    """
    deps: Deps = request.app.state.deps
    principal = identity.in_project(project)
    limit = RateLimit("project", principal.project_id, deps.settings.rate_limit_project)
    check(request.scope, await deps.limits.hit([limit]))
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


class AuditedRequirement(Requirement):
    """As a Requirement; a request that succeeds is then written down as `action`."""

    def __init__(self, permission: str, action: str) -> None:
        super().__init__(permission)
        self.action = action

    async def __call__(self, request: Request, principal: Caller) -> AsyncIterator[None]:  # type: ignore[override]  # FastAPI runs what comes after `yield` once the request is done
        principal.check(self.permission)
        yield
        deps: Deps = request.app.state.deps
        target = next(iter(request.path_params.values()), None)
        kind = self.action.partition(".")[0]
        await deps.audit.record(Action(principal.project_id, self.action, kind, target))


class SignedIn:
    """The caller needs valid credentials, and no project."""

    async def __call__(self, identity: Annotated[Identity, Depends(identified)]) -> None: ...


class Public:
    """Anybody may call."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def __call__(self) -> None: ...


def requires(permission: str, *, audited: str | None = None) -> Any:
    """For a route's `dependencies`: 401 without credentials, 403 without `permission` in the project.

    `audited`: what the audit log calls it (`execution.cancelled`), where a route changes none of the tables that write
    their own entries; what it is done to is the path's parameter.
    """
    return Depends(Requirement(permission) if audited is None else AuditedRequirement(permission, audited))


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
    """Writes what each operation asks for into the OpenAPI document, as `x-permission`, and its 401, 403 and 429."""
    asked = declared(app.routes)
    operations = ((method, path, each) for path, all_ in document["paths"].items() for method, each in all_.items())
    for method, path, operation in operations:
        asks = asked[f"{method.upper()} {path}"]
        operation["x-permission"] = asks.permission if isinstance(asks, Requirement) else None
        if isinstance(asks, Public):
            operation.pop("security", None)
            continue
        refusals = documented(401, 403, 429) if isinstance(asks, Requirement) else documented(401, 429)
        operation["responses"] = {str(status): each for status, each in refusals.items()} | operation["responses"]
        if isinstance(asks, Requirement):
            operation["description"] += f"\n\nNeeds the permission `{asks.permission}`."


class ProjectScope:
    """Puts back which project stores show and who acts, after each request: nothing is left to what comes next."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        project, actor = acting_project.set(None), acting.set(None)
        try:
            await self.app(scope, receive, send)
        finally:
            acting_project.reset(project)
            acting.reset(actor)
