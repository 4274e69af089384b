"""The REST API as an ASGI app."""

from fastapi import FastAPI

from functions.api import access, errors, openapi
from functions.api.deps import Deps
from functions.api.routes import (
    approval_page,
    approvals,
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
    plans,
    replays,
    schedules,
    tasks,
    triggers,
    workflows,
)
from shared.adapters.asgi.middleware import BodyLimit, Correlation, LoopbackGuard
from shared.bulk.records import MAX_BYTES

BULK_PATHS = r"/api/workflows/[^/]+/bulk(/check)?"


def create_app(deps: Deps) -> FastAPI:
    """The API over `deps`: `/api/…`, `/healthz`, `/readyz`, `/openapi.json` and `/docs`."""
    app = openapi.new_app()
    app.state.deps = deps
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
        members,
        keys,
        health,
    ):
        app.include_router(routes.router)
    access.declared(app.routes)  # a route that declares nothing stops the start
    openapi.describe(app)
    # The one added last is the outermost.
    app.add_middleware(access.ProjectScope)
    app.add_middleware(BodyLimit, limit=deps.settings.max_body_bytes, larger={BULK_PATHS: MAX_BYTES})
    if deps.settings.stage == "local":
        app.add_middleware(LoopbackGuard)
    app.add_middleware(Correlation)
    return app
