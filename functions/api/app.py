"""The REST API as an ASGI app."""

from functools import partial

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from functions.api import access, errors, openapi
from functions.api.callers import address_of
from functions.api.deps import Deps
from functions.api.routes import (
    approval_page,
    approvals,
    audit,
    auth,
    bulk,
    catalogue,
    circuits,
    connections,
    dead_letters,
    events,
    executions,
    flow_control,
    health,
    imports,
    keys,
    members,
    oauth_page,
    oidc,
    plans,
    replays,
    schedules,
    tasks,
    triggers,
    workflows,
)
from shared.adapters.asgi.headers import SecurityHeaders
from shared.adapters.asgi.middleware import BodyLimit, Correlation, LoopbackGuard
from shared.adapters.asgi.rate_limit import RateLimited
from shared.bulk.records import MAX_BYTES

CORS_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "Millrace-Project",
    "X-Correlation-Id",
]
EXPOSED_HEADERS = ["Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Correlation-Id"]
BULK_PATHS = r"/api/workflows/[^/]+/bulk(/check)?"


def create_app(deps: Deps) -> FastAPI:
    """The API over `deps`: `/api/…`, `/healthz`, `/readyz`, `/openapi.json` and `/docs`."""
    return over(deps, routed())


def routed() -> FastAPI:
    """The routes, which take the most time to make, and nothing below them yet."""
    app = openapi.new_app()
    errors.register(app)
    for routes in (
        workflows,
        plans,
        imports,
        triggers,
        schedules,
        events,
        replays,
        dead_letters,
        executions,
        flow_control,
        bulk,
        tasks,
        approvals,
        approval_page,
        connections,
        oauth_page,
        catalogue,
        circuits,
        auth,
        oidc,
        members,
        keys,
        audit,
        health,
    ):
        app.include_router(routes.router)
    access.declared(app.routes)  # a route that declares nothing stops the start
    openapi.describe(app)
    return app


def over(deps: Deps, app: FastAPI) -> FastAPI:
    """The routes over `deps`."""
    app.state.deps = deps
    # The one added last is the outermost.
    app.add_middleware(access.ProjectScope)
    app.add_middleware(
        RateLimited,
        limits=deps.limits,
        address_of=partial(address_of, trusted_proxies=deps.settings.trusted_proxies),
        address=deps.settings.rate_limit_address,
        sign_in=deps.settings.rate_limit_sign_in,
    )
    app.add_middleware(BodyLimit, limit=deps.settings.max_body_bytes, larger={BULK_PATHS: MAX_BYTES})
    origins = deps.settings.origins
    if deps.settings.stage == "local":
        app.add_middleware(LoopbackGuard, origins=origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=CORS_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(SecurityHeaders, open_to=bool(origins))
    app.add_middleware(Correlation)
    return app
