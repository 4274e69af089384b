"""The REST API as an ASGI app."""

from fastapi import FastAPI

from functions.api import errors, openapi
from functions.api.deps import Deps
from functions.api.routes import (
    approval_page,
    approvals,
    catalogue,
    connections,
    events,
    executions,
    health,
    imports,
    plans,
    schedules,
    tasks,
    triggers,
    workflows,
)
from shared.adapters.asgi.middleware import BodyLimit, Correlation, LoopbackGuard


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
        executions,
        tasks,
        approvals,
        approval_page,
        connections,
        catalogue,
        health,
    ):
        app.include_router(routes.router)
    openapi.describe(app)
    # The one added last is the outermost.
    app.add_middleware(BodyLimit, limit=deps.settings.max_body_bytes)
    if deps.settings.stage == "local":
        app.add_middleware(LoopbackGuard)
    app.add_middleware(Correlation)
    return app
